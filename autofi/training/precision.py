"""How matrix products are computed while training: bfloat16 where the processor or the GPU multiplies it natively."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

import torch

from autofi.environment import asked

#: "auto", "bf16" or "fp32".
VARIABLE = "AUTOFI_PRECISION"
PRECISIONS = ("auto", "bf16", "fp32")


def fast_products(device: torch.device) -> AbstractContextManager[object]:
    """The context of a forward pass: its matrix products in bfloat16 where that pays, everything else in float32.

    Tables, normalisation, sums and losses stay float32, and so does what is measured and exported: float32
    arithmetic on float32 weights. On a processor with AVX512-BF16 or AMX a step takes a third to two thirds of its
    time; AUC differs by less than seeds do. The variable AUTOFI_PRECISION = fp32
    turns it off, bf16 on; any other value raises `ConfigError`.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=fast_dtype(device) is torch.bfloat16)


def fast_dtype(device: torch.device) -> torch.dtype:
    """What `fast_products` multiplies in; also what candidates of a supernet are compared in (`supernet.scoring`)."""
    return torch.bfloat16 if _use_bfloat16(device.type, asked(VARIABLE, PRECISIONS)) else torch.float32


@cache
def _use_bfloat16(kind: str, precision: str) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())

"""How matrix products are computed while training: in bfloat16 where the processor or the GPU is faster at it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import torch

from autofi.core.environment import asked

#: "auto", "bf16" or "fp32".
VARIABLE = "AUTOFI_PRECISION"
PRECISIONS = ("auto", "bf16", "fp32")


def fast_products(device: torch.device) -> AbstractContextManager[object]:
    """The context of a forward pass: its matrix products in bfloat16 where that pays, everything else in float32.

    Tables, normalisation, sums and losses stay float32, and so does what is measured and exported: float32
    arithmetic on float32 weights. Where it pays (see `multiplies_halves_faster`) a step takes a third to two thirds of
    its time; AUC differs by less than seeds do. The variable AUTOFI_PRECISION = fp32 turns it off, bf16 on; any other
    value raises `ConfigError`.
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
    return multiplies_halves_faster(torch.cpu.get_capabilities())


def multiplies_halves_faster(processor: Mapping[str, Any]) -> bool:
    """Whether a processor of such capabilities (`torch.cpu.get_capabilities`) gains by bfloat16.

    AMX is made for it, and AMD's AVX512-BF16 has two to three times the pace of float32. Intel's has the pace of
    float32, less what it takes to convert: where AMX is not there, as in many virtual machines, a step takes 1.4 to
    1.7 times as long as in float32. What a processor says of itself decides, no stopwatch: the same seed then gives
    the same weights whatever else the machine is doing.
    """
    by_intel = "intel" in str(processor.get("cpu_name", "")).lower()
    return bool(processor.get("amx_bf16") or (processor.get("avx512_bf16") and not by_intel))

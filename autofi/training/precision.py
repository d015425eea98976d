"""The precision of matrix products in training: bfloat16 if the processor or the GPU is faster at it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import torch

from autofi.core.environment import asked

#: The environment variable with "auto", "bf16" or "fp32".
VARIABLE = "AUTOFI_PRECISION"
PRECISIONS = ("auto", "bf16", "fp32")


def fast_products(device: torch.device) -> AbstractContextManager[object]:
    """Return the context of a forward pass, with matrix products in bfloat16 if that pays, all else in float32.

    Tables, normalization, sums and losses stay float32, and so does everything that is measured and exported: float32
    arithmetic on float32 weights. If it pays (see `multiplies_halves_faster`) a step takes a third to two thirds of its
    time; AUC differs by less than between seeds. The variable AUTOFI_PRECISION = fp32 turns it off, bf16 on.

    Raises:
        ConfigError: The variable has another value.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=fast_dtype(device) is torch.bfloat16)


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of products in `fast_products`, and in scoring by inherited weights."""
    return torch.bfloat16 if _use_bfloat16(device.type, asked(VARIABLE, PRECISIONS)) else torch.float32


@cache
def _use_bfloat16(kind: str, precision: str) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return multiplies_halves_faster(torch.cpu.get_capabilities())


def multiplies_halves_faster(processor: Mapping[str, Any]) -> bool:
    """Return True if a processor of these capabilities (`torch.cpu.get_capabilities`) gains by bfloat16.

    AMX is made for it, and AMD's AVX512-BF16 is two to three times as fast as float32. Intel's AVX512-BF16 is as fast
    as float32, minus the cost of conversion: without AMX, as in many virtual machines, a step takes 1.4 to 1.7 times as
    long as in float32. The processor's capabilities decide, not a measurement: the same seed then gives the same
    weights, whatever else the machine is doing.
    """
    by_intel = "intel" in str(processor.get("cpu_name", "")).lower()
    return bool(processor.get("amx_bf16") or (processor.get("avx512_bf16") and not by_intel))

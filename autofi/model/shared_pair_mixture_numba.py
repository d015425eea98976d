"""Compiled loops that mix the forms of pairs, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autofi.core.numba_jit import compiled

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


class MixtureKernels(NamedTuple):
    """The loops for vectors of one width D; `F` fields, `P` pairs, rows of a part of the batch.

    forward(rows, factors, table, left, right, memorized, factorized, out, seen, halves, kept)
    backward(gradient, seen, factors, left, right, memorized, factorized,
             to_table, to_factors, to_weights, halves, kept)

    rows                   int32 [B, P] of `table` float32 [V, D]
    factors, to_factors    float32 [B, F, D]
    left, right            int32 [P]: fields of a pair
    memorized, factorized  float32 [P]: weights of a pair's two forms
    out, seen, gradient    [B, P·D], float32, or the bits of bfloat16 as uint16 (`halves`); `seen` are the looked-up
                           vectors, if they are `kept` for the gradient of the weights
    to_table               float32 [P, B, D]
    to_weights             float32 [2, P], added to
    """

    forward: Callable[..., None]
    backward: Callable[..., None]


@compiled
def _store(numbers: Floats, out: Any, halves: bool) -> None:
    """Write numbers unchanged, or as the bits of the nearest bfloat16, ties to even."""
    if halves:
        bits = numbers.view(np.uint32)
        for k in range(len(bits)):
            bit = bits[k]
            out[k] = np.uint16(
                (bit + np.uint32(0x7FFF) + ((bit >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
            )
    else:
        for k in range(len(numbers)):
            out[k] = numbers[k]


@compiled
def _load(stored: Any, numbers: Floats, halves: bool) -> None:
    """Read the numbers that `_store` wrote."""
    if halves:
        bits = numbers.view(np.uint32)
        for k in range(len(bits)):
            bits[k] = np.uint32(stored[k]) << np.uint32(16)
    else:
        for k in range(len(numbers)):
            numbers[k] = stored[k]


@cache
def mixture_kernels(width: int) -> MixtureKernels:
    """Return the loops for vectors of `width` numbers."""

    @compiled
    def forward(
        rows: Integers,
        factors: Floats,
        table: Floats,
        left: Integers,
        right: Integers,
        memorized: Floats,
        factorized: Floats,
        out: Any,
        seen: Any,
        halves: bool,
        kept: bool,
    ) -> None:
        batch, pairs = rows.shape
        mixed, looked_up = np.empty(pairs * width, np.float32), np.empty(pairs * width, np.float32)
        for b in range(batch):
            for p in range(pairs):
                cell = table[rows[b, p]]
                one, other = factors[b, left[p]], factors[b, right[p]]
                by_cell, by_product = memorized[p], factorized[p]
                here = slice(p * width, (p + 1) * width)
                into, beside = mixed[here], looked_up[here]
                for d in range(width):
                    beside[d] = cell[d]
                    into[d] = by_cell * cell[d] + by_product * one[d] * other[d]
            _store(mixed, out[b], halves)
            if kept:
                _store(looked_up, seen[b], halves)

    @compiled
    def backward(
        gradient: Any,
        seen: Any,
        factors: Floats,
        left: Integers,
        right: Integers,
        memorized: Floats,
        factorized: Floats,
        to_table: Floats,
        to_factors: Floats,
        to_weights: Floats,
        halves: bool,
        kept: bool,
    ) -> None:
        pairs, batch, _ = to_table.shape
        given, looked_up = np.empty(pairs * width, np.float32), np.zeros(pairs * width, np.float32)
        for b in range(batch):
            _load(gradient[b], given, halves)
            if kept:
                _load(seen[b], looked_up, halves)
            for p in range(pairs):
                i, j = left[p], right[p]
                one, other, to_one, to_other = (
                    factors[b, i],
                    factors[b, j],
                    to_factors[b, i],
                    to_factors[b, j],
                )
                by_cell, by_product = memorized[p], factorized[p]
                here = slice(p * width, (p + 1) * width)
                pull, cell, to_cell = given[here], looked_up[here], to_table[p, b]
                on_cell, on_product = np.float32(0.0), np.float32(0.0)
                for d in range(width):
                    to_cell[d] = by_cell * pull[d]
                    on_cell += pull[d] * cell[d]
                    on_product += pull[d] * one[d] * other[d]
                for d in range(width):
                    to_one[d] += by_product * pull[d] * other[d]
                for d in range(width):
                    to_other[d] += by_product * pull[d] * one[d]
                to_weights[0, p] += on_cell
                to_weights[1, p] += on_product

    return MixtureKernels(forward, backward)

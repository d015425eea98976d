"""Compiled loops over the rows of a lookup table: Adam on touched rows, and catching up for the others.

Torch has no fused update of some rows; composed of its operations, it is slower than an update of the whole table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autofi.core.numba_jit import compiled
from autofi.training.sparse_adam import BETA1, BETA2, CROSSING_STEPS, EPS, MOMENTUM_STEPS

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
Powers = NDArray[np.float64]


class RowKernels(NamedTuple):
    """The loops for tables of one width.

    catch_up(rows, table, first, second, done, powers1, powers2, step, rate, l2)
        Give `rows` the steps from `done` to `step` in which their only gradient was that of their decay.
    update(rows, gradients, table, first, second, done, slots, unique, sums, step, rate, l2)
        Take one step of Adam for the rows named in `rows`, whose gradients are first summed.

    rows, gradients        [N], float32 [N, D]
    table, first, second   float32 [V, D]: weights and moments
    done                   int32 [V]: the step a row has reached
    powers1, powers2       float64: powers of BETA1 and BETA2, by twice the exponent, up to `2 * step`
    slots                  int32 [V], -1 everywhere, and again on return
    unique, sums           int32 [N], float32 [N, D]: buffers
    """

    catch_up: Callable[..., None]
    update: Callable[..., None]


@cache
def row_kernels(width: int) -> RowKernels:
    """Return the loops for rows of `width` numbers."""

    @compiled
    def catch_up(
        rows: Integers,
        table: Floats,
        first: Floats,
        second: Floats,
        done: Integers,
        powers1: Powers,
        powers2: Powers,
        step: int,
        rate: float,
        l2: float,
    ) -> None:
        # Adam with a constant gradient g over n steps: the first moments are a geometric series, the second moment
        # and the bias corrections are those in the middle of the block. Blocks grow as 1, 1, 2, 4, ...: a row that
        # missed k steps costs log2(k) blocks instead of k steps, and a short absence is followed exactly but for that.
        decay = np.float32(l2)
        one, eps, zero = np.float32(1.0), np.float32(EPS), np.float32(0.0)
        for place in range(rows.shape[0]):
            row = rows[place]
            at = done[row]
            left = step - at
            if left <= 0:
                continue
            done[row] = step
            if at == 0 and l2 == 0.0:
                continue  # never touched: there is no momentum to spend
            length = 1
            passed = 0
            weights, momenta, squares = table[row], first[row], second[row]
            while left > 0:
                if l2 == 0.0 and passed >= MOMENTUM_STEPS:
                    remaining = np.float32(powers2[2 * left])
                    for d in range(width):
                        momenta[d] = zero
                        squares[d] *= remaining
                    break
                taken = min(length, left)
                middle = 2 * at + taken + 1
                fade1, whole = np.float32(powers1[2 * taken]), np.float32(powers2[2 * taken])
                half = np.float32(powers2[taken + 1])
                series = np.float32(BETA1 * (1.0 - powers1[2 * taken]) / (1.0 - BETA1))
                steady = np.float32(taken) - series
                scale = np.float32(rate / (1.0 - powers1[middle]))
                root = np.float32(1.0 / math.sqrt(1.0 - powers2[middle]))
                if l2 == 0.0:
                    for d in range(width):
                        pace = scale / (math.sqrt(half * squares[d]) * root + eps)
                        weights[d] -= pace * momenta[d] * series
                        momenta[d] *= fade1
                        squares[d] *= whole
                else:
                    crossing = taken >= CROSSING_STEPS
                    for d in range(width):
                        weight = weights[d]
                        pull = decay * weight
                        squared = squares[d]
                        pace = scale / (math.sqrt(half * squared + (one - half) * pull * pull) * root + eps)
                        moved = weight - pace * (momenta[d] * series + pull * steady)
                        momentum = fade1 * momenta[d] + (one - fade1) * pull
                        if crossing and moved * weight <= zero:
                            # Explicit steps this long would oscillate ever wider around zero, where dense Adam stays.
                            moved = zero
                            momentum = zero
                        weights[d] = moved
                        momenta[d] = momentum
                        squares[d] = whole * squared + (one - whole) * pull * pull
                at += taken
                left -= taken
                passed += taken
                if passed > 1:
                    length = passed

    @compiled
    def update(
        rows: NDArray[np.int64],
        gradients: Floats,
        table: Floats,
        first: Floats,
        second: Floats,
        done: Integers,
        slots: Integers,
        unique: Integers,
        sums: Floats,
        step: int,
        rate: float,
        l2: float,
    ) -> None:
        found = 0
        for place in range(rows.shape[0]):
            row = rows[place]
            slot = slots[row]
            gradient = gradients[place]
            if slot < 0:
                slots[row] = found
                unique[found] = row
                total = sums[found]
                for d in range(width):
                    total[d] = gradient[d]
                found += 1
            else:
                total = sums[slot]
                for d in range(width):
                    total[d] += gradient[d]
        decay, eps = np.float32(l2), np.float32(EPS)
        beta1, beta2 = np.float32(BETA1), np.float32(BETA2)
        rest1, rest2 = np.float32(1.0 - BETA1), np.float32(1.0 - BETA2)
        scale = np.float32(rate / (1.0 - BETA1**step))
        root = np.float32(1.0 / math.sqrt(1.0 - BETA2**step))
        for slot in range(found):
            row = unique[slot]
            slots[row] = -1
            done[row] = step
            weights, momenta, squares, total = table[row], first[row], second[row], sums[slot]
            for d in range(width):
                pulled = total[d] + decay * weights[d]
                momentum = beta1 * momenta[d] + rest1 * pulled
                squared = beta2 * squares[d] + rest2 * pulled * pulled
                momenta[d] = momentum
                squares[d] = squared
                weights[d] -= scale * momentum / (math.sqrt(squared) * root + eps)

    return RowKernels(catch_up, update)


def powers_to(step: int) -> tuple[Any, Any]:
    """Return BETA1 and BETA2 to the powers 0, 1/2, 1, ... `step`, float64 `[2 * step + 2]` each."""
    exponents = 0.5 * np.arange(2 * step + 2)
    return BETA1**exponents, BETA2**exponents

"""Compiled loops over the rows of a lookup table: Adam on the rows a batch touches, and what the others missed.

Torch has no fused update of some rows; put together from its operations it is slower than updating the whole table.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from autofi.compiling import compiled
from autofi.training.row_adam import CROSSING_STEPS, MOMENTUM_STEPS

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


@compiled
def catch_up(
    rows: Integers,
    table: Floats,
    first: Floats,
    second: Floats,
    done: Integers,
    step: int,
    rate: float,
    l2: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """Give `rows` the steps from `done` to `step` in which they had no gradient but that of their decay.

    Adam with a constant gradient g over n steps: the first moments are a geometric series, the second moment and the
    bias corrections are taken in the middle of the block. Blocks grow as 1, 1, 2, 4, ...: a row that missed k steps
    costs log2(k) blocks instead of k steps, and a short absence is followed exactly but for that.
    """
    width = table.shape[1]
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
        while left > 0:
            if l2 == 0.0 and passed >= MOMENTUM_STEPS:
                remaining = beta2**left
                for d in range(width):
                    first[row, d] = 0.0
                    second[row, d] *= remaining
                break
            taken = min(length, left)
            fade1 = beta1**taken
            series = beta1 * (1.0 - fade1) / (1.0 - beta1)
            half = beta2 ** (0.5 * (taken + 1))
            whole = beta2**taken
            middle = at + 0.5 * (taken + 1)
            scale = rate / (1.0 - beta1**middle)
            root = 1.0 / math.sqrt(1.0 - beta2**middle)
            for d in range(width):
                weight = table[row, d]
                pull = l2 * weight
                squared = second[row, d]
                pace = scale / (math.sqrt(half * squared + (1.0 - half) * pull * pull) * root + eps)
                moved = weight - pace * (first[row, d] * series + pull * (taken - series))
                momentum = fade1 * first[row, d] + (1.0 - fade1) * pull
                if taken >= CROSSING_STEPS and l2 > 0.0 and moved * weight <= 0.0:
                    # Explicit steps this long would swing ever wider about zero, where dense Adam comes to rest.
                    moved = 0.0
                    momentum = 0.0
                table[row, d] = moved
                first[row, d] = momentum
                second[row, d] = whole * squared + (1.0 - whole) * pull * pull
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
    beta1: float,
    beta2: float,
    eps: float,
) -> int:
    """One step of Adam for the rows named in `rows`, whose gradients are first added up; returns how many there are.

    slots    int32 [V], -1 everywhere, and again when it returns
    unique   int32 [N], sums float32 [N, D]: room to work in
    """
    width = table.shape[1]
    found = 0
    for place in range(rows.shape[0]):
        row = rows[place]
        slot = slots[row]
        if slot < 0:
            slots[row] = found
            unique[found] = row
            for d in range(width):
                sums[found, d] = gradients[place, d]
            found += 1
        else:
            for d in range(width):
                sums[slot, d] += gradients[place, d]
    scale = rate / (1.0 - beta1**step)
    root = 1.0 / math.sqrt(1.0 - beta2**step)
    for slot in range(found):
        row = unique[slot]
        slots[row] = -1
        done[row] = step
        for d in range(width):
            gradient = sums[slot, d] + l2 * table[row, d]
            momentum = beta1 * first[row, d] + (1.0 - beta1) * gradient
            squared = beta2 * second[row, d] + (1.0 - beta2) * gradient * gradient
            first[row, d] = momentum
            second[row, d] = squared
            table[row, d] -= scale * momentum / (math.sqrt(squared) * root + eps)
    return found

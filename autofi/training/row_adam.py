"""Adam on the rows of a large lookup table that a batch touches; what the others missed is made up later."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autofi.huge_pages import in_huge_pages

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
#: Steps after which a momentum that nothing renews is gone: 0.9 ** 256 is 2e-12.
MOMENTUM_STEPS = 256
#: In blocks of this length and longer a weight decays to zero and not beyond.
CROSSING_STEPS = 16
#: Steps for which powers of the betas are at hand at first.
FIRST_POWERS = 4096


class RowAdam:
    """Adam with coupled L2, as over the whole table, at the cost of the rows in the batch.

    Dense Adam moves every row at every step: by its momentum, and by the gradient `l2 * w` of its decay. A row that
    missed k steps makes them up just before it is next read, and at `settle`, in log2(k) blocks of steps
    (`row_kernels.catch_up`). Rows that every batch touches get exactly dense Adam's steps; for the others the blocks
    follow it closely, and more so the shorter they were away.

    On a CPU the loops are compiled (Numba); on a GPU the same steps are put together from torch's operations.

    Source: Adam, https://arxiv.org/abs/1412.6980. "Lazy" Adam in other libraries forgets what a row missed.
    """

    def __init__(self, table: nn.Parameter, learning_rate: float, l2: float) -> None:
        self.table, self.learning_rate, self.l2 = table, learning_rate, l2
        self.first, self.second = torch.zeros_like(table), torch.zeros_like(table)
        self.done = torch.zeros(len(table), dtype=torch.int32, device=table.device)
        self.steps = 0
        self._kernels: Any = None
        if table.device.type == "cpu" and table.dtype == torch.float32:
            # Numba takes a second to import: only where a table is large.
            from autofi.training.row_kernels import powers_to, row_kernels

            self._kernels, self._powers_to = row_kernels(table.shape[1]), powers_to
            self._powers = powers_to(FIRST_POWERS)
            self._slots = np.full(len(table), -1, dtype=np.int32)
            in_huge_pages(table, self.first, self.second, self.done)
        self._room: Any = None
        # `operators.base.look_up` calls it with the rows a forward pass is about to read.
        table.before_read = self.catch_up  # type: ignore[attr-defined]

    def zero_grad(self) -> None:
        self.table.grad = None

    @torch.no_grad()
    def catch_up(self, rows: Tensor) -> None:
        """Bring these rows up to the present step."""
        if not self.steps:
            return
        if self._kernels is not None:
            self._kernels.catch_up(
                rows.reshape(-1).to(torch.int32).numpy(), *self._arrays(), *self._powers, self.steps,
                *self._numbers(),
            )  # fmt: skip
        else:
            self._catch_up_apart(rows.reshape(-1).unique())

    @torch.no_grad()
    def step(self) -> None:
        """One step for the rows with a gradient; they were brought up to date when they were read."""
        gradient = self.table.grad
        if gradient is None:
            return
        if gradient.is_sparse:
            rows, values = gradient._indices()[0], gradient._values()
        else:
            rows = gradient.abs().sum(1).nonzero().flatten()
            values = gradient[rows]
        self.steps += 1
        if self._kernels is not None and 2 * self.steps >= len(self._powers[0]):
            self._powers = self._powers_to(2 * self.steps)
        if self._kernels is not None:
            if self._room is None or len(self._room[0]) < len(rows):
                self._room = (
                    np.empty(len(rows), np.int32),
                    np.empty((len(rows), self.table.shape[1]), np.float32),
                )
            self._kernels.update(
                rows.numpy(), values.contiguous().numpy(), *self._arrays(), self._slots, *self._room, self.steps,
                *self._numbers(),
            )  # fmt: skip
        else:
            self._update_apart(rows, values)

    @torch.no_grad()
    def settle(self) -> None:
        """Bring every row up to the present step."""
        behind = (self.done < self.steps).nonzero().flatten()
        if len(behind):
            self.catch_up(behind)

    def scale_learning_rate(self, factor: float) -> None:
        """Steps not made up yet are made at the new rate: settle first where that matters."""
        self.learning_rate *= factor

    def release(self) -> None:
        """Settle, and leave the table to itself."""
        self.settle()
        if getattr(self.table, "before_read", None) == self.catch_up:
            del self.table.before_read  # type: ignore[attr-defined]

    def _arrays(self) -> Any:
        return tuple(part.detach().numpy() for part in (self.table, self.first, self.second, self.done))

    def _numbers(self) -> Any:
        return self.learning_rate, self.l2

    def _catch_up_apart(self, rows: Tensor) -> None:
        """`row_kernels.catch_up` for rows named once each, every row in the same block at the same time."""
        rows = rows[self.done[rows] < self.steps]
        if not self.l2:
            self.done[rows[self.done[rows] == 0]] = self.steps
            rows = rows[self.done[rows] < self.steps]
        at = self.done[rows].double()
        left = self.steps - at
        passed, length = 0, 1
        while len(rows):
            if not self.l2 and passed >= MOMENTUM_STEPS:
                self.first[rows] = 0.0
                self.second[rows] *= (BETA2**left).unsqueeze(1).to(self.second.dtype)
                self.done[rows] = self.steps
                return
            taken = left.clamp(max=length)
            self._block(rows, at, taken)
            at, left = at + taken, left - taken
            passed += length
            length = passed if passed > 1 else 1
            self.done[rows] = at.to(torch.int32)
            going = left > 0
            rows, at, left = rows[going], at[going], left[going]

    def _block(self, rows: Tensor, at: Tensor, taken: Tensor) -> None:
        fade1 = BETA1**taken
        series = BETA1 * (1 - fade1) / (1 - BETA1)
        half, whole = BETA2 ** (0.5 * (taken + 1)), BETA2**taken
        middle = at + 0.5 * (taken + 1)
        scale = self.learning_rate / (1 - BETA1**middle)
        root = (1 - BETA2**middle).rsqrt()
        fade1, series, half, whole, scale, root, long = (
            column.unsqueeze(1).to(self.table.dtype)
            for column in (fade1, series, half, whole, scale, root, taken)
        )
        weight, first, second = self.table[rows], self.first[rows], self.second[rows]
        pull = self.l2 * weight
        pace = scale / ((half * second + (1 - half) * pull.square()).sqrt() * root + EPS)
        moved = weight - pace * (first * series + pull * (long - series))
        rests = (long >= CROSSING_STEPS) & (moved * weight <= 0) & (self.l2 > 0)
        self.table[rows] = moved.masked_fill(rests, 0.0)
        self.first[rows] = (fade1 * first + (1 - fade1) * pull).masked_fill(rests, 0.0)
        self.second[rows] = whole * second + (1 - whole) * pull.square()

    def _update_apart(self, rows: Tensor, values: Tensor) -> None:
        unique, where = rows.unique(return_inverse=True)
        sums = values.new_zeros(len(unique), values.shape[1]).index_add_(0, where, values)
        gradient = sums.to(self.table.dtype) + self.l2 * self.table[unique]
        first = BETA1 * self.first[unique] + (1 - BETA1) * gradient
        second = BETA2 * self.second[unique] + (1 - BETA2) * gradient.square()
        self.first[unique], self.second[unique] = first, second
        self.done[unique] = self.steps
        spread = second.sqrt() / (1 - BETA2**self.steps) ** 0.5 + EPS
        self.table[unique] -= self.learning_rate / (1 - BETA1**self.steps) * first / spread

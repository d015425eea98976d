"""Adam on the rows of a large lookup table that a batch touches; other rows catch up later."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autofi.core.huge_pages import in_huge_pages

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
#: Steps after which a momentum without new gradients is gone: 0.9 ** 256 is 2e-12.
MOMENTUM_STEPS = 256
#: In blocks of this length and longer a weight decays to zero and not beyond.
CROSSING_STEPS = 16
#: Rows that torch operations bring up to date at once: they make about ten copies of them.
ROWS_AT_ONCE = 1 << 20
#: Steps for which powers of the betas are computed at first.
FIRST_POWERS = 4096


class RowAdam:
    """Adam with coupled L2, as over the whole table, at the cost of the rows in the batch.

    Dense Adam moves every row at every step: by its momentum, and by the gradient `l2 * w` of its decay. A row that
    missed k steps makes them up just before it is next read, and at `catch_up_all`, in log2(k) blocks of steps
    (`sparse_adam_numba.row_kernels`). Rows that every batch touches get exactly dense Adam's steps; for the others the
    blocks are a close approximation, which is closer the shorter they were absent.

    On a CPU the loops are compiled (Numba); on a GPU the same steps are composed of torch operations.

    Source: Adam, https://arxiv.org/abs/1412.6980. "Lazy" Adam in other libraries drops the steps that a row missed.
    """

    def __init__(self, table: nn.Parameter, learning_rate: float, l2: float) -> None:
        self.table, self.learning_rate, self.l2 = table, learning_rate, l2
        self.first, self.second = torch.zeros_like(table), torch.zeros_like(table)
        self.done = torch.zeros(len(table), dtype=torch.int32, device=table.device)
        self.steps = 0
        self._kernels: Any = None
        if table.device.type == "cpu" and table.dtype == torch.float32:
            # Numba takes a second to import, so it is imported only for a large table.
            from autofi.training.sparse_adam_numba import powers_to, row_kernels

            self._kernels, self._powers_to = row_kernels(table.shape[1]), powers_to
            self._powers = powers_to(FIRST_POWERS)
            self._slots = np.full(len(table), -1, dtype=np.int32)
            in_huge_pages(table, self.first, self.second, self.done)
        self._room: Any = None
        # `operators.base.look_up` calls it with the rows that a forward pass is about to read.
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
            for part in rows.reshape(-1).long().split(ROWS_AT_ONCE):
                self._catch_up_apart(part)

    @torch.no_grad()
    def step(self) -> None:
        """Take one step for the rows with a gradient, which were brought up to date when they were read."""
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
    def catch_up_all(self) -> None:
        """Bring every row up to the present step."""
        behind = (self.done < self.steps).nonzero().flatten()
        if len(behind):
            self.catch_up(behind)

    def scale_learning_rate(self, factor: float) -> None:
        """Scale the learning rate; missed steps are also made up at the new rate, so catch up first if that matters."""
        self.learning_rate *= factor

    def release(self) -> None:
        """Settle, and detach from the table."""
        self.catch_up_all()
        if getattr(self.table, "before_read", None) == self.catch_up:
            del self.table.before_read  # type: ignore[attr-defined]

    def _arrays(self) -> Any:
        return tuple(part.detach().numpy() for part in (self.table, self.first, self.second, self.done))

    def _numbers(self) -> Any:
        return self.learning_rate, self.l2

    def _catch_up_apart(self, rows: Tensor) -> None:
        """Run `catch_up` of `row_kernels` by torch operations, every row in the same block at the same time.

        A GPU is never asked how many rows are left: a row without missed steps goes through the blocks unchanged, and
        one that is named twice is written twice with the same numbers.
        """
        at = self.done.index_select(0, rows).double()
        left = self.steps - at
        if not self.l2:
            left.masked_fill_(at == 0, 0.0)  # never touched: there is no momentum to spend
        weight, first, second = self._read(rows)
        passed, length = 0, 1
        while passed < self.steps:
            if not self.l2 and passed >= MOMENTUM_STEPS:
                first = first.masked_fill((left > 0).unsqueeze(1), 0.0)
                second = second * (BETA2**left).unsqueeze(1).to(second.dtype)
                break
            taken = left.clamp(max=length)
            weight, first, second = self._block(weight, first, second, at, taken)
            at, left = at + taken, left - taken
            passed += length
            length = passed if passed > 1 else 1
        self._write(rows, weight, first, second)

    def _block(
        self, weight: Tensor, first: Tensor, second: Tensor, at: Tensor, taken: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        fade1 = BETA1**taken
        series = BETA1 * (1 - fade1) / (1 - BETA1)
        half, whole = BETA2 ** (0.5 * (taken + 1)), BETA2**taken
        middle = at + 0.5 * (taken + 1)
        scale = self.learning_rate / (1 - BETA1**middle)
        root = (1 - BETA2**middle).rsqrt()
        fade1, series, half, whole, scale, root, long = (
            column.unsqueeze(1).to(weight.dtype)
            for column in (fade1, series, half, whole, scale, root, taken)
        )
        pull = self.l2 * weight
        pace = scale / ((half * second + (1 - half) * pull.square()).sqrt() * root + EPS)
        moved = weight - pace * (first * series + pull * (long - series))
        rests = (long >= CROSSING_STEPS) & (moved * weight <= 0) & (self.l2 > 0)
        return (
            moved.masked_fill(rests, 0.0),
            (fade1 * first + (1 - fade1) * pull).masked_fill(rests, 0.0),
            whole * second + (1 - whole) * pull.square(),
        )

    def _update_apart(self, rows: Tensor, values: Tensor) -> None:
        rows, order = rows.sort()
        # The number of each row among the distinct ones; every mention of a row gets the sum over all mentions.
        numbers = torch.cat([rows.new_zeros(1), (rows.diff() != 0).cumsum(0)])[: len(rows)]
        sums = torch.zeros_like(values).index_add_(0, numbers, values.index_select(0, order))
        weight, first, second = self._read(rows)
        gradient = sums.index_select(0, numbers).to(weight.dtype) + self.l2 * weight
        first = BETA1 * first + (1 - BETA1) * gradient
        second = BETA2 * second + (1 - BETA2) * gradient.square()
        spread = second.sqrt() / (1 - BETA2**self.steps) ** 0.5 + EPS
        weight = weight - self.learning_rate / (1 - BETA1**self.steps) * first / spread
        self._write(rows, weight, first, second)

    def _read(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return (
            self.table.index_select(0, rows),
            self.first.index_select(0, rows),
            self.second.index_select(0, rows),
        )

    def _write(self, rows: Tensor, weight: Tensor, first: Tensor, second: Tensor) -> None:
        self.table.index_copy_(0, rows, weight)
        self.first.index_copy_(0, rows, first)
        self.second.index_copy_(0, rows, second)
        self.done.index_fill_(0, rows, self.steps)

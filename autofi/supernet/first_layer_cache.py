"""The head's first layer over the vectors of every candidate, split by slot and option."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autofi.supernet.supernet import Supernet
from autofi.training.row_source import Rows

#: Rows whose vectors are computed at once: about 100 MB at 741 pairs of two operators.
BUILD_ROWS = 1024


class FirstLayer:
    """The contributions of all candidates' vectors to the first layer's output.

    The layer is linear: its output for an architecture is one product over the columns in use, and to go from one
    architecture to another, only the columns that differ are subtracted or added. A *column* is one number of an
    operator's vector at a slot; where vectors are summed per field it meets the weights of both fields.
    """

    def __init__(self, supernet: Supernet, dtype: torch.dtype) -> None:
        self._supernet = supernet
        where = {slot.column: position for position, slot in enumerate(supernet.choices)}
        most = max(len(slot.options) for slot in supernet.choices)
        slots, used, weights = [], [], []
        for name, operator in supernet._operators():
            widths = torch.tensor(operator.widths())
            rows = [where[slot] for slot in operator.slots]
            table = torch.zeros(len(rows), most, dtype=torch.bool)
            for position, row in enumerate(rows):
                for number, forms in enumerate(supernet.choices[row].options):
                    table[position, number] = name in forms
            slots.append(torch.tensor(rows).repeat_interleave(widths))
            used.append(table.repeat_interleave(widths, 0))
            weights.append(supernet.first_weight(name).detach().T)
        # For every column: its slot [C], the options that use it [C, most options], the weight it meets [C, H].
        self._slot, self._used = torch.cat(slots), torch.cat(used)
        self._every = torch.arange(len(self._slot))
        self._weight = torch.cat(weights).to(dtype)
        if supernet.head.sizes.name == "none":
            self._weight.zero_()
        self.bias = supernet.head.first_bias().detach().to(dtype)

    def bytes(self, rows: int) -> int:
        """Return the bytes that `activations` of this many rows take."""
        return rows * len(self._slot) * self._weight.element_size()

    def output_bytes(self, rows: int) -> int:
        """Return the bytes that an `output` of this many rows takes."""
        return rows * len(self.bias) * self.bias.element_size()

    def activations(self, rows: Rows) -> Tensor:
        """Return the vectors of every candidate, `[C, N]`, column by column, so that columns in use are whole lines."""
        found = self._weight.new_empty(len(self._slot), len(rows))
        for start in range(0, len(rows), BUILD_ROWS):
            part = slice(start, min(start + BUILD_ROWS, len(rows)))
            selected = rows.part(part).selected
            first = 0
            for name, operator in self._supernet._operators():
                vectors = operator(selected[name])
                found[first : first + vectors.shape[1], part] = vectors.T
                first += vectors.shape[1]
        return found

    def active(self, options: Sequence[int]) -> Tensor:
        """Return a mask of the columns that an architecture uses, bool `[C]`."""
        return self._used[self._every, torch.tensor(options)[self._slot]]

    def active_at(self, slot: int, option: int) -> Tensor:
        """Return a mask of the columns that one option of one slot uses, bool `[C]`."""
        return (self._slot == slot) & self._used[:, option]

    def between(self, before: Tensor | None, after: Tensor) -> tuple[Tensor, Tensor]:
        """Return the columns that change from one architecture to another, `[D]`, and their signed weights, `[D, H]`.

        Args:
            before: The mask from `active`; None for an architecture without columns.
            after: The mask from `active` of the other architecture.
        """
        left = self._every[:0] if before is None else (before & ~after).nonzero().flatten()
        entered = (after if before is None else after & ~before).nonzero().flatten()
        columns = torch.cat([left, entered]).to(self._weight.device)
        weight = self._weight.index_select(0, columns)
        weight[: len(left)].neg_()
        return columns, weight

    def output(self, activations: Tensor, columns: Tensor, weight: Tensor, base: Tensor | None) -> Tensor:
        """Return `base` (None: the bias) plus the product over these columns, `[N, H]`."""
        added = self.bias if base is None else base
        return torch.addmm(added, activations.index_select(0, columns).T, weight)

"""Products of selected fields, three and more, of which no pair of them tells anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autofi.core.validated import Count
from autofi.errors import SearchSpaceError, nearest
from autofi.operators._pair_products import INITIAL_DEVIATION
from autofi.operators.base import TableBlock, blocks_of, look_up, table_offsets
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs

#: A factor is so many times a row of the table. It begins at deviation 1 then, where the gradient of a product of
#: several does not vanish, and under Adam it takes steps so many times as large: with steps of an embedding's size,
#: what is planted is not found before the rest of the network has overfitted.
STEP = 10.0
#: What a product weighs at the start: the sum begins small beside what the network learns first.
INITIAL_WEIGHT = 0.05


@dataclass(frozen=True)
class SelectedProductsSettings:
    """crosses   the fields of every product, by name; () is one product of all fields with codes
    dim       columns of a factor: so many products of the same fields are added up
    """

    crosses: tuple[tuple[str, ...], ...] = ()
    dim: Count = 16


@register
class SelectedProducts(Stream):
    """A sum of products over sets of fields that somebody, such as `supernet.products`, has selected.

    As a factorization machine of higher order, but of few sets of fields instead of all, with factors of their own
    for every set: the products of all sets overfit long before the right ones are learned. Costs `Σ_c |c|·dim`
    products a row and `dim` numbers for every value of every field of a set.
    """

    name = "selected_products"
    summary = "products of three fields and more, for selected sets of fields"
    formula = "y = Σ_c Σ_d w_cd Π_{f in c} a_cf[x_f]_d"
    source = "https://arxiv.org/abs/1607.07195"
    multiplied = True
    Settings = SelectedProductsSettings
    examples = ({"crosses": [["hour", "user", "item"], ["item", "hour"]], "dim": 2},)

    columns: Tensor
    offsets: Tensor
    factors: Tensor

    def __init__(self, inputs: StreamInputs, settings: SelectedProductsSettings) -> None:
        super().__init__(inputs, settings)
        crosses = _crosses(inputs, settings)
        rows = inputs.coded_rows
        columns = [column for cross in crosses for column in cross]
        table_rows = [rows[column] for column in columns]
        self.table = nn.Parameter(torch.randn(sum(table_rows), settings.dim) * INITIAL_DEVIATION)
        self.weights = nn.Parameter(torch.full((len(crosses), settings.dim), INITIAL_WEIGHT))
        self.register_buffer("columns", torch.tensor(columns), persistent=False)
        self.register_buffer("offsets", table_offsets(table_rows), persistent=False)
        self.register_buffer("factors", _places(crosses), persistent=False)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: SelectedProductsSettings) -> int:
        rows = inputs.coded_rows
        crosses = _crosses(inputs, settings)
        values = sum(rows[column] for cross in crosses for column in cross)
        return (values + len(crosses)) * settings.dim

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        found = look_up(self.table, codes.index_select(1, self.columns) + self.offsets) * STEP
        # A one behind the factors: what fills up the crosses of fewer fields.
        found = torch.cat([found, found.new_ones(found.shape[0], 1, self.settings.dim)], 1)
        products = found.index_select(1, self.factors[0])
        for following in self.factors[1:]:
            products = products * found.index_select(1, following)
        return (products * self.weights).sum((1, 2))

    def tables(self) -> tuple[nn.Parameter, ...]:
        return (self.table,)

    def table_blocks(self) -> tuple[TableBlock, ...]:
        """A field has a block in every product that it is part of."""
        coded = [
            (name, rows) for name, rows in zip(self.inputs.fields, self.inputs.rows, strict=True) if rows
        ]
        found = [coded[column] for cross in _crosses(self.inputs, self.settings) for column in cross]
        return blocks_of([[name] for name, _ in found], [rows for _, rows in found])


def _crosses(inputs: StreamInputs, settings: SelectedProductsSettings) -> list[list[int]]:
    """The columns of the codes that every product reads."""
    coded = [name for name, rows in zip(inputs.fields, inputs.rows, strict=True) if rows]
    found = []
    for cross in settings.crosses or (tuple(coded),):
        if len(set(cross)) != len(cross) or len(cross) < 2:
            raise SearchSpaceError(
                f"A cross of selected_products is two fields or more, each once: found {', '.join(cross) or 'none'}; "
                "name others."
            )
        for name in cross:
            if name not in coded:
                raise SearchSpaceError(
                    f"selected_products multiplies fields that have an embedding and codes: found '{name}'; "
                    f"{nearest(name, coded)}"
                )
        found.append([coded.index(name) for name in cross])
    return found


def _places(crosses: list[list[int]]) -> Tensor:
    """By step of the product and cross, the place of its factor, `[most fields, crosses]`."""
    end = sum(map(len, crosses))
    found = torch.full((max(map(len, crosses)), len(crosses)), end)
    place = 0
    for number, cross in enumerate(crosses):
        found[: len(cross), number] = torch.arange(place, place + len(cross))
        place += len(cross)
    return found

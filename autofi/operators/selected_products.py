"""Products of three or more selected fields, no pair of which tells anything."""

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

#: A factor is this many times a row of the table. It then starts at deviation 1, where the gradient of a product of
#: several does not vanish, and under Adam it takes steps this many times as large: with steps of an embedding's size,
#: a planted product is not found before the rest of the network has overfitted.
STEP = 10.0
#: The initial weight of a product: the sum starts small compared with what the network learns first.
INITIAL_WEIGHT = 0.05


@dataclass(frozen=True)
class SelectedProductsSettings:
    """The settings of products of selected fields.

    Attributes:
        crosses: Names of the fields of every product; () is one product of all fields with codes.
        dim: Columns of a factor: this many products of the same fields are summed.
    """

    crosses: tuple[tuple[str, ...], ...] = ()
    dim: Count = 16


@register
class SelectedProducts(Stream):
    """A sum of products over sets of fields that were selected before, for example by `supernet.product_screening`.

    It is a factorization machine of higher order, but of a few sets of fields instead of all, with separate factors for
    every set: the products of all sets overfit long before the right ones are learned. It costs `Σ_c |c|·dim` products
    per row and `dim` numbers for every value of every field of a set.
    """

    name = "selected_products"
    summary = "products of three or more fields, for selected sets of fields"
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
        # A one after the factors fills up the crosses of fewer fields.
        found = torch.cat([found, found.new_ones(found.shape[0], 1, self.settings.dim)], 1)
        products = found.index_select(1, self.factors[0])
        for following in self.factors[1:]:
            products = products * found.index_select(1, following)
        return (products * self.weights).sum((1, 2))

    def tables(self) -> tuple[nn.Parameter, ...]:
        return (self.table,)

    def table_blocks(self) -> tuple[TableBlock, ...]:
        """Return one block per product and field in it."""
        coded = [
            (name, rows) for name, rows in zip(self.inputs.fields, self.inputs.rows, strict=True) if rows
        ]
        found = [coded[column] for cross in _crosses(self.inputs, self.settings) for column in cross]
        return blocks_of([[name] for name, _ in found], [rows for _, rows in found])


def _crosses(inputs: StreamInputs, settings: SelectedProductsSettings) -> list[list[int]]:
    """Return the columns of the codes that every product reads."""
    coded = [name for name, rows in zip(inputs.fields, inputs.rows, strict=True) if rows]
    found = []
    for cross in settings.crosses or (tuple(coded),):
        if len(set(cross)) != len(cross) or len(cross) < 2:
            raise SearchSpaceError(
                f"selected_products has a cross of {', '.join(cross) or 'none'}; name two or more fields, each once."
            )
        for name in cross:
            if name not in coded:
                raise SearchSpaceError(
                    f"selected_products has '{name}', which is no field with an embedding and codes; "
                    f"{nearest(name, coded)}"
                )
        found.append([coded.index(name) for name in cross])
    return found


def _places(crosses: list[list[int]]) -> Tensor:
    """Return the position of the factor of every step and cross, `[most fields, crosses]`."""
    end = sum(map(len, crosses))
    found = torch.full((max(map(len, crosses)), len(crosses)), end)
    place = 0
    for number, cross in enumerate(crosses):
        found[: len(cross), number] = torch.arange(place, place + len(cross))
        place += len(cross)
    return found

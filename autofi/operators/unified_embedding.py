"""The embedding of a field's value in one hashed table that all fields share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autofi.data.cross_codes import splitmix64
from autofi.data.features import Column
from autofi.data.vocabulary import OUT_OF_VOCABULARY
from autofi.errors import SearchSpaceError
from autofi.operators._lookup import INITIAL_DEVIATION, some_unknown
from autofi.operators.base import Operator, Shapes, Sizes, TableBlock, blocks_of, look_up, table_offsets
from autofi.operators.embedding import frequent_codes, unknown_shares
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import register


@register
class UnifiedEmbedding(Operator):
    """Feature multiplexing: `unified_rows` rows for the values of all fields, however many values there are.

    Every chunk of a value's vector is a row of its own, hashed with the field and the chunk as salt: two values that
    share one row hardly ever share all rows. Where fields share rows, the next layers tell the fields apart by
    position.

    It departs from the paper: it hashes the code of the value, so that a rare value still shares the vector of the
    unseen values of its field (and, as in `embedding`, some are treated as unseen in training); every field has as many
    chunks; there is one table, not several in turn.

    It costs a gather of `chunks` rows per value; their positions are kept next to the table, 4 bytes per chunk, and
    never saved.
    """

    name = "unified_embedding"
    choice = "field"
    arity = 1
    sizes_read = ("embedding_dim", "unified_rows", "unified_chunks")
    vector = True
    coded = True
    summary = "a learned vector per value, from one hashed table that all fields share"
    formula = "y = (T[h(x_f; f, 1)], ..., T[h(x_f; f, C)]), h a hash into the rows of T"
    source = "https://arxiv.org/abs/2305.12102"
    differs = (
        "hashes the codes of fitted vocabularies, not raw values; all fields have equally many chunks, in one "
        "table"
    )
    unknown_share: Tensor
    offsets: Tensor
    places: Tensor

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        rows, chunks = sizes.unified_rows, sizes.unified_chunks
        self.table = nn.Parameter(torch.randn(rows, sizes.embedding_dim // chunks) * INITIAL_DEVIATION)
        kept = [shapes.kept[slot[0]] for slot in self.slots]
        places = np.concatenate(
            [
                hashed_rows(slot[0], codes, chunks=chunks, rows=rows)
                for slot, codes in zip(self.slots, kept, strict=True)
            ]
        )
        self.register_buffer("places", torch.from_numpy(places), persistent=False)
        self.register_buffer("offsets", table_offsets(kept), persistent=False)
        self.register_buffer("unknown_share", unknown_shares(self.slots, shapes), persistent=False)

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return True

    @classmethod
    def check_sizes(cls, sizes: Sizes) -> None:
        if sizes.unified_rows < 1:
            raise SearchSpaceError(
                f"unified_embedding has unified_rows {sizes.unified_rows}; give its table at least 1 row."
            )
        if sizes.unified_chunks < 1 or sizes.embedding_dim % sizes.unified_chunks:
            raise SearchSpaceError(
                f"unified_embedding has unified_chunks {sizes.unified_chunks} and embedding_dim "
                f"{sizes.embedding_dim}, which the chunks must divide; change one of them."
            )

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return sizes.embedding_dim

    @classmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return sizes.unified_rows

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return sizes.unified_rows * (sizes.embedding_dim // sizes.unified_chunks)

    def read(self, features: FeatureTensors) -> Tensor:
        return frequent_codes(features, [slot[0] for slot in self.slots], self.shapes)

    def drawn(self, selected: Tensor) -> Tensor:
        return some_unknown(selected, self.unknown_share, OUT_OF_VOCABULARY) if self.training else selected

    def known(self, selected: Tensor) -> Tensor:
        return selected != OUT_OF_VOCABULARY

    def forward(self, selected: Tensor) -> Tensor:
        places = self.places.index_select(0, (selected + self.offsets).flatten())
        places = places.view(selected.shape[0], len(self.slots) * self.sizes.unified_chunks)
        return look_up(self.table, places).flatten(1)

    def subset(self, positions: Sequence[int]) -> Self:
        with torch.random.fork_rng(devices=[]):
            small = type(self)([self.slots[position] for position in positions], self.shapes, self.sizes)
        small.table = nn.Parameter(self.table.detach().clone())
        return small.to(self.table.device).train(self.training)

    def tables(self) -> tuple[nn.Parameter, ...]:
        return (self.table,)

    def row_places(self) -> Tensor:
        return self.places

    def table_blocks(self) -> tuple[TableBlock, ...]:
        return blocks_of([[self.shapes.names[slot[0]] for slot in self.slots]], [len(self.table)])


def hashed_rows(field: int, codes: int, *, chunks: int, rows: int) -> NDArray[np.int32]:
    """Return the row of every chunk of a field's codes, `[codes, chunks]`, equal in every process and machine."""
    salts = splitmix64(np.add(splitmix64(np.array([field], np.uint64)), np.arange(chunks, dtype=np.uint64)))
    mixed = splitmix64(np.add.outer(np.arange(codes, dtype=np.uint64), salts))
    return (mixed % np.uint64(rows)).astype(np.int32)

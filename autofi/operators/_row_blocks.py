"""Computation by blocks of rows, so that intermediate results stay in a processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

#: Numbers per block.
AT_ONCE = 2**18


def block_rows(rows: Tensor, width: int) -> int:
    """Return the rows per block if each row becomes `width` numbers: few on a processor, elsewhere all.

    For a compiler it is all of them too, because it would unroll the blocks.
    """
    apart = rows.device.type == "cpu" and not torch.compiler.is_compiling()
    return max(1, AT_ONCE // width if apart else len(rows))


def row_blocks(width: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the same rows of all tensors, a block at a time, where each row becomes `width` numbers.

    An exported graph, which does not know the number of rows, takes all of them at once.
    """
    if torch.compiler.is_exporting():
        return iter((tensors,))
    size = block_rows(tensors[0], width)
    return zip(*(tensor.split(size) for tensor in tensors), strict=True)


def by_blocks(function: Callable[[Tensor], Tensor], rows: Tensor, width: int) -> Tensor:
    """Apply `function` to all rows, block by block; no row may depend on another."""
    return torch.cat([function(block) for (block,) in row_blocks(width, rows)])


def products_dtype(like: Tensor) -> torch.dtype:
    """Return the dtype in which matrix products of such a tensor are computed."""
    kind = like.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else like.dtype

"""Work on some rows at a time, so that what lies between its input and its output never leaves a processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

#: Numbers of a block.
AT_ONCE = 2**18


def block_rows(rows: Tensor, width: int) -> int:
    """Rows to take at once where every one becomes `width` numbers: on a processor few, elsewhere all.

    All for a compiler too, which would unroll the blocks.
    """
    apart = rows.device.type == "cpu" and not torch.compiler.is_compiling()
    return max(1, AT_ONCE // width if apart else len(rows))


def row_blocks(width: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same rows of all tensors, some at a time, where every row becomes `width` numbers.

    All at once in an exported graph, which does not know how many there are.
    """
    if torch.compiler.is_exporting():
        return iter((tensors,))
    size = block_rows(tensors[0], width)
    return zip(*(tensor.split(size) for tensor in tensors), strict=True)


def by_blocks(function: Callable[[Tensor], Tensor], rows: Tensor, width: int) -> Tensor:
    """`function` of all rows, of which none sees another."""
    return torch.cat([function(block) for (block,) in row_blocks(width, rows)])


def products_dtype(like: Tensor) -> torch.dtype:
    """What matrix products of such a tensor are computed in."""
    kind = like.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else like.dtype

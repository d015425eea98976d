"""The mixture of every pair's forms, `w_m · memorized + w_f · product`: the head's input in OptInter's supernet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autofi.operators.base import Operator, announce, updated_by_row
from autofi.operators.factorize_hadamard import FactorizeHadamard
from autofi.operators.memorize_embedding import MemorizeEmbedding

#: Rows of a batch below which a second thread does not pay.
ROWS_A_THREAD = 256


def mix(
    operators: Sequence[Operator], selected: Mapping[str, Tensor], mask: Mapping[str, Tensor] | None
) -> Tensor:
    """Return `Σ_k mask_k · operator_k(selected_k)` for operators of the same slots and widths, `[B, P·D]`.

    On a CPU, an embedding of every cross and a product for every pair are mixed in one pass over the batch, without
    storing either. All other mixtures are summed by torch operations.

    Args:
        mask: A weight per slot and operator, `[P]` or `[B, P]`; None sums them unweighted.
    """
    if mask is None:
        return _total([operator(selected[operator.name]) for operator in operators])
    by_type = {type(operator): operator for operator in operators}
    memorize, factorize = by_type.get(MemorizeEmbedding), by_type.get(FactorizeHadamard)
    if (
        len(operators) == 2
        and isinstance(memorize, MemorizeEmbedding)
        and isinstance(factorize, FactorizeHadamard)
        and memorize.table.device.type == "cpu"
        and memorize.table.dtype == torch.float32
        and all(weights.dim() == 1 for weights in mask.values())
    ):
        return _in_one_pass(memorize, factorize, selected, mask)
    parts = []
    for operator in operators:
        vectors = operator(selected[operator.name])
        width = operator.widths()[0]
        weights = mask[operator.name].repeat_interleave(width, dim=-1)
        parts.append(vectors * weights)
    return _total(parts)


def _total(parts: Sequence[Tensor]) -> Tensor:
    total: Tensor = sum(parts[1:], start=parts[0])
    return total


def _in_one_pass(
    memorize: MemorizeEmbedding,
    factorize: FactorizeHadamard,
    selected: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
) -> Tensor:
    rows = selected[memorize.name] + memorize.offsets
    # Gradients go pair by pair: a pair's rows lie together in the table, so the optimizer finds them in the cache.
    by_pair = rows.t().contiguous()
    announce(memorize.table, by_pair)
    mixed: Tensor = _Mixture.apply(  # type: ignore[no-untyped-call]
        memorize.table, rows, by_pair, factorize.vectors(selected[factorize.name]), factorize.ends,
        mask[memorize.name], mask[factorize.name], torch.is_autocast_enabled("cpu"),
    )  # fmt: skip
    return mixed


class _Mixture(torch.autograd.Function):
    """The mixture and its gradients, in bfloat16 where products are (`training.precision`), else in float32."""

    @staticmethod
    def forward(
        ctx: Any,
        table: Tensor,
        rows: Tensor,
        by_pair: Tensor,
        factors: Tensor,
        ends: Tensor,
        memorized: Tensor,
        factorized: Tensor,
        halves: bool,
    ) -> Tensor:
        dtype = torch.bfloat16 if halves else torch.float32
        width = table.shape[1]
        left, right = ends.to(torch.int32).numpy()
        # The weights' gradient reads the memorized vectors again: a copy saves a second random look-up.
        kept = memorized.requires_grad
        out = torch.empty(len(rows), rows.shape[1] * width, dtype=dtype)
        seen = torch.empty_like(out) if kept else torch.empty(len(rows), 0, dtype=dtype)
        run, plain = _kernels(width).forward, factors.detach()
        numbers = table.detach().numpy(), left, right, memorized.detach().numpy(), factorized.detach().numpy()

        def work(part: slice) -> None:
            run(
                rows[part].numpy(), plain[part].numpy(), *numbers, _plain(out[part]), _plain(seen[part]),
                halves, kept,
            )  # fmt: skip

        _in_threads(work, len(rows))
        ctx.save_for_backward(by_pair, factors, ends, memorized, factorized, seen)
        ctx.table = table
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        by_pair, factors, ends, memorized, factorized, seen = (part.detach() for part in ctx.saved_tensors)
        gradient = gradients[0].contiguous()
        pairs, batch = by_pair.shape
        left, right = ends.to(torch.int32).numpy()
        width = factors.shape[2]
        to_table = torch.empty(pairs, batch, width)
        to_factors = torch.zeros_like(factors)
        run = _kernels(width).backward
        kept = seen.shape[1] > 0
        weights = left, right, memorized.numpy(), factorized.numpy()

        def work(part: slice) -> Any:
            to_weights = np.zeros((2, pairs), dtype=np.float32)
            run(
                _plain(gradient[part]), _plain(seen[part]), factors[part].numpy(), *weights,
                to_table.numpy()[:, part], to_factors[part].numpy(), to_weights, seen.dtype == torch.bfloat16, kept,
            )  # fmt: skip
            return to_weights

        to_weights = torch.from_numpy(sum(_in_threads(work, batch)))
        table = ctx.table
        if updated_by_row(table):
            of_table = torch.sparse_coo_tensor(
                by_pair.view(1, -1), to_table.view(-1, width), table.shape, check_invariants=False
            )
        else:
            of_table = torch.zeros_like(table).index_add_(0, by_pair.view(-1), to_table.view(-1, width))
        on_weights = (to_weights[0], to_weights[1]) if kept else (None, None)
        return of_table, None, None, to_factors, None, *on_weights, None


def _kernels(width: int) -> Any:
    # Numba takes a second to import, so it is imported only where pairs are mixed.
    from autofi.model.shared_pair_mixture_numba import mixture_kernels

    return mixture_kernels(width)


def _plain(tensor: Tensor) -> Any:
    """Return a tensor as NumPy reads it; bfloat16, which NumPy lacks, as its bits."""
    return (
        tensor.view(torch.int16).numpy().view(np.uint16) if tensor.dtype == torch.bfloat16 else tensor.numpy()
    )


def _in_threads(work: Any, rows: int) -> list[Any]:
    threads = max(1, min(torch.get_num_threads(), rows // ROWS_A_THREAD))
    cuts = [rows * number // threads for number in range(threads + 1)]
    parts = [slice(start, stop) for start, stop in pairwise(cuts)]
    if threads == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))

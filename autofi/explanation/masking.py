"""The contribution of each part of a network to a row's logit: the logit with it less the logit without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autofi.data.features import Column, Pair
from autofi.data.vocabulary import OUT_OF_VOCABULARY
from autofi.model.model import Model
from autofi.model.network import Network
from autofi.operators.base import Operator

#: Rows times removals of one pass: few enough that the columns of hundreds of pairs stay in the cache.
PASS_ROWS = 256


@dataclass(frozen=True, eq=False)
class Contributions:
    """The contributions in N rows, as logits in float64.

    Attributes:
        logits: The whole network, `[N]`.
        baseline: Everything masked, `[N]`.
        own: By field, its own slots, `[N]`.
        fields: By field, every slot that reads it, `[N]`.
        pairs: By pair, its slots in all forms together, `[N]`.
        streams: By stream, the logit that it adds, `[N]`.
    """

    logits: Tensor
    baseline: Tensor
    own: Mapping[int, Tensor]
    fields: Mapping[int, Tensor]
    pairs: Mapping[Pair, Tensor]
    streams: Mapping[str, Tensor]


def contributions(network: Model, selected: Mapping[str, Tensor]) -> Contributions:
    """Mask every field, pair and stream of a trained network or ensemble, one at a time; in all members at once.

    "Without" a slot means that its output is zero. Zero has advantages over the slot's mean over reference rows
    and over the row of unseen values: the result is the very network without the slot (`Network.keep`, as the
    search weighs options), additive networks add up to their logit exactly, and the bundle suffices, which
    keeps no rows. A mean would depend on chosen rows, and the row of unseen values is learned from rare ones
    and has an effect of its own.

    Streams read masked vectors, so a field's contribution includes the effect of its vector in streams. Streams
    with tables of their own look up the field's code themselves; there a masked field has the code of unseen
    values, the nearest to no value in such a table. A stream's own contribution is the logit without its logit.

    The unit is that of the network's output: where boosted trees have a share, the network's logit is
    multiplied by its own share, and the trees stay unchanged.
    """
    networks = network.networks().values()
    slots = {slot for one in networks for operator in _operators(one) for slot in operator.slots}
    fields = sorted({field for slot in slots for field in slot})
    alone = sorted(slot for slot in slots if len(slot) == 1)
    pairs = sorted((slot[0], slot[1]) for slot in slots if len(slot) == 2)
    streams = list(dict.fromkeys(stream.name for one in networks for stream in one.active_streams()))
    without = [
        Removal(),
        Removal(frozenset(slots)),
        *(Removal(frozenset({slot})) for slot in alone),
        *(Removal(frozenset(slot for slot in slots if field in slot)) for field in fields),
        *(Removal(frozenset({pair})) for pair in pairs),
        *(Removal(stream=name) for name in streams),
    ]
    whole, baseline, *rest = masked_logits(network, selected, without).unbind(1)
    less = iter([whole - part for part in rest])
    return Contributions(
        logits=whole,
        baseline=baseline,
        own={slot[0]: next(less) for slot in alone},
        fields={field: next(less) for field in fields},
        pairs={pair: next(less) for pair in pairs},
        streams={name: next(less) for name in streams},
    )


@dataclass(frozen=True)
class Removal:
    """The parts that are masked together: slots in all operators that have them, or a stream of this name."""

    slots: frozenset[Column] = frozenset()
    stream: str | None = None


@torch.inference_mode()
def masked_logits(
    network: Model, selected: Mapping[str, Tensor], removals: Sequence[Removal], *, rows: int = PASS_ROWS
) -> Tensor:
    """Return the logit of each row without each of the removals, float64 `[N, R]`.

    Args:
        network: The network or ensemble.
        selected: Its inputs.
        removals: The removals.
        rows: Rows times removals of one pass of the network.
    """
    count = len(next(iter(selected.values())))
    kept: dict[str, Tensor] = {}
    mask: dict[str, Tensor] = {}
    coded = set()
    for prefix, one in network.networks().items():
        for operator in _operators(one):
            name = prefix + operator.name
            kept[name] = _kept(operator.slots, removals)
            mask[name] = kept[name].to(one.head.bias)
            if operator.coded:
                coded.add(name)
        for stream in one.active_streams():
            weights = torch.tensor([[removal.stream != stream.name] for removal in removals])
            mask[prefix + stream.name] = weights.to(one.head.bias)
    found = torch.empty(count * len(removals), dtype=torch.float64)
    for start in range(0, len(found), rows):
        each = torch.arange(start, min(start + rows, len(found)))
        row, removal = each // len(removals), each % len(removals)
        read = {name: part[row] for name, part in selected.items()}
        for name in coded:
            read[name] = torch.where(kept[name][removal], read[name], OUT_OF_VOCABULARY)
        found[each] = network(read, {name: weights[removal] for name, weights in mask.items()}).double()
    return found.view(count, len(removals))


def _operators(network: Network) -> list[Operator]:
    return [operator for operator in network.operators.values() if isinstance(operator, Operator)]


def _kept(slots: Sequence[Column], removals: Sequence[Removal]) -> Tensor:
    """Return the slots that each removal leaves, bool `[R, S]`."""
    return torch.tensor([[slot not in removal.slots for slot in slots] for removal in removals])

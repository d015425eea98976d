"""The network: operators side by side over their slots, one head over all their outputs, and streams."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.errors import InvalidArchitectureError, nearest
from autofi.model.head import Head
from autofi.model.model import BOOSTED, Mask, Model
from autofi.model.shared_pair_mixture import mix
from autofi.operators._gated_table import GatedTable
from autofi.operators.base import Candidate, Operator, Shapes, Sizes
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import get_operator, get_stream
from autofi.operators.streams import BranchedStream, Stream, StreamInputs
from autofi.space.head_config import HeadSizes

#: The slots of every operator, by name.
Layout = Mapping[str, Sequence[Column]]
#: The settings of every stream, by name.
Streams = Mapping[str, Mapping[str, Any]]


class Network(Model):
    """Logits from selected features: `head(cat(operator(selected) for every operator)) + sum of streams`.

    Streams read the vectors of all the operators that give a field's vector.

    With `boosted` the output after training is `boosted_weights[0]` times that logit, plus `boosted_weights[1]` times
    the logit of boosted trees, plus the intercept `boosted_weights[2]`. The two are trained separately, so that their
    errors differ; `training.join_trees` fits the weights. If the trees' weight is 0, features need not have their
    logit. A network without slots has trees alone.

    With `field_sum` the vectors of a pair operator are summed per field instead of concatenated: `F·D` columns instead
    of `P·D`, ten times fewer at 741 pairs. With `shared` the pair operators that have the same slots and widths are
    summed, weighted by the mask, on the same columns, which divides the columns by the number of a slot's forms.
    """

    def __init__(
        self,
        layout: Layout,
        shapes: Shapes,
        sizes: Sizes,
        head: HeadSizes,
        *,
        streams: Streams | None = None,
        field_sum: bool = False,
        shared: bool = False,
        boosted: bool = False,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("boosted_weights", torch.tensor([1.0, 0.0, 0.0]) if boosted else None)
        self.field_sum = field_sum
        self.num_fields = len(shapes.cardinalities)
        self.operators = nn.ModuleDict()
        for name, slots in layout.items():
            if slots:
                self._add(name, get_operator(name)(slots, shapes, sizes))
        #: Operators by their columns: those of one entry share them.
        self.blocks = self._shared_blocks() if shared else tuple((name,) for name in self.operators)
        columns = sum(self._columns(self._operator(block[0])) for block in self.blocks)
        #: The head, by the name that stored weights have it under.
        self.readout = Head(columns, head, bias=bias)
        self.vector_width = sizes.embedding_dim
        self.streams = nn.ModuleDict(self._built(streams or {}, shapes))

    #: The weights of both logits and the intercept, `[3]`; None without trees.
    boosted_weights: Tensor | None

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **keywords: Any
    ) -> None:
        name = f"{prefix}boosted_weights"
        stored = state_dict.get(name)
        if isinstance(stored, Tensor) and stored.shape == (2,):
            # Networks of earlier versions have no intercept.
            state_dict[name] = torch.cat([stored, stored.new_zeros(1)])
        super()._load_from_state_dict(state_dict, prefix, *args, **keywords)

    @property
    def head(self) -> Head:
        """The last part, which maps columns and streams to the logit."""
        return self.readout

    def _built(self, streams: Streams, shapes: Shapes) -> dict[str, Stream]:
        """Return streams over the vectors of this network, by name."""
        if not streams:
            return {}
        inputs, found = self._stream_inputs(shapes), {}
        for name, settings in streams.items():
            kind = get_stream(name)
            found[name] = kind(inputs, kind.settings_of(settings))
        return found

    def _stream_inputs(self, shapes: Shapes) -> StreamInputs:
        fields: list[str] = []
        rows: list[int] = []
        for _, operator in self._operators():
            if operator.vector:
                fields += [shapes.names[slot[0]] for slot in operator.slots]
                rows += [shapes.kept[slot[0]] if operator.coded else 0 for slot in operator.slots]
        if not fields:
            raise InvalidArchitectureError(
                "No field has an embedding for the streams to read; give a field the form 'embedding'."
            )
        return StreamInputs(tuple(fields), tuple(rows), self.vector_width)

    def _add(self, name: str, operator: Operator) -> None:
        self.operators[name] = operator
        repeats = torch.repeat_interleave(torch.tensor(operator.widths()))
        for what, tensor in (
            ("left", torch.tensor([slot[0] for slot in operator.slots])),
            ("right", torch.tensor([slot[-1] for slot in operator.slots])),
            ("repeats", repeats),
        ):
            self.register_buffer(f"{name}_{what}", tensor, persistent=False)

    def _operators(self) -> Iterator[tuple[str, Operator]]:
        for name in self.operators:
            yield name, self._operator(name)

    def _operator(self, name: str) -> Operator:
        operator = self.operators[name]
        assert isinstance(operator, Operator)
        return operator

    def _shared_blocks(self) -> tuple[tuple[str, ...], ...]:
        blocks: dict[Any, list[str]] = {}
        for name, operator in self._operators():
            alike = (operator.slots, operator.widths()) if operator.arity == 2 else name
            blocks.setdefault(alike, []).append(name)
        return tuple(tuple(names) for names in blocks.values())

    def _starts(self) -> dict[str, int]:
        """Return the first column of every operator."""
        starts: dict[str, int] = {}
        start = 0
        for block in self.blocks:
            starts |= dict.fromkeys(block, start)
            start += self._columns(self._operator(block[0]))
        return starts

    def _sums(self, operator: Operator) -> bool:
        return self.field_sum and operator.arity == 2

    def _columns(self, operator: Operator) -> int:
        widths = operator.widths()
        return self.num_fields * widths[0] if self._sums(operator) else sum(widths)

    def networks(self) -> dict[str, Network]:
        return {"": self}

    @property
    def branched(self) -> bool:
        """True if it gives a logit per branch of its one branched stream, `[B, K]`, in training.

        With an ensemble head, or another stream with branches, a stream gives the mean of its branches.
        """
        branched = [stream for stream in self.active_streams() if isinstance(stream, BranchedStream)]
        return len(branched) == 1 and self.head.sizes.ensemble == 1

    @property
    def trees_share(self) -> float:
        return 0.0 if self.boosted_weights is None else float(self.boosted_weights[1])

    def active_streams(self) -> list[Stream]:
        """Return the streams whose logits are summed."""
        return [stream for stream in self.streams.values() if isinstance(stream, Stream)]

    def read(self, features: FeatureTensors) -> dict[str, Tensor]:
        selected = {name: operator.read(features) for name, operator in self._operators()}
        if self.boosted_weights is not None and features.boosted is not None:
            selected[BOOSTED] = features.boosted
        return selected

    def forward(self, selected: Mapping[str, Tensor], mask: Mask | None = None) -> Tensor:
        logits = self.own_logits(selected, mask)
        if self.boosted_weights is None or self.training or BOOSTED not in selected:
            return logits
        own, trees, intercept = self.boosted_weights
        joined: Tensor = own * logits + trees * selected[BOOSTED] + intercept
        return joined

    def own_logits(self, selected: Mapping[str, Tensor], mask: Mask | None = None) -> Tensor:
        """Return the logits of the network alone, without boosted trees; without slots they are its bias."""
        if not self.operators:
            return self.head.bias.expand(selected[BOOSTED].shape[0])
        selected = self._drawn(selected)
        parts = self._parts(selected, mask)
        columns = list(parts.values())
        if not self.head.reads_columns:
            columns = columns[:1]  # only the number of rows is needed
        logits: Tensor = self.head(_beside(columns), self._stream_logits(parts, selected, mask))
        return logits

    def columns(self, selected: Mapping[str, Tensor], mask: Mask | None = None) -> Tensor:
        """Return all columns that the head reads, `[B, columns]`, with slots weighted by `mask`."""
        return _beside(list(self._parts(self._drawn(selected), mask).values()))

    def _drawn(self, selected: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if not self.training:
            return selected
        return {name: operator.drawn(selected[name]) for name, operator in self._operators()}

    def stream_reads(self, selected: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the streams' vectors `[B, F, D]` and codes int32 `[B, E]`; only for a network with streams."""
        return self._stream_reads(self._parts(selected, vectors=True), selected)

    def _stream_reads(
        self, parts: Mapping[str, Tensor], selected: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        found = [parts[name] for name, operator in self._operators() if operator.vector]
        vectors = _beside(found).unflatten(1, (-1, self.vector_width))
        coded = [selected[name] for name, operator in self._operators() if operator.coded]
        codes = _beside(coded) if coded else vectors.new_empty((vectors.shape[0], 0), dtype=torch.int32)
        return vectors, codes

    def _stream_logits(
        self, parts: Mapping[str, Tensor], selected: Mapping[str, Tensor], mask: Mask | None = None
    ) -> Tensor | None:
        streams = self.active_streams()
        if not streams:
            return None
        vectors, codes = self._stream_reads(parts, selected)
        found = [stream(vectors, codes) for stream in streams]
        if self.branched and self.training:
            found = [logits if logits.dim() > 1 else logits.unsqueeze(1) for logits in found]
        else:
            found = [logits if logits.dim() == 1 else logits.mean(1) for logits in found]
        if mask is not None:
            found = [
                _weighed(logits, mask.get(stream.name)) for stream, logits in zip(streams, found, strict=True)
            ]
        logits: Tensor = sum(found)
        return logits

    def _parts(
        self, selected: Mapping[str, Tensor], mask: Mask | None = None, *, vectors: bool = False
    ) -> dict[str, Tensor]:
        """Return each block's columns, `[B, its columns]`, by its first operator; with `vectors` only field vectors."""
        parts = {}
        for name, *others in self.blocks:
            operator = self._operator(name)
            if vectors and not operator.vector:
                continue
            if others:
                part = mix([operator, *map(self._operator, others)], selected, mask)
            else:
                part = operator(selected[name])
                if mask is not None:
                    part = part * mask[name].index_select(-1, self.get_buffer(f"{name}_repeats"))
            if self._sums(operator):
                part = self._sum_per_field(name, operator, part)
            parts[name] = part
        return parts

    def _sum_per_field(self, name: str, operator: Operator, part: Tensor) -> Tensor:
        width = operator.widths()[0]
        pairs = part.view(part.shape[0], len(operator.slots), width)
        out = pairs.new_zeros(part.shape[0], self.num_fields, width)
        out = out.index_add(1, self.get_buffer(f"{name}_left"), pairs)
        return out.index_add(1, self.get_buffer(f"{name}_right"), pairs).flatten(1)

    def first_weight(self, name: str) -> Tensor:
        """Return the head's first weight for one operator's vectors, `[H, sum of widths]`."""
        start, operator = self._starts()[name], self._operator(name)
        weight = self.head.first_weight()[:, start : start + self._columns(operator)]
        if not self._sums(operator):
            return weight
        blocks = weight.reshape(len(weight), self.num_fields, -1)
        left, right = self.get_buffer(f"{name}_left"), self.get_buffer(f"{name}_right")
        return (blocks.index_select(1, left) + blocks.index_select(1, right)).flatten(1)

    def keep(self, layout: Layout) -> Network:
        """Return a new network of only these slots, with copies of exactly their weights: equal to masking the rest.

        Streams read all fields they were built for.

        Raises:
            InvalidArchitectureError: The network lacks a slot, or a stream would lack a field.
        """
        self._check_within(layout)
        self._check_streams(layout)
        small = Network.__new__(Network)
        nn.Module.__init__(small)
        small.register_buffer("boosted_weights", None)
        small.field_sum, small.num_fields = self.field_sum, self.num_fields
        small.vector_width = self.vector_width
        small.operators = nn.ModuleDict()
        kept: list[int] = []
        starts = self._starts()
        for name, operator in self._operators():
            start = starts[name]
            wanted = set(layout.get(name, ()))
            positions = [position for position, slot in enumerate(operator.slots) if slot in wanted]
            if positions:
                small._add(name, operator.subset(positions))
                if self._sums(operator):
                    kept.extend(range(start, start + self._columns(operator)))
                else:
                    chosen = torch.isin(self.get_buffer(f"{name}_repeats").cpu(), torch.tensor(positions))
                    kept.extend((start + chosen.nonzero().flatten()).tolist())
        small.blocks = tuple((name,) for name in small.operators)
        small.readout = self.head.narrow(kept)
        small.streams = nn.ModuleDict(
            {stream.name: copy.deepcopy(stream) for stream in self.active_streams()}
        )
        small.train(self.training)
        return small.to(self.device)

    def _check_within(self, layout: Layout) -> None:
        known = {name: set(operator.slots) for name, operator in self._operators()}
        for name, slots in layout.items():
            if slots and name not in known:
                raise InvalidArchitectureError(f"The network holds no '{name}': {nearest(name, known)}")
            for slot in slots:
                if slot not in known[name]:
                    raise InvalidArchitectureError(
                        f"The network holds no '{name}' at {slot}; build it with that slot."
                    )

    def _check_streams(self, layout: Layout) -> None:
        streams = [stream.name for stream in self.active_streams()]
        for name, operator in self._operators():
            if streams and operator.vector and set(operator.slots) - set(layout.get(name, ())):
                raise InvalidArchitectureError(
                    f"The streams {', '.join(streams)} would lack fields; keep the embeddings of all fields."
                )

    def gates(self) -> list[nn.Parameter]:
        """Return the weights of gates that still learn."""
        found = [operator.gates for _, operator in self._operators() if isinstance(operator, GatedTable)]
        return [gates for gates in found if gates is not None]

    def tables(self) -> list[nn.Parameter]:
        """Return every lookup table; embedding L2 applies to them."""
        return [table for candidate in self._candidates() for table in candidate.tables()]

    def multiplied_tables(self) -> list[nn.Parameter]:
        """Return the tables some of whose rows are multiplied with each other."""
        return [
            table for candidate in self._candidates() if candidate.multiplied for table in candidate.tables()
        ]

    def _candidates(self) -> Iterator[Candidate]:
        for candidate in (*self.operators.values(), *self.streams.values()):
            assert isinstance(candidate, Candidate)
            yield candidate


def _weighed(logits: Tensor, weight: Tensor | None) -> Tensor:
    """Return a stream's logits, `[B]` or one per branch `[B, K]`, times its weight in a mask."""
    if weight is None:
        return logits
    return logits * (weight if logits.dim() > 1 else weight.squeeze(-1))


def _beside(parts: Sequence[Tensor]) -> Tensor:
    """Return the parts concatenated, in bfloat16 if any is; a single one is returned without a copy."""
    if len(parts) == 1:
        return parts[0]
    # The next layer then multiplies in bfloat16: converting the largest part for the others would cost two more copies.
    halves = any(part.dtype == torch.bfloat16 for part in parts)
    return torch.cat([part.bfloat16() if halves else part for part in parts], dim=1)

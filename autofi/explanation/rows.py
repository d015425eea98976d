"""Encoded rows with everything that explains them, put together row by row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from autofi.bundle.bundle import Bundle
from autofi.data.encoded_rows import EncodedRows
from autofi.data.features import Column, Features
from autofi.data.raw_field import FieldValues
from autofi.data.schema import Field, FieldKind
from autofi.explanation.explanation import Explanation, FieldPart, PairPart, StreamPart, Value, Weights
from autofi.explanation.masking import contributions
from autofi.explanation.training_counts import Forms, Seen, status_of
from autofi.model.build import encoded_shapes
from autofi.model.network import BOOSTED, Network
from autofi.operators.explains import Explains, RowWeights


class ExplainedRows:
    """The rows of a batch with one bundle; all computing with the network is done at once."""

    def __init__(
        self, bundle: Bundle, fields: Sequence[Field], batch: pa.RecordBatch, rows: EncodedRows
    ) -> None:
        """`fields` are the fields to explain; `batch` has their raw columns."""
        builder, network = bundle.builder, bundle.network
        features = builder.of_rows(rows)
        selected = network.select(features)
        self._encoder, self._rows = builder.encoder, rows
        self._places = {name: place for place, name in enumerate(builder.encoder.schema.names)}
        self._kept = encoded_shapes(builder.encoder, min_count=bundle.architecture.min_count).kept
        self._values = {field.name: _values(batch.column(field.name), field) for field in fields}
        self._average = math.log(builder.statistics.prior / (1 - builder.statistics.prior))
        self._forms, self._seen = Forms.of(network, selected), Seen(builder, features)
        self._found = contributions(network, selected)
        logits = self._found.logits.numpy()
        self._probabilities = (
            expit(logits) if bundle.calibration is None else bundle.calibration.apply(logits)
        )
        self._operators, self._streams = _weights(network, selected)
        self._trees = _trees(bundle, features, selected)

    def explanation(self, row: int, *, number: int) -> Explanation:
        """Return the explanation of one row, whose number in its table is `number`."""
        found, trees = self._found, self._trees
        fields = tuple(self._field(name, row) for name in self._values)
        read = () if trees is None else trees.by_cross
        pairs = tuple(self._pair(pair, row) for pair in sorted({*found.pairs, *read}))
        streams = tuple(
            StreamPart(name, float(added[row]), _told(self._streams.get(name, ()), row))
            for name, added in found.streams.items()
        )
        by_trees = None if trees is None else float(trees.logit[row])
        logit, everything_masked = float(found.logits[row]), float(found.baseline[row])
        own = sum(float(part[row]) for part in (*found.own.values(), *found.pairs.values()))
        return Explanation(
            row=number,
            probability=float(self._probabilities[row]),
            logit=logit,
            average=self._average,
            baseline=everything_masked - (by_trees or 0.0),
            trees=by_trees,
            rest=logit - everything_masked - own,
            fields=fields,
            pairs=pairs,
            streams=streams,
            operators={name: _told(weights, row) for name, weights in self._operators.items()},
        )

    def _field(self, name: str, row: int) -> FieldPart:
        place, trees = self._places[name], self._trees
        slot = (place,)
        return FieldPart(
            name=name,
            value=self._values[name][row],
            status=status_of(self._encoder.fields[place], place, self._kept[place], self._rows, row),
            seen=self._seen.count(slot, row),
            rate=self._seen.rate(slot, row),
            forms=self._forms.at(slot, row),
            own=_at(self._found.own.get(place), row),
            contribution=_at(self._found.fields.get(place), row),
            trees=None if trees is None else float(trees.by_field[place][row]),
        )

    def _pair(self, pair: Column, row: int) -> PairPart:
        names = tuple(self._places)
        forms = self._forms.at(pair, row)
        hits = [form.hit for form in forms if form.hit is not None]
        return PairPart(
            fields=tuple(names[place] for place in pair),
            hit=any(hits) if hits else None,
            seen=self._seen.count(pair, row),
            rate=self._seen.rate(pair, row),
            forms=forms,
            contribution=_at(self._found.pairs.get((pair[0], pair[1])) if len(pair) == 2 else None, row),
            trees=None
            if self._trees is None or pair not in self._trees.by_cross
            else float(self._trees.by_cross[pair][row]),
        )


@dataclass(frozen=True)
class _Trees:
    """The logit that boosted trees add, `[N]`, and the parts of it by field and by cross, `[N]` each."""

    logit: NDArray[np.float64]
    by_field: Mapping[int, NDArray[np.float64]]
    by_cross: Mapping[Column, NDArray[np.float64]]


def _at(column: Tensor | None, row: int) -> float:
    """Return the number of a row, 0 for a field that no operator reads."""
    return 0.0 if column is None else float(column[row])


def _values(column: pa.Array, field: Field) -> list[Value]:
    values = FieldValues(column, field)
    if field.kind is FieldKind.NUMERIC:
        # JSON has no infinite numbers.
        return [
            number if math.isfinite(number) else None if math.isnan(number) else str(number)
            for number in values.numbers().tolist()
        ]
    if field.kind is FieldKind.MULTI_VALUED:
        return [None if tokens is None else tuple(tokens) for tokens in values.tokens().to_pylist()]
    texts: list[Value] = values.codes().to_pylist()
    return texts


def _weights(
    network: Network, selected: Mapping[str, Tensor]
) -> tuple[dict[str, Sequence[RowWeights]], dict[str, Sequence[RowWeights]]]:
    """Return the weights that operators and streams report, by name."""
    operators = {
        name: operator.explained(selected[name])
        for name, operator in network.operators.items()
        if isinstance(operator, Explains)
    }
    telling = [stream for stream in network.active_streams() if isinstance(stream, Explains)]
    if not telling:
        return operators, {}
    vectors, codes = network.stream_reads(selected)
    return operators, {stream.name: stream.explained(vectors, codes) for stream in telling}


def _told(found: Iterable[RowWeights], row: int) -> tuple[Weights, ...]:
    return tuple(
        Weights(
            each.name,
            {
                part: weight
                for part, weight in zip(each.parts, each.weights[row].tolist(), strict=True)
                if weight
            },
        )
        for each in found
    )


def _trees(bundle: Bundle, features: Features, selected: Mapping[str, Tensor]) -> _Trees | None:
    builder, weights = bundle.builder, bundle.network.boosted_weights
    if weights is None or builder.boosted is None:
        return None
    share, names = float(weights[1]), builder.encoder.schema.names
    numbers = [names.index(name) for name in builder.encoder.number_fields]
    found = builder.boosted.contributions(features.ids, features.numbers, numbers)
    parts = {column: share * logit for column, logit in found.items()}
    return _Trees(
        share * selected[BOOSTED].double().numpy(),
        {column[0]: logit for column, logit in parts.items() if len(column) == 1},
        {column: logit for column, logit in parts.items() if len(column) > 1},
    )

"""The training profile of an encoded dataset: counts of training rows, and of validation rows as expected values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofi.bundle.training_profile import (
    FieldProfile,
    KnownValues,
    NumberRange,
    Share,
    TrainingProfile,
    hash_texts,
    quantiles_of,
)
from autofi.data.dataset import EncodedDataset
from autofi.data.encoder import FieldEncoder
from autofi.data.schema import FieldKind
from autofi.data.vocabulary import MISSING, OUT_OF_VOCABULARY, Vocabulary

#: The most training rows that quantiles are computed from.
_SAMPLED_ROWS = 1_000_000
_TEXTS_AT_ONCE = 1 << 16


def profile_training(dataset: EncodedDataset) -> TrainingProfile:
    """Return the content of training and validation rows, field by field; costs one pass over the validation rows."""
    train, valid = dataset.parts["train"], dataset.parts["valid"]
    fields = tuple(_field(dataset, place, encoder) for place, encoder in enumerate(dataset.encoder.fields))
    return TrainingProfile(train.stop - train.start, valid.stop - valid.start, fields)


def _field(dataset: EncodedDataset, place: int, encoder: FieldEncoder) -> FieldProfile:
    name, train = encoder.field.name, dataset.parts["train"]
    rows = train.stop - train.start
    if encoder.tokens is not None:
        missing = Share(int(encoder.tokens.counts[MISSING]), rows)
        tokens = dataset.rows("valid").bags[name]
        return FieldProfile(name, missing, _unseen(tokens), _known(encoder.tokens))
    missing = Share(int(encoder.counts[MISSING]), rows)
    if isinstance(encoder.codes, Vocabulary):
        return FieldProfile(
            name, missing, _unseen(dataset.rows("valid").ids[:, place]), _known(encoder.codes)
        )
    return FieldProfile(name, missing, numbers=_range(dataset, encoder))


def _known(vocabulary: Vocabulary) -> KnownValues:
    texts, starts = vocabulary.values, range(0, len(vocabulary.values), _TEXTS_AT_ONCE)
    return KnownValues.of([hash_texts(texts.slice(start, _TEXTS_AT_ONCE).to_pylist()) for start in starts])


def _unseen(codes: NDArray[np.int32]) -> Share:
    # The padding of bags is smaller than the code of missing values.
    return Share(int((codes == OUT_OF_VOCABULARY).sum()), int((codes > MISSING).sum()))


def _range(dataset: EncodedDataset, encoder: FieldEncoder) -> NumberRange | None:
    """Return the range of a numeric field; None where training rows hold no number."""
    assert encoder.field.kind is FieldKind.NUMERIC and encoder.positions is not None
    borders = encoder.positions.borders
    if not len(borders):
        return None
    place = dataset.encoder.number_fields.index(encoder.field.name)
    train = dataset.parts["train"]
    step = max(1, (train.stop - train.start) // _SAMPLED_ROWS)
    trained = _present(dataset.numbers[train.start : train.stop : step, place])
    if not len(trained):
        trained = _present(dataset.numbers[train, place])
    judged = _present(dataset.numbers[dataset.parts["valid"], place])
    places, quantiles = quantiles_of(trained, borders)
    rare = Share(int(((judged < places[0]) | (judged > places[-1])).sum()), len(judged))
    return NumberRange(float(borders[0]), float(borders[-1]), quantiles, rare)


def _present(positions: NDArray[np.float32]) -> NDArray[Any]:
    return positions[~np.isnan(positions)]

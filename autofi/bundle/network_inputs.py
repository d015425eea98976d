"""The fields that a network reads, as inputs of an ONNX graph and as a schema."""

from __future__ import annotations

from dataclasses import replace

from autofi.bundle.bundle import Bundle
from autofi.bundle.inputs import GraphInput, graph_inputs
from autofi.bundle.network_reads import Reads, reads_of
from autofi.bundle.padded_lists import values_told_apart
from autofi.data.encoder import FieldEncoder
from autofi.data.feature_builder import FeatureBuilder
from autofi.data.schema import FieldKind, Schema
from autofi.data.vocabulary import Vocabulary


def read_fields(builder: FeatureBuilder, reads: Reads) -> tuple[GraphInput, ...]:
    """Return the inputs of the graph: every field that the model reads, in the order of the table."""
    encoder = builder.encoder
    number_of = {name: place for place, name in enumerate(encoder.number_fields)}
    found = [
        (field, _most_values(field, limit, field.field.name in reads.bags))
        for place, field in enumerate(encoder.fields)
        if (limit := reads.code_limit(place, field.cardinality))
        or number_of.get(field.field.name) in reads.numbers
        or field.field.name in reads.bags
    ]
    # A model that reads nothing still gives a probability per row, so one column must give the number of rows.
    inputs = graph_inputs([field.field for field, _ in found] or [encoder.fields[0].field])
    if not found:
        return inputs
    return tuple(replace(given, most_values=most) for given, (_, most) in zip(inputs, found, strict=True))


def _most_values(field: FieldEncoder, code_limit: int, bag: bool) -> int | None:
    """Return the number of values of a list that matter; later ones change neither its code nor its bag."""
    if field.field.kind is not FieldKind.MULTI_VALUED:
        return None
    assert isinstance(field.codes, Vocabulary)
    return max(1, values_told_apart(field.codes.values) if code_limit else 1, field.bag_width if bag else 1)


def read_schema_of(bundle: Bundle) -> Schema:
    """Return the schema of a bundle with the fields that its network reads."""
    inputs = read_fields(bundle.builder, reads_of(bundle.network, bundle.builder))
    return replace(bundle.builder.encoder.schema, fields=tuple(given.field for given in inputs))

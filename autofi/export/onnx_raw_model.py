"""The whole graph, from raw columns to the probability of a click."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx

from autofi.bundle.inputs import OUTPUT, GraphInput
from autofi.bundle.network_inputs import read_fields
from autofi.bundle.network_reads import Reads
from autofi.bundle.onnx_names import rename_values
from autofi.data.feature_builder import FeatureBuilder
from autofi.data.quantile_binning import Buckets
from autofi.data.schema import FieldKind
from autofi.data.vocabulary import MISSING, Vocabulary
from autofi.export.onnx_cross_lookup import cell_rows, counts_and_clicks, cross_rows
from autofi.export.onnx_numeric_codes import bucket_codes, positions
from autofi.export.onnx_opset import Tensor, Var, argument, beside, build, columns, inline, op, rows_of
from autofi.export.onnx_string_codes import bag_of, codes_of, joined, numbers_of, tokens_of
from autofi.export.onnx_tree_ensemble import boosted_logits

#: Arrays of so many numbers or more are kept apart while the graph is put together.
TABLE_NUMBERS = 1 << 14
#: The temporary name of an input, with its place: a column may have the name of a value in the graph.
_PLACE = "autofi.input."


def raw_model(builder: FeatureBuilder, reads: Reads, network: onnx.ModelProto) -> onnx.ModelProto:
    """Return `network`, whose inputs are features, behind the graph that makes features from raw columns."""
    inputs = read_fields(builder, reads)
    given = {one.field.name: argument(_type(one)) for one in inputs}
    ids, numbers, bags = _encoded(builder, reads, given)
    features = {"ids": op.cast(ids, to=np.int32)}
    if numbers is not None:
        features["numbers"] = numbers
    features |= {f"bag_{name}": op.cast(bag, to=np.int32) for name, bag in bags.items()}
    if reads.pairs:
        features["crosses"] = op.cast(cross_rows(ids, builder.crosses), to=np.int32)
    if reads.columns:
        features["statistics"] = counts_and_clicks(cell_rows(ids, builder.statistics), builder.statistics)
    if builder.boosted is not None:
        features["boosted"] = boosted_logits(ids, numbers, builder.boosted)
    small, tables = _without_tables(network)
    held = {
        name: argument(Tensor(onnx.helper.tensor_dtype_to_np_dtype(table.data_type), tuple(table.dims)))
        for name, table in tables.items()
    }
    read = features | held
    scored = inline(small)(**{value.name: read[value.name] for value in small.graph.input})
    places = {f"{_PLACE}{place}": var for place, var in enumerate(given.values())}
    model = _with_tables(build(places | held, {OUTPUT: scored[OUTPUT]}), tables)
    rename_values(model.graph, {place: one.name for place, one in zip(places, inputs, strict=True)})
    return model


def _without_tables(network: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, onnx.TensorProto]]:
    """Return the model with its large numbers as inputs, and these numbers; a protobuf is limited to 2 GB."""
    small = onnx.ModelProto(ir_version=network.ir_version, opset_import=network.opset_import)
    small.functions.extend(network.functions)
    small.graph.name = network.graph.name
    small.graph.node.extend(network.graph.node)
    small.graph.input.extend(network.graph.input)
    small.graph.output.extend(network.graph.output)
    tables = {}
    for tensor in network.graph.initializer:
        if math.prod(tensor.dims) < TABLE_NUMBERS or not tensor.raw_data:
            small.graph.initializer.append(tensor)
            continue
        tables[tensor.name] = tensor
        small.graph.input.append(
            onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        )
    return small, tables


def _with_tables(model: onnx.ModelProto, tables: Mapping[str, onnx.TensorProto]) -> onnx.ModelProto:
    """Return the whole model, with the numbers as initializers instead of inputs."""
    inputs = [value for value in model.graph.input if value.name not in tables]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for table in tables.values():
        # Set field by field: copying a message serializes it, which fails beyond 2 GB.
        held = model.graph.initializer.add(name=table.name, data_type=table.data_type, dims=table.dims)
        held.raw_data = table.raw_data
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Constant" or node.attribute[0].name != "value":
            nodes.append(node)
            continue
        tensor = node.attribute[0].t
        tensor.name = node.output[0]
        model.graph.initializer.append(tensor)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _type(given: GraphInput) -> Tensor:
    return Tensor(np.float64 if given.datatype == "double" else str, given.shape)


def _encoded(
    builder: FeatureBuilder, reads: Reads, given: Mapping[str, Var]
) -> tuple[Var, Var | None, dict[str, Var]]:
    """Return codes int64 `[N, F]`, positions float32 `[N, Q]` if any are read, and bags, as the encoder makes them."""
    encoder = builder.encoder
    tokens = {
        field.field.name: tokens_of(given[field.field.name], field.field.separator)
        for field in encoder.fields
        if field.field.kind is FieldKind.MULTI_VALUED and field.field.name in given
    }
    first = next(iter(given.values()))
    rows = rows_of(first)
    unread = op.expand(op.const(np.int64(MISSING)), rows)
    codes: dict[int, Var] = {}
    buckets: dict[int, Buckets] = {}
    for place, field in enumerate(encoder.fields):
        limit = reads.code_limit(place, field.cardinality)
        if not limit:
            codes[place] = unread
        elif isinstance(field.codes, Vocabulary):
            name = field.field.name
            texts = joined(tokens[name]) if name in tokens else given[name]
            codes[place] = codes_of(texts, field.codes, limit)
        else:
            buckets[place] = field.codes
    if buckets:
        values = beside([given[encoder.fields[place].field.name] for place in buckets])
        found = bucket_codes(values, list(buckets.values()))
        for number, place in enumerate(buckets):
            codes[place] = _column(found, number)
    ids = beside([codes[place] for place in range(len(encoder.fields))])
    bags = {
        field.field.name: bag_of(tokens[field.field.name], field.tokens, field.bag_width)
        for field in encoder.fields
        if field.tokens is not None and field.field.name in reads.bags
    }
    return ids, _positions(builder, reads, given, unread), bags


def _positions(builder: FeatureBuilder, reads: Reads, given: Mapping[str, Var], unread: Var) -> Var | None:
    if not reads.numbers:
        return None
    encoder = builder.encoder
    fitted = [field for field in encoder.fields if field.positions is not None]
    read = [field for number, field in enumerate(fitted) if number in reads.numbers]
    values = beside(
        [
            given[field.field.name]
            if field.field.kind is FieldKind.NUMERIC
            else numbers_of(given[field.field.name])
            for field in read
        ]
    )
    found = positions(values, [field.positions for field in read if field.positions is not None])
    if len(read) == len(fitted):
        return found
    missing = op.cast(unread, to=np.float32)
    places = iter(range(len(read)))
    return beside(
        [
            _column(found, next(places)) if number in reads.numbers else missing
            for number in range(len(fitted))
        ]
    )


def _column(array: Var, place: int) -> Var:
    return op.squeeze(columns(array, [place]), op.const(np.array([1], dtype=np.int64)))

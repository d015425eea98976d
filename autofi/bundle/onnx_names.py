"""Renaming of the values of an ONNX graph, so that its inputs have the names of the columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx


def rename_values(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename values in place; another value that already has one of the new names gets a further `_`.

    Nothing is copied, because the graph may be larger than one protobuf can be.
    """
    taken = set(_value_names(graph)) | set(names.values())
    renamed = dict(names)
    for name in sorted(set(_value_names(graph)) & set(names.values()) - set(names)):
        other = name
        while other in taken:
            other += "_"
        taken.add(other)
        renamed[name] = other
    _rename(graph, renamed)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the graph and those within its nodes, which read its values by their names."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)


def _value_names(graph: onnx.GraphProto) -> Iterator[str]:
    for one in _graphs(graph):
        for values in (one.input, one.output, one.initializer, one.value_info):
            yield from (value.name for value in values)
        for node in one.node:
            yield from node.input
            yield from node.output


def _rename(graph: onnx.GraphProto, renamed: Mapping[str, str]) -> None:
    for one in _graphs(graph):
        for values in (one.input, one.output, one.initializer, one.value_info):
            for value in values:
                if value.name in renamed:
                    value.name = renamed[value.name]
        for node in one.node:
            for read in (node.input, node.output):
                for place, name in enumerate(read):
                    if name in renamed:
                        read[place] = renamed[name]

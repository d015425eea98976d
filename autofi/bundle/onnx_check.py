"""A check of `model.onnx`, made before ONNX Runtime loads it.

A graph of a stranger is data that computes: it may loop forever, fill the memory from nothing, or read
other files. Models of AutoFI do none of that, and the check refuses everything that would.
`autofi.bundle.onnx_scorer` limits the rest while it runs.
"""

from __future__ import annotations

import hashlib
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofi.bundle.protobuf_wire import Value, fields, integers, packed, part, text

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
#: Operations that hold graphs, draw random numbers, or make texts or sizes that grow by themselves.
REFUSED = frozenset(
    {
        "If", "Scan", "SequenceMap", "SequenceConstruct", "SequenceInsert", "SplitToSequence", "ConcatFromSequence",
        "Optional", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli",
        "Multinomial", "StringConcat", "StringNormalizer", "Resize", "Upsample", "TreeEnsemble",
        "TreeEnsembleClassifier",
    }
)  # fmt: skip
#: By operation, the positions of the inputs that set the size of its result.
_SIZES: Mapping[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,), "Expand": (1,), "Tile": (1,), "Range": (0, 1, 2), "Pad": (1,), "OneHot": (1,),
    "AffineGrid": (1,),
}  # fmt: skip
# These have lists with millions of entries; the attributes after such a list are not searched for graphs.
_LONG = ("LabelEncoder", "TreeEnsembleRegressor")
#: The most numbers that a size written in the graph may amount to.
MOST_NUMBERS = 1 << 24
#: Fingerprints of the loops that join the values of lists: two by two, or one by one as in earlier versions. Both end
#: after at most as many turns as the longest list has values.
_LOOPS = frozenset(
    {
        "5cb1cba1026b5ad721e682e3d162d96e148586a9d13dce4923c3df8761ce258e",
        "be3b4af096394a552521b53efb53630892d82d3929b6f59f5b8d3e3c08622477",
    }
)
_ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
_FLOAT32, _INT32, _INT64, _STRING, _FLOAT16, _FLOAT64 = 1, 6, 7, 8, 10, 11
_FLOATS: Mapping[int, str] = {_FLOAT32: "<f4", _FLOAT16: "<f2", _FLOAT64: "<f8"}
_MOST_DIMENSIONS = 16


@dataclass
class _Tensor:
    name: str = ""
    kind: int = 0
    shape: tuple[int, ...] = ()
    raw: memoryview | None = None
    payload: int = 0
    """The bytes of its numbers in any other field."""
    numbers: list[Value] = field(default_factory=list)
    """The numbers that are not raw bytes."""
    external: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def whole_numbers(self) -> list[int]:
        """Return the values of a tensor of a few integers; empty for any other tensor."""
        if self.kind not in (_INT32, _INT64) or self.size > _MOST_DIMENSIONS:
            return []
        if self.raw is not None:
            return [int(one) for one in np.frombuffer(self.raw, "<i8" if self.kind == _INT64 else "<i4")]
        return [
            one
            for value in self.numbers
            for one in ([value] if isinstance(value, int) else packed(value).tolist())
        ]


@dataclass
class _Node:
    kind: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: list[memoryview] = field(default_factory=list)


def check_onnx(path: Path, listed: Mapping[str, int]) -> None:
    """Raise ValueError, in one line without the path, for a model that AutoFI has not written.

    Args:
        path: The model.
        listed: By name, the bytes of the files beside it that it may read.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # The mapping is closed with its last slice.
    _check_model(memoryview(mapped), listed)


def _check_model(model: memoryview, listed: Mapping[str, int]) -> None:
    graphs = []
    for number, value in fields(model):
        if number == 7:
            graphs.append(part(value))
        elif number == 8:
            for inner, name in fields(part(value)):
                if inner == 1 and text(name) not in DOMAINS:
                    raise ValueError(f"it needs operations of the domain {text(name)[:40]!a}")
        elif number in (20, 25):
            raise ValueError("it has functions of its own, or a training")
    if len(graphs) != 1:
        raise ValueError(f"it has {len(graphs)} graphs")
    _check_graph(graphs[0], listed)


def _check_graph(graph: memoryview, listed: Mapping[str, int]) -> None:
    nodes: list[_Node] = []
    constants: dict[str, _Tensor] = {}
    for number, value in fields(graph):
        if number == 1:
            nodes.append(_node(part(value)))
        elif number == 5:
            tensor = _tensor(part(value))
            _check_tensor(tensor, listed)
            constants[tensor.name] = tensor
        elif number == 15:
            raise ValueError("it has sparse numbers")
    made: dict[str, _Node] = {}
    for node in nodes:
        _check_node(node, listed)
        if node.kind == "Constant":
            held = [_tensor(part(value)) for one in node.attributes for key, value in fields(one) if key == 5]
            constants |= {name: tensor for name in node.outputs for tensor in held}
        made |= dict.fromkeys(node.outputs, node)
    for node in nodes:
        if node.kind == "Loop":
            _check_loop(node, made)
        _check_sizes(node, constants)


def _check_node(node: _Node, listed: Mapping[str, int]) -> None:
    if node.domain not in DOMAINS:
        raise ValueError(f"it has an operation of the domain {node.domain[:40]!a}")
    if node.kind in REFUSED:
        raise ValueError(f"it has an operation {node.kind}, which no model of AutoFI has")
    for attribute in node.attributes:
        for number, value in fields(attribute):
            if number in (7, 8, 9) and node.kind in _LONG:
                break
            if number in (6, 11) and node.kind != "Loop":
                raise ValueError(f"its operation {node.kind[:40]!a} holds a graph")
            if number in (22, 23):
                raise ValueError("it has sparse numbers")
            if number in (5, 10):
                tensor = _tensor(part(value))
                _check_tensor(tensor, listed)
                # A threshold is infinite where it sends every number to one side.
                borders = _attribute_name(attribute) == b"nodes_values_as_tensor"
                if "TreeEnsemble" in node.kind and not _finite(tensor, or_infinite=borders):
                    raise ValueError("its trees have numbers that are not finite")
    if node.kind == "TreeEnsembleRegressor":
        _check_trees(node)


def _check_trees(node: _Node) -> None:
    """Raise ValueError unless every branch leads to a later node; else ONNX Runtime would walk around forever."""
    known: dict[str, memoryview] = {}
    for attribute in node.attributes:
        names = [text(value) for number, value in fields(attribute) if number == 1]
        known[names[0] if names else ""] = attribute
    empty = memoryview(b"")
    numbers, true, false = (
        integers(known.get(name, empty), 8)
        for name in ("nodes_nodeids", "nodes_truenodeids", "nodes_falsenodeids")
    )
    modes = [bytes(part(value)) for number, value in fields(known.get("nodes_modes", empty)) if number == 9]
    if not len(numbers) == len(true) == len(false) == len(modes):
        raise ValueError("its trees have incomplete nodes")
    branches = np.array([mode != b"LEAF" for mode in modes], dtype=bool)
    if ((true <= numbers) | (false <= numbers))[branches].any():
        raise ValueError("its trees have branches that lead back")


def _check_loop(node: _Node, made: Mapping[str, _Node]) -> None:
    """Raise ValueError for any loop but the one that joins values.

    That loop ends after as many turns as a tensor has columns.
    """
    bodies = [part(value) for one in node.attributes for number, value in fields(one) if number == 6]
    counted = made.get(node.inputs[0]) if len(node.inputs) == 3 else None
    shaped = made.get(counted.inputs[0]) if counted is not None and counted.kind == "Gather" else None
    known = len(bodies) == 1 and len(node.outputs) == 1 and fingerprint(bodies[0]) in _LOOPS
    if not known or shaped is None or shaped.kind != "Shape":
        raise ValueError("it has a loop that no model of AutoFI has")


def fingerprint(body: memoryview) -> str:
    """Return a hash of a loop's operations, settings and data flow, independent of the names of its values."""
    names: dict[str, str] = {}
    told: list[object] = []

    def known(name: str) -> str:
        return names.get(name, "outside")

    parts = [(number, part(value)) for number, value in fields(body) if number in (1, 5, 11, 12)]
    for _, given in ((number, value) for number, value in parts if number == 11):
        names[_name(given)] = f"input {len(names)}"
    for number, value in parts:
        if number == 5:
            told.append("numbers")
        if number == 1:
            node = _node(value)
            settings = sorted(_setting(attribute) for attribute in node.attributes)
            told.append((node.kind, node.domain, [known(name) for name in node.inputs], settings))
            for name in node.outputs:
                names[name] = f"value {len(names)}"
    told.append([known(_name(value)) for number, value in parts if number == 12])
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _setting(attribute: memoryview) -> tuple[object, ...]:
    found: list[object] = []
    for number, value in fields(attribute):
        if number == 5:
            tensor = _tensor(part(value))
            numbers = [one if isinstance(one, int) else bytes(one) for one in tensor.numbers]
            found.append((tensor.kind, tensor.shape, bytes(tensor.raw or b""), numbers))
        elif number not in (13, 20):
            found.append((number, value if isinstance(value, int) else bytes(value)))
    return tuple(map(repr, found))


def _name(value: memoryview) -> str:
    return next((text(found) for number, found in fields(value) if number == 1), "")


def _check_sizes(node: _Node, constants: Mapping[str, _Tensor]) -> None:
    for place in _SIZES.get(node.kind, ()):
        tensor = constants.get(node.inputs[place]) if place < len(node.inputs) else None
        sizes = [] if tensor is None else [abs(_signed(one)) for one in tensor.whole_numbers()]
        if math.prod(size for size in sizes if size) > MOST_NUMBERS:
            raise ValueError(
                f"its operation {node.kind} makes more than {MOST_NUMBERS:,} numbers from nothing"
            )


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _check_tensor(tensor: _Tensor, listed: Mapping[str, int]) -> None:
    name = tensor.name[:40]
    if len(tensor.shape) > _MOST_DIMENSIONS or any(size < 0 or size >= 1 << 62 for size in tensor.shape):
        raise ValueError(f"its numbers {name!a} have an impossible shape")
    width = _ELEMENT_BYTES.get(tensor.kind)
    if tensor.external:
        _check_external(tensor, listed, width)
    elif tensor.raw is not None:
        if width is None or len(tensor.raw) != tensor.size * width:
            raise ValueError(
                f"its numbers {name!a} have {len(tensor.raw):,} bytes for {tensor.size:,} numbers of the shape"
            )
    elif tensor.size > tensor.payload:
        raise ValueError(f"its numbers {name!a} are fewer than the {tensor.size:,} of their shape")
    if tensor.kind in (_FLOAT32, _FLOAT16) and tensor.size > 1 and not _finite(tensor):
        raise ValueError(f"its numbers {name!a} are not finite")


def _check_external(tensor: _Tensor, listed: Mapping[str, int], width: int | None) -> None:
    location = tensor.external.get("location", "")
    if location not in listed:
        raise ValueError(f"its numbers lie in {location[:80]!a}, which is not a file of this bundle")
    try:
        start, length = int(tensor.external.get("offset", "0")), int(tensor.external.get("length", "-1"))
    except ValueError:
        raise ValueError("its numbers lie at an offset or length that is not an integer") from None
    if width is None or start < 0 or length != tensor.size * width or start + length > listed[location]:
        raise ValueError(f"its numbers {tensor.name[:40]!a} lie beyond the end of {location[:80]!a}")


def _attribute_name(attribute: memoryview) -> bytes:
    return next((bytes(part(value)) for number, value in fields(attribute) if number == 1), b"")


def _finite(tensor: _Tensor, *, or_infinite: bool = False) -> bool:
    def sound(numbers: NDArray[Any]) -> bool:
        return not np.isnan(numbers).any() if or_infinite else bool(np.isfinite(numbers).all())

    if tensor.kind not in _FLOATS:
        return True
    if tensor.raw is not None:
        return sound(np.frombuffer(tensor.raw, _FLOATS[tensor.kind]))
    for value in tensor.numbers:
        if not isinstance(value, int) and len(value) % 4 == 0:
            kind = "<f8" if tensor.kind == _FLOAT64 else "<f4"
            if len(value) % np.dtype(kind).itemsize == 0 and not sound(np.frombuffer(value, kind)):
                return False
    return True


def _node(message: memoryview) -> _Node:
    node = _Node()
    for number, value in fields(message):
        match number:
            case 1:
                node.inputs.append(text(value))
            case 2:
                node.outputs.append(text(value))
            case 4:
                node.kind = text(value)
            case 5:
                node.attributes.append(part(value))
            case 7:
                node.domain = text(value)
    return node


def _tensor(message: memoryview) -> _Tensor:
    tensor = _Tensor()
    dims: list[int] = []
    for number, value in fields(message):
        match number:
            case 1:
                dims += [value] if isinstance(value, int) else packed(value).tolist()
            case 2:
                tensor.kind = value if isinstance(value, int) else 0
            case 8:
                tensor.name = text(value)
            case 9:
                tensor.raw = part(value)
            case 4 | 5 | 6 | 7 | 10 | 11:
                tensor.payload += 1 if isinstance(value, int) or number == 6 else len(value)
                tensor.numbers.append(value)
            case 13:
                entry = {inner: text(found) for inner, found in fields(part(value))}
                tensor.external[entry.get(1, "")] = entry.get(2, "")
            case 14 if value == 1:
                tensor.external.setdefault("location", "")
    tensor.shape = tuple(map(_signed, dims))
    return tensor


__all__ = ["check_onnx", "fingerprint"]

"""The protocol's extension `binary_tensor_data`: tensors as bytes after the JSON of a request or answer.

The header `Inference-Header-Content-Length` gives the length of the JSON. The bytes of the tensors with a
parameter `binary_data_size` follow in their order: numbers little-endian, row by row, and each text of
BYTES after its length in four bytes. Clients of Triton send and ask for tensors this way by default.

Source: https://github.com/kserve/open-inference-
protocol/blob/main/specification/protocol/extension_binary.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from starlette.datastructures import Headers
from starlette.responses import Response

from autofi.serving.protocol import InferInput, InferRequest
from autofi.serving.refusal import RequestError, short, shown

EXTENSIONS = ["binary_tensor_data"]
HEADER = "Inference-Header-Content-Length"
_KINDS = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "<i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


def header_length(headers: Headers) -> int | None:
    """Return the length of a request's JSON, None where the whole body is JSON; raise RequestError if it is invalid."""
    given = headers.get(HEADER)
    if given is None:
        return None
    if not given.isascii() or not given.isdecimal() or len(given) > 12:
        raise RequestError(
            400, f"{HEADER} '{short(given)}' is not a number of bytes; send the length of the JSON."
        )
    return int(given)


def divided(body: bytes, length: int | None) -> tuple[bytes, memoryview]:
    """Return the JSON and the bytes after it; raise RequestError where the body is shorter than the JSON's length."""
    end = len(body) if length is None else length
    if end > len(body):
        raise RequestError(
            400, f"{HEADER} is {end}, but the body has {len(body)} bytes; send the length of the JSON."
        )
    return body[:end], memoryview(body)[end:]


def attached(inputs: Sequence[InferInput], data: memoryview) -> dict[str, pa.Array]:
    """Return the values of every tensor that came as bytes, by its name; raise RequestError where they do not fit."""
    found: dict[str, pa.Array] = {}
    start = 0
    for place, tensor in enumerate(inputs):
        size = (tensor.parameters or {}).get("binary_data_size")
        if (size is None) is (tensor.data is None):
            found_here = "neither data nor" if size is None else "both data and"
            raise RequestError(
                400, f"The tensor at inputs.{place}.data has {found_here} binary_data_size; send one of them."
            )
        if size is None:
            continue
        if type(size) is not int or size < 0 or start + size > len(data):
            raise RequestError(
                400,
                f"Tensor '{short(tensor.name)}': binary_data_size is {shown(size)}, but {len(data) - start} bytes are "
                "left; send the number of its bytes.",
            )
        found[tensor.name] = _values(tensor, data[start : start + size])
        start += size
    if start != len(data):
        raise RequestError(
            400,
            f"{len(data) - start} bytes after the JSON belong to no tensor; send only the tensors' bytes.",
        )
    return found


def wants_binary(request: InferRequest) -> bool:
    """Return True where the probabilities are asked for as bytes, for the output itself or else for all outputs."""
    asked = [output.parameters or {} for output in request.outputs or []]
    of_all = bool((request.parameters or {}).get("binary_data_output"))
    return bool(asked[0].get("binary_data", of_all)) if asked else of_all


def binary_answer(
    known: Mapping[str, Any], output: dict[str, Any], probabilities: NDArray[np.float64]
) -> Response:
    """Return the answer with the probabilities as bytes after its JSON."""
    data = probabilities.astype("<f8").tobytes()
    told = output | {"parameters": {"binary_data_size": len(data)}}
    head = json.dumps({**known, "outputs": [told]}, separators=(",", ":")).encode()
    return Response(head + data, media_type="application/octet-stream", headers={HEADER: str(len(head))})


def _values(tensor: InferInput, data: memoryview) -> pa.Array:
    if tensor.datatype == "BYTES":
        return _texts(tensor, data)
    kind = np.dtype(_KINDS[tensor.datatype])
    if len(data) % kind.itemsize:
        raise RequestError(
            400,
            f"Tensor '{short(tensor.name)}': {len(data)} bytes are not a multiple of {kind.itemsize}, the bytes of a "
            f"value of {tensor.datatype}.",
        )
    if kind.kind == "b":
        numbers = np.frombuffer(data, np.uint8)
        return pa.array(numbers != 0)
    return pa.array(np.frombuffer(data, kind))


def _texts(tensor: InferInput, data: memoryview) -> pa.Array:
    texts: list[str] = []
    place, end = 0, len(data)
    while place < end:
        start = place + 4
        place = start + int.from_bytes(data[place:start], "little")
        if start > end or place > end:
            raise RequestError(
                400,
                f"Tensor '{short(tensor.name)}': value {len(texts) + 1} is longer than the remaining bytes; send each "
                "text after its length in 4 bytes.",
            )
        try:
            texts.append(str(data[start:place], "utf-8"))
        except UnicodeDecodeError:
            raise RequestError(
                400, f"Tensor '{short(tensor.name)}': value {len(texts) + 1} is not UTF-8."
            ) from None
    return pa.array(texts, pa.string())

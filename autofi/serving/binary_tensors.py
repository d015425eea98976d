"""The extension `binary_tensor_data` of the protocol: tensors as bytes behind the JSON of a request or answer.

The header `Inference-Header-Content-Length` says where the JSON ends. The bytes of the tensors that have a parameter
`binary_data_size` follow in their order: numbers little-endian, row by row, and each text of BYTES behind its length in
four bytes. Clients of Triton send and ask for tensors so unless they are told otherwise.

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/extension_binary.md
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
    """Where the JSON of a request ends, None where all of it is JSON; raises Refusal for what is no length."""
    given = headers.get(HEADER)
    if given is None:
        return None
    if not given.isascii() or not given.isdecimal() or len(given) > 12:
        raise RequestError(400, f"{HEADER} is the number of bytes of the JSON: found '{short(given)}'.")
    return int(given)


def divided(body: bytes, length: int | None) -> tuple[bytes, memoryview]:
    """Return the JSON, and the bytes behind it; raises Refusal where it should be longer than the body."""
    end = len(body) if length is None else length
    if end > len(body):
        raise RequestError(
            400, f"{HEADER} is the number of bytes of the JSON: found {end}, and the body has {len(body)}."
        )
    return body[:end], memoryview(body)[end:]


def attached(inputs: Sequence[InferInput], data: memoryview) -> dict[str, pa.Array]:
    """Return the values of every tensor that came in bytes, by its name; raises Refusal unless the bytes are those."""
    found: dict[str, pa.Array] = {}
    start = 0
    for place, tensor in enumerate(inputs):
        size = (tensor.parameters or {}).get("binary_data_size")
        if (size is None) is (tensor.data is None):
            rule = (
                "a tensor has data, or a binary_data_size"
                if size is None
                else "data or binary_data_size, not both"
            )
            raise RequestError(400, f"A request is as the protocol says: at inputs.{place}.data, {rule}.")
        if size is None:
            continue
        if type(size) is not int or size < 0 or start + size > len(data):
            raise RequestError(
                400,
                f"Tensor '{short(tensor.name)}': binary_data_size is a number of bytes that follow; found "
                f"{shown(size)} where {len(data) - start} are left.",
            )
        found[tensor.name] = _values(tensor, data[start : start + size])
        start += size
    if start != len(data):
        raise RequestError(400, f"All bytes behind the JSON are a tensor's: {len(data) - start} are left.")
    return found


def wants_binary(request: InferRequest) -> bool:
    """Whether the probabilities are asked for as bytes: of the output itself, or else of all."""
    asked = [output.parameters or {} for output in request.outputs or []]
    of_all = bool((request.parameters or {}).get("binary_data_output"))
    return bool(asked[0].get("binary_data", of_all)) if asked else of_all


def binary_answer(
    known: Mapping[str, Any], output: dict[str, Any], probabilities: NDArray[np.float64]
) -> Response:
    """Return the answer with the probabilities behind its JSON."""
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
            f"Tensor '{short(tensor.name)}': a value of {tensor.datatype} has {kind.itemsize} bytes; found "
            f"{len(data)} in all.",
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
                f"Tensor '{short(tensor.name)}': a text of BYTES stands behind its length in 4 bytes; value "
                f"{len(texts) + 1} is longer than what follows.",
            )
        try:
            texts.append(str(data[start:place], "utf-8"))
        except UnicodeDecodeError:
            raise RequestError(
                400, f"Tensor '{short(tensor.name)}': value {len(texts) + 1} is not UTF-8."
            ) from None
    return pa.array(texts, pa.string())

"""The messages of the Open Inference Protocol v2 over HTTP and JSON, and of the plain interface beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]  # fmt: skip
Dimension = Annotated[int, Field(ge=0)]
# Validation stops at the first wrong element, since a body may have millions.
Shape = Annotated[list[Dimension], Field(min_length=1, fail_fast=True)]
Parameters = dict[str, Any]


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class InferInput(_Message):
    """One tensor of values, row by row; null is a missing value.

    Its data are in `data`, or in `binary_data_size` bytes after the JSON (see `autofi.serving.binary_tensors`).
    """

    name: str
    shape: Shape
    datatype: Datatype
    parameters: Parameters | None = None
    data: list[Any] | None = None


class RequestedOutput(_Message):
    name: str
    parameters: Parameters | None = None


class InferRequest(_Message):
    id: str | None = None
    parameters: Parameters | None = None
    inputs: Annotated[list[InferInput], Field(min_length=1, fail_fast=True)]
    outputs: Annotated[list[RequestedOutput] | None, Field(fail_fast=True)] = None


class InferOutput(_Message):
    name: str
    shape: list[int]
    datatype: Datatype
    data: list[float]


class InferAnswer(_Message):
    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[InferOutput]


class TensorMetadata(_Message):
    name: str
    datatype: Datatype
    shape: list[int]
    """The shape; -1 is any size."""


class ModelMetadata(_Message):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(_Message):
    name: str
    version: str
    extensions: list[str]


class Live(_Message):
    live: bool


class Ready(_Message):
    ready: bool


class ModelReady(_Message):
    name: str
    ready: bool


class PredictAnswer(_Message):
    probabilities: list[float]
    ignored: list[str] = []
    """Keys of the rows that are not fields of the model; left out where there are none."""


class Problem(_Message):
    """The reason for a refused request, in one line."""

    error: str


def respond(message: _Message, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a message as the answer."""
    return JSONResponse(message.model_dump(), status, headers)

"""The routes that answer with probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from fastapi import FastAPI, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from autofi.serving import openapi as description
from autofi.serving.batching import BusyError, MicroBatcher, StuckError
from autofi.serving.binary_tensors import attached, binary_answer, divided, header_length, wants_binary
from autofi.serving.health_routes import MODEL, MODEL_VERSION
from autofi.serving.json_rows import table_of_rows
from autofi.serving.limits import Limits
from autofi.serving.protocol import InferAnswer, InferRequest, PredictAnswer
from autofi.serving.refusal import RequestError, short, shown
from autofi.serving.request_body import parse, read_body
from autofi.serving.served_model import VERSION, Floats, ServedModel
from autofi.serving.tensors import OUTPUT, table_of_tensors
from autofi.serving.unknown_keys import ignored_keys

# Parsing a larger body takes milliseconds, and health checks should not wait for it.
_LARGE_BODY = 1 << 16
_UNSUPPORTED = ("shared_memory_region", "classification", "sequence_id")

T = TypeVar("T")


def add_scoring(app: FastAPI, model: ServedModel, limits: Limits, batcher: MicroBatcher) -> None:
    """Add the routes to an application."""
    inferring = description.scoring(InferAnswer, description.TENSORS, 404)

    def of_rows(body: bytes) -> tuple[list[str], pa.Table]:
        document = parse(body)
        table = table_of_rows(document, model.schema, most_rows=limits.rows)
        return ignored_keys(document["rows"], model.schema, strict=limits.strict), table

    async def read(request: Request, reader: Callable[[bytes], T]) -> T:
        body = await read_body(request, most_bytes=limits.body_bytes)
        return reader(body) if len(body) < _LARGE_BODY else await run_in_threadpool(reader, body)

    async def scored(table: pa.Table) -> Floats:
        try:
            return await batcher.score(table)
        except BusyError:
            raise RequestError(
                503,
                f"{limits.waiting} requests already wait, which is the limit; try again.",
                {"Retry-After": "1"},
            ) from None
        except StuckError as stuck:
            if stuck.own:
                raise RequestError(
                    504, f"Scoring takes longer than {limits.batch_seconds:g} s; send fewer rows."
                ) from None
            raise RequestError(503, "Scoring is late; try again.", {"Retry-After": "5"}) from None

    async def inferred(request: Request) -> Response:
        length = header_length(request.headers)

        def of_tensors(body: bytes) -> tuple[InferRequest, pa.Table]:
            document, tensors = divided(body, length)
            asked = _understood(parse(document))
            given = attached(asked.inputs, tensors)
            return asked, table_of_tensors(asked.inputs, model.schema, most_rows=limits.rows, given=given)

        asked, table = await read(request, of_tensors)
        probabilities = await scored(table) if table.num_rows else np.empty(0)
        output = OUTPUT.model_dump() | {"shape": [len(probabilities)]}
        known = {"model_name": model.name, "model_version": VERSION}
        named = {} if asked.id is None else {"id": asked.id}
        if wants_binary(asked):
            return binary_answer(known | named, output, probabilities)
        return JSONResponse(known | named | {"outputs": [output | {"data": probabilities.tolist()}]})

    @app.post("/predict", **description.scoring(PredictAnswer, description.ROWS))
    async def predict(request: Request) -> Response:
        ignored, table = await read(request, of_rows)
        probabilities = await scored(table)
        told = {"ignored": ignored} if ignored else {}
        return JSONResponse({"probabilities": probabilities.tolist(), **told})

    @app.post(f"{MODEL}/infer", **inferring)
    async def model_infer(request: Request, name: str) -> Response:
        model.check(name)
        return await inferred(request)

    @app.post(f"{MODEL_VERSION}/infer", **inferring)
    async def version_infer(request: Request, name: str, version: str) -> Response:
        model.check(name, version)
        return await inferred(request)


def _understood(document: Any) -> InferRequest:
    try:
        request = InferRequest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(short(str(part)) for part in first["loc"]) or "the body"
        found = "" if first["type"] == "missing" else f"; found {shown(first['input'])}"
        rule = first["msg"].partition(" or instance of ")[0]
        raise RequestError(
            400, f"The request does not follow the protocol: at {place}, {rule}{found}."
        ) from None
    outputs = request.outputs or []
    for output in outputs:
        if output.name != OUTPUT.name:
            raise RequestError(400, f"There is no output '{short(output.name)}'; ask for '{OUTPUT.name}'.")
    given = [request.parameters]
    given += [tensor.parameters for tensor in request.inputs]
    given += [output.parameters for output in outputs]
    for parameters in given:
        for name in _UNSUPPORTED:
            if parameters and parameters.get(name):
                raise RequestError(400, f"The parameter '{name}' is not supported; leave it out.")
    return request

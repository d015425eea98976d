"""The OpenAPI document of the routes and of the model's fields."""

from __future__ import annotations

import sys
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

from autofi.data.schema import Field, FieldKind, Schema
from autofi.serving.protocol import InferRequest, Problem

#: Names of the requests' schemas in the document.
ROWS, TENSORS = "PredictRequest", "InferRequest"

_REFERENCE = "#/components/schemas/"
_REASONS = {
    400: "The request is invalid.",
    404: "There is no such model or version.",
    408: "The body did not arrive in time.",
    413: "There are too many rows or bytes.",
    415: "The body is not JSON.",
    421: "The Host is not one of this server's names.",
    500: "The server failed.",
    503: "Too many requests wait, or scoring is late.",
    504: "Scoring took too long.",
}
_SCORING = (400, 408, 413, 415, 500, 503, 504)


def answers(
    answer: type[BaseModel], *problems: int, not_ready: type[BaseModel] | None = None
) -> dict[str, Any]:
    """Return the keywords of a route that answers with `answer`, or with one of the problems."""
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": _REASONS[status]} for status in (*problems, 421)
    }
    if not_ready is not None:
        responses[503] = {
            "model": not_ready,
            "description": "Not ready: the server ends, or scoring is late.",
        }
    return {"responses": {200: {"model": answer}} | responses, "response_model": None}


def scoring(answer: type[BaseModel], request: str, *problems: int) -> dict[str, Any]:
    """Return the keywords of a route that takes a JSON body."""
    content = {"application/json": {"schema": {"$ref": _REFERENCE + request}}}
    return answers(answer, *_SCORING, *problems) | {
        "openapi_extra": {"requestBody": {"required": True, "content": content}}
    }


def text(meaning: str, media_type: str) -> dict[str, Any]:
    """Return the keywords of a route that answers with text."""
    content = {media_type: {"schema": {"type": "string"}}}
    return {
        "responses": {200: {"description": meaning, "content": content}},
        "response_model": None,
        "response_class": PlainTextResponse,
    }


def describe(app: FastAPI, schema: Schema, *, most_rows: int) -> None:
    """Add the schemas of the requests to the application's document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schemas = made["components"]["schemas"]
            infer = InferRequest.model_json_schema(ref_template=_REFERENCE + "{model}")
            schemas.update(infer.pop("$defs"))
            schemas |= {TENSORS: infer, ROWS: _rows(schema, most_rows)}
            _drop_unused(made, schemas)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _drop_unused(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Remove the answer 422, which FastAPI lists for every route with a name in its path; no route gives it."""
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def _rows(schema: Schema, most_rows: int) -> dict[str, Any]:
    row = {
        "type": "object",
        "properties": {field.name: _value(field) for field in schema.fields},
        # A row with other keys only has nothing to score.
        "anyOf": [{"required": [name]} for name in schema.names],
    }
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": most_rows}
    return {
        "type": "object",
        "properties": {"rows": rows},
        "required": ["rows"],
        "additionalProperties": False,
    }


def _value(field: Field) -> dict[str, Any]:
    # JSON has numbers that a float cannot hold.
    number = {"type": "number", "minimum": -sys.float_info.max, "maximum": sys.float_info.max}
    others = [{"type": "boolean"}, {"type": "null"}]
    if field.kind is FieldKind.NUMERIC:
        return {"anyOf": [number, *others]}
    single = [{"type": "string"}, number, *others]
    if field.kind is FieldKind.CATEGORICAL:
        return {"anyOf": single}
    return {"anyOf": [*single, {"type": "array", "items": {"anyOf": single}}]}

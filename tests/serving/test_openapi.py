"""The OpenAPI document says what the server does: Schemathesis asks with requests made from it."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

EXAMPLES = 25


def test_every_answer_is_documented(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert {"/predict", "/v2/models/{name}/infer", "/metrics"} < set(document["paths"])
    for operations in document["paths"].values():
        for operation in operations.values():
            assert "422" not in operation["responses"]
            assert {parameter["in"] for parameter in operation.get("parameters", [])} <= {"path"}
    statuses = set(document["paths"]["/predict"]["post"]["responses"])
    assert statuses == {"200", "400", "408", "413", "415", "421", "500", "503", "504"}
    assert "ValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_answers_conform_to_the_document(client: httpx.Client, mode: GenerationMode) -> None:
    document = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    if mode is GenerationMode.NEGATIVE:  # without a body there is nothing to get wrong
        document = document.include(method="POST")
    schemas = client.get("/openapi.json").json()["components"]
    asked = sum(conforms(result.ok(), mode, schemas) for result in document.get_all_operations())
    assert asked > EXAMPLES


def conforms(operation: schemathesis.APIOperation, mode: GenerationMode, components: dict[str, Any]) -> int:
    """Asks for one operation; returns how often."""
    # That the shapes of tensors fit each other, no schema can say.
    accepted = operation.path.endswith("/infer") or mode is GenerationMode.NEGATIVE
    excluded = [positive_data_acceptance] if accepted else []
    asked = 0

    @settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        nonlocal asked
        asked += 1
        # It breaks one branch of an anyOf and calls that negative; where another one holds, nothing is wrong.
        fits = mode is GenerationMode.NEGATIVE and _fits(case, components)
        case.call_and_validate(excluded_checks=[*excluded, *([negative_data_rejection] if fits else [])])

    check()
    return asked


def _fits(case: schemathesis.Case, components: dict[str, Any]) -> bool:
    """Whether the body of a request is one that the document allows; bytes are none, and of no JSON."""
    if not isinstance(case.body, dict):
        return False
    given = case.operation.definition.raw["requestBody"]["content"]["application/json"]["schema"]
    return bool(jsonschema_rs.is_valid(_unbounded({**given, "components": components}), case.body))


def _unbounded(schema: Any) -> Any:
    """Without bounds of numbers: whole ones beyond a float are texts of a categorical field, and no schema says so."""
    if isinstance(schema, dict):
        bounds = ("minimum", "maximum")
        return {
            key: _unbounded(part)
            for key, part in schema.items()
            if key not in bounds or not isinstance(part, float)
        }
    return [_unbounded(part) for part in schema] if isinstance(schema, list) else schema

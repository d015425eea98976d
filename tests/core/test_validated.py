"""A fault is told by the document's own keys, whatever pydantic read them as."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from autofi.core.validated import first_fault


class Inner(BaseModel):
    count: int


class Outer(BaseModel):
    parts: list[Inner | dict[str, float]] = []
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("document", "key", "rule", "found"),
    [
        ({"inner": {"count": "x"}}, "inner.count", "valid integer", "'x'"),
        ({"inner": {}}, "inner.count", "it is missing; add it", "{}"),
        ({"parts": [{"count": 1}, {"count": "x"}]}, "parts.1.count", "valid integer", "'x'"),
        ([], "", "valid dictionary", "[]"),
        ({"parts": "x" * 200}, "parts", "valid list", "'" + "x" * 79),
    ],
)
def test_the_first_fault_names_the_key(document: Any, key: str, rule: str, found: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(document)
    fault = first_fault(raised.value, document)
    assert (fault.key, fault.found) == (key, found)
    assert rule in fault.rule

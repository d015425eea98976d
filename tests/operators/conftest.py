"""Exports of streams with other settings than the default ones are slow tests."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if "test_exported" in item.name and callspec and callspec.params.get("settings"):
            item.add_marker(pytest.mark.slow)

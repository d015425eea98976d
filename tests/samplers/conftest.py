"""A Gaussian process over several objectives takes long."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and callspec.params.get("of_several") == "gp":
            item.add_marker(pytest.mark.slow)

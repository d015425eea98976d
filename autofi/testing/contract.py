"""The common half of the contract suites: every test runs for each of some registered names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import pytest


class Contract:
    """A suite of tests; a subclass whose name begins with `Test` runs them for its `names`."""

    #: The registered names to test.
    names: ClassVar[Iterable[str]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test that takes a `name` with each of the names."""
        if "name" in metafunc.fixturenames:
            metafunc.parametrize("name", list(self.names))

"""Contract suites for operators, samplers, strategies and stores of your own: what AutoFI's own are tested with.

A suite is a class for pytest. A subclass names what it tests:

    from autofi.testing import StreamContract

    class TestTriples(StreamContract):
        names = ("triples",)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autofi.core.lazy_names import lazy_name

if TYPE_CHECKING:
    from autofi.testing.operators import OperatorContract
    from autofi.testing.samplers import SamplerContract
    from autofi.testing.stores import StoreContract
    from autofi.testing.strategies import StrategyContract
    from autofi.testing.streams import StreamContract

_WHERE = {
    "OperatorContract": "operators",
    "SamplerContract": "samplers",
    "StoreContract": "stores",
    "StrategyContract": "strategies",
    "StreamContract": "streams",
}

__all__ = ["OperatorContract", "SamplerContract", "StoreContract", "StrategyContract", "StreamContract"]

# A failed assertion of a suite then shows its values, as one of a test file does.
pytest.register_assert_rewrite(*(f"autofi.testing.{module}" for module in _WHERE.values()))


def __getattr__(name: str) -> Any:
    # Imported when first used: a sampler's suite needs no torch.
    return lazy_name(__name__, _WHERE, name)

"""Every registered operator keeps the contract, whatever it computes."""

from __future__ import annotations

from autofi.operators.registry import operators
from autofi.testing import OperatorContract


class TestEveryOperator(OperatorContract):
    names = tuple(operators())

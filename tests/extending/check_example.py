"""The test file of the package `autofi_example`: run where that is installed, not with AutoFI's own tests."""

from __future__ import annotations

from autofi.testing import OperatorContract, SamplerContract, StrategyContract, StreamContract


class TestOperators(OperatorContract):
    names = ("squared_position",)


class TestStreams(StreamContract):
    names = ("triples",)


class TestSamplers(SamplerContract):
    names = ("dice",)
    unguided = ("dice",)


class TestStrategies(StrategyContract):
    names = ("unscreened",)

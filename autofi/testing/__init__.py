"""Contract suites for operators, samplers, strategies and stores of your own: what AutoFI's own are tested with.

A suite is a class for pytest. A subclass names what it tests:

    from autofi.testing import StreamContract

    class TestTriples(StreamContract):
        names = ("triples",)
"""

from __future__ import annotations

import pkgutil

import lazy_loader
import pytest

# A failed assertion of a suite then shows its values, as one of a test file does.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

# Imported when first used: a sampler's suite needs no torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Samplers: from measured trials to the next proposal, without torch or SQL.

A new sampler is a file in this package with a class and its decorator.
"""

from __future__ import annotations

import lazy_loader

# Imported when first used: Optuna takes a second, and the names of samplers are read without.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

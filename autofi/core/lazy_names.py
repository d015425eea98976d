"""Public names of a package that are imported on first use, so that importing the package stays quick."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any


def lazy_name(package: str, where: Mapping[str, str], name: str) -> Any:
    """Import a public name, keep it in its package and return it, for a `__getattr__` of the package.

    Args:
        package: The package's own name.
        where: The module of every public name, relative to the package.
        name: The name that is asked for.

    Raises:
        AttributeError: The package has no such name.
    """
    if name not in where:
        raise AttributeError(f"module '{package}' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"{package}.{where[name]}"), name)
    setattr(sys.modules[package], name, value)
    return value

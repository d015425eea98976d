"""Loops over rows compiled by Numba; import this only where there is enough work to be worth the import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a function on its first call, cached on disk for later processes if there is a folder for it.

    It runs without the interpreter lock (`nogil`). Numbers of an enclosing function are constants to the compiler, so
    that a loop over the width of a row becomes a few vector instructions.
    """
    options: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True}
    try:
        kept: Function = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder that Numba may write to
        kept = numba.njit(**options)(function)
    return kept

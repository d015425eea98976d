"""Loops over rows, compiled by Numba: to be imported only where there is enough work to be worth the import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile on the first call; kept for later processes where there is a folder to keep it in.

    The interpreter is free to go on meanwhile (`nogil`). A number that an enclosing function holds is known to the
    compiler: loops over the width of a row become a few vector instructions.
    """
    options: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True}
    try:
        kept: Function = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder that Numba may write to
        kept = numba.njit(**options)(function)
    return kept

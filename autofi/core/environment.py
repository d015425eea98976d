"""Choices that a user makes by a variable of the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence

from autofi.errors import ConfigError


def asked(variable: str, choices: Sequence[str]) -> str:
    """The value of a variable, the first of `choices` where it is not set; another one raises `ConfigError`."""
    found = os.environ.get(variable, choices[0])
    if found not in choices:
        raise ConfigError(f"{variable} is one of {', '.join(choices)}: found '{found}'.")
    return found

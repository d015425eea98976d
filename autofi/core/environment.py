"""Settings that a user makes by environment variables."""

from __future__ import annotations

import os
from collections.abc import Sequence

from autofi.errors import ConfigError


def asked(variable: str, choices: Sequence[str]) -> str:
    """Return the value of an environment variable, or the first of `choices` if it is not set.

    Raises:
        ConfigError: The value is none of `choices`.
    """
    found = os.environ.get(variable, choices[0])
    if found not in choices:
        raise ConfigError(
            f"The environment variable {variable} is '{found}'; set it to {' or '.join(choices)}."
        )
    return found

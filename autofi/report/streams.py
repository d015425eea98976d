"""A winner's streams and boosted trees in words, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def told(streams: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every stream with the settings that are not its defaults, such as "cross_network, layers 2"."""
    return [
        ", ".join([stream["name"], *(f"{key} {_value(value)}" for key, value in stream["settings"].items())])
        for stream in streams
    ]


def boosted_words(share: float) -> str:
    """How much of what is predicted is boosted trees'."""
    return (
        f"boosted trees, {share:.0%} of the logit"
        if share
        else "boosted trees earned no share and are left out"
    )


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        crosses = value and all(isinstance(one, list | tuple) for one in value)
        return ", ".join(" × ".join(map(str, one)) for one in value) if crosses else "-".join(map(str, value))
    return str(value)

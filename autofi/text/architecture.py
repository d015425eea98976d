"""The parts of an architecture as lists in Markdown: its pairs, its fields, its streams."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autofi.text.markdown import escaped

if TYPE_CHECKING:
    # torch, which the operators of an architecture need, takes seconds to import; a summary is printed without it.
    from autofi.space.architecture import Architecture

#: The most pairs or fields that are listed for one choice; then the number of the others.
LISTED = 40


def choices(architecture: Architecture, *, listed: int = LISTED) -> list[str]:
    """Return headings and lists in turn, at most `listed` pairs or fields for every choice; names are escaped.

    Of boosted trees alone there is nothing to list.
    """
    if architecture.trees_alone:
        return []
    by_choice: dict[str, list[str]] = {}
    for left, right in architecture.pairs:
        choice, form = architecture.choice(left, right)
        by_choice.setdefault(choice, []).append(f"{escaped(left)} × {escaped(right)} ({escaped(form)})")
    by_forms: dict[str, list[str]] = {}
    for name, forms in architecture.fields.items():
        by_forms.setdefault(" + ".join(forms), []).append(escaped(name))
    pairs = [
        f"- {choice}, {_many(len(names), 'pair')}: {_listed(names, listed)}"
        for choice, names in sorted(by_choice.items())
    ]
    fields = [
        f"- {escaped(forms)}, {_many(len(names), 'field')}: {_listed(names, listed)}"
        for forms, names in sorted(by_forms.items())
    ]
    streams = [f"- {escaped(stream)}" for stream in told(architecture.chosen_streams())]
    found = [
        "## Pairs",
        "\n".join([*pairs, "- all others naive"] if pairs else ["- all naive"]),
    ]
    found += ["## Fields", "\n".join(fields)] if fields else []
    return found + (["## Streams", "\n".join(streams)] if streams else [])


def code(text: str) -> str:
    """Return text as Markdown code on one line; pipes are escaped, as a table needs it."""
    shown = " ".join(text.split()) or repr(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    padding = " " if "`" in shown else ""
    return fence + padding + shown.replace("|", "\\|") + padding + fence


def _listed(names: list[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def told(streams: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every stream with its settings that are not defaults, such as "cross_network, layers 2"."""
    return [
        ", ".join([stream["name"], *(f"{key} {_value(value)}" for key, value in stream["settings"].items())])
        for stream in streams
    ]


def boosted_words(share: float) -> str:
    """Return a phrase with the share of the boosted trees in the logit."""
    if not share:
        return "boosted trees earned no share and are left out"
    if share == 1:
        return "boosted trees alone, as the network adds nothing to them"
    return f"boosted trees, {share:.0%} of the logit"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        crosses = value and all(isinstance(one, list | tuple) for one in value)
        return ", ".join(" × ".join(map(str, one)) for one in value) if crosses else "-".join(map(str, value))
    return str(value)

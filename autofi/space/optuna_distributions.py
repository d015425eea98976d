"""The parameters of a space for Optuna: distributions, and labels for values that are not scalars."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from autofi.space.architecture import Forms
from autofi.space.parameters import Choices, FloatRange, default_of, label
from autofi.space.search_space import SearchSpace

#: Characters of a label that a parameter's name keeps at most.
NAME_LENGTH = 250


def distributions(space: SearchSpace, variants: Mapping[str, tuple[str, ...]]) -> dict[str, BaseDistribution]:
    """Return one distribution per parameter of the space, and per named variant with more than one value."""
    found: dict[str, BaseDistribution] = {}
    for key, value in space.parameters().items():
        if isinstance(value, FloatRange):
            found[key] = FloatDistribution(value.low, value.high, log=value.log)
        else:
            found[key] = CategoricalDistribution([label(choice) for choice in value.choices])
    for key, names in variants.items():
        if len(names) > 1:
            found[key] = CategoricalDistribution(list(names))
    return found


def defaults(space: SearchSpace, variants: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return the parameters that are proposed first."""
    found = {key: label(default_of(value)) for key, value in space.parameters().items()}
    return found | {key: names[0] for key, names in variants.items() if len(names) > 1}


def decode(space: SearchSpace, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that labels stand for, without the variants."""
    found: dict[str, Any] = {}
    for key, value in space.parameters().items():
        if key not in parameters:
            continue
        if isinstance(value, Choices):
            found[key] = next(choice for choice in value.choices if label(choice) == parameters[key])
        else:
            found[key] = parameters[key]
    return found


def parameter_names(labels: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Return a name per label for a study's database: the label itself if possible, else with its number added.

    Optuna's tables take 512 characters, MySQL does not distinguish case, accents and trailing spaces, and two labels
    may be the same text: the pair of `a × b` and `c`, and that of `a` and `b × c`.
    """
    seen = {_alike(name) for name in taken}
    found = []
    for number, name in enumerate(labels):
        if len(name) > NAME_LENGTH or not name.isprintable() or _alike(name) in seen:
            start = "".join(letter if letter.isprintable() else " " for letter in name[:NAME_LENGTH])
            name = f"{start} #{number}"
            while _alike(name) in seen:
                name += "'"
        seen.add(_alike(name))
        found.append(name)
    return found


def _alike(name: str) -> str:
    """Return a text that is equal for names that some database does not distinguish."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    # One collation of MySQL does not distinguish characters beyond the first 65,536.
    letters = (letter if letter <= "\uffff" else "?" for letter in plain if not unicodedata.combining(letter))
    return "".join(letters).strip()


def forms_label(forms: Forms) -> str:
    """Return the label of an option of a field or a pair, for Optuna and for people: its operators, or naive."""
    return "+".join(forms) or "naive"

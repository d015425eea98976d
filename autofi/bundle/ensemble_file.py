"""The members of an ensemble in a bundle: their architectures, weights, and where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autofi.data.feature_builder import FeatureBuilder
from autofi.model.build import build_network
from autofi.model.ensemble import Ensemble
from autofi.space.architecture import Architecture

FORMAT = 1
#: The most members of an ensemble that a bundle may hold.
MOST_MEMBERS = 64


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Attributes:
        architecture: Its architecture.
        weight: Its share of the mean probability.
        trial: The trial of its architecture.
        seed: The seed of its training.
    """

    architecture: Architecture
    weight: float
    trial: int
    seed: int

    def origin(self) -> dict[str, Any]:
        """Return where it comes from, and its weight."""
        return {"trial": self.trial, "seed": self.seed, "weight": self.weight}


def members_document(members: Sequence[Member]) -> dict[str, Any]:
    """Return the content of `ensemble.json`."""
    return {
        "format": FORMAT,
        "members": [{"architecture": member.architecture.to_json(), **member.origin()} for member in members],
    }


def read_members(document: Mapping[str, Any]) -> tuple[Member, ...]:
    """Return the members that `members_document` wrote; the sum of weights is left to the ensemble to check.

    Raises:
        ValueError: It is not such a document, or of a newer format.
    """
    if document.get("format") != FORMAT:
        raise ValueError(f"it has the format {str(document.get('format'))[:40]}, this AutoFI reads {FORMAT}")
    listed = document.get("members")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_MEMBERS:
        raise ValueError(f"it has no list of 1 to {MOST_MEMBERS} members")
    return tuple(_member(number, found) for number, found in enumerate(listed))


def build_ensemble(members: Sequence[Member], builder: FeatureBuilder) -> Ensemble:
    """Return an ensemble of networks with initial weights, on the features of one builder.

    Raises:
        InvalidArchitectureError: The weights do not add up to 1.
    """
    networks = [build_network(member.architecture, builder, seed=0) for member in members]
    return Ensemble(networks, [member.weight for member in members])


def _member(number: int, found: Any) -> Member:
    if not isinstance(found, dict) or not isinstance(found.get("architecture"), dict):
        raise ValueError(f"its member {number} has no architecture")
    weight = found.get("weight")
    if not isinstance(weight, int | float) or not math.isfinite(weight):
        raise ValueError(f"its member {number} has no finite weight")
    trial, seed = (_count(number, name, found.get(name)) for name in ("trial", "seed"))
    return Member(Architecture.from_json(found["architecture"]), float(weight), trial, seed)


def _count(number: int, name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"its member {number} has no {name}")
    return value

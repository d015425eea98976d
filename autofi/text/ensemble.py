"""The ensemble of a study in words, the same for terminal and report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The most trials whose share is named.
NAMED = 6


def ensemble_row(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the ensemble of `Study.summary()` as an entry of a table of models; none where there is none."""
    ensemble = summary.get("ensemble")
    if not ensemble:
        return []
    return [{**ensemble, "name": f"ensemble of {len(ensemble['members'])}", "seeds": ""}]


#: The columns of `member_rows`.
MEMBER_HEADING = ("weight", "trial", "seed", "architecture")


def member_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the members of the ensemble as rows of a table; none where there is none."""
    ensemble = summary.get("ensemble")
    return [
        (f"{member['weight']:.1%}", str(member["trial"]), str(member["seed"]), str(member["architecture"]))
        for member in (ensemble["members"] if ensemble else ())
    ]


def ensemble_words(summary: Mapping[str, Any]) -> str:
    """Return sentences on the members of the ensemble and its gain; "" where there is none."""
    ensemble = summary.get("ensemble")
    if not ensemble:
        return ""
    shares: dict[int, float] = {}
    networks: dict[int, int] = {}
    for member in ensemble["members"]:
        trial = member["trial"]
        shares[trial] = shares.get(trial, 0.0) + member["weight"]
        networks[trial] = networks.get(trial, 0) + 1
    ranked = sorted(shares, key=lambda trial: (-shares[trial], trial))
    told = [
        f"{shares[trial]:.0%} trial {trial}" + (f" ({networks[trial]} seeds)" if networks[trial] > 1 else "")
        for trial in ranked[:NAMED]
    ]
    if len(ranked) > NAMED:
        rest = ranked[NAMED:]
        told.append(f"{sum(shares[trial] for trial in rest):.0%} {len(rest)} more trials")
    judged = " that did not select them" if ensemble["greedy"] else ""
    return (
        f"The study delivers the mean of {len(ensemble['members'])} networks: {', '.join(told)}. Its logloss on "
        f"validation rows{judged} is {ensemble['gain']:.5f} below the winner's mean over its seeds."
    )

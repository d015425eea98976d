"""The best trial so far of a search in words, the same for terminal, report and model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def best_so_far_words(found: Mapping[str, Any]) -> str:
    """Return three sentences on a bundle that was exported before there was a winner.

    Args:
        found: The entry `best_so_far` of `Study.summary()`, or of the origin of a bundle.
    """
    state = "a search that was running" if found["running"] else "an interrupted search"
    trials = f"{found['trials']} trial{'' if found['trials'] == 1 else 's'}"
    return (
        f"This is the best model so far of {state}: trial {found['trial']}, the first of {trials} by {found['by']}. "
        "Its metrics are of validation rows, which also chose it. No finals have judged it, and no test row was read."
    )


def exportable_words(found: Mapping[str, Any]) -> str:
    """Return the beginning of a sentence that a command ends."""
    return f"Trial {found['trial']}, the best so far by {found['by']}, can be exported now:"

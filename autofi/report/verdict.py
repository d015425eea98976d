"""What the comparison of the winner with the best baseline says, in words: the same in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SENTENCES = {
    "better": "The winner is better than {}, the best baseline",
    "tie": "A tie: the winner and {}, the best baseline, cannot be told apart",
    "worse": "A baseline won: {} is better than what the search found",
}


def verdict(comparison: Mapping[str, Any]) -> tuple[str, str]:
    """A sentence without its full stop, and the figures it rests on; `comparison` as `Study.summary()` gives it."""
    low, high = comparison["interval"]
    return (
        _SENTENCES[comparison["verdict"]].format(comparison["baseline"]),
        f"{comparison['difference']:+.4f} test AUC, 95 % interval {low:+.4f} to {high:+.4f}",
    )


def untested_words(summary: Mapping[str, Any]) -> str:
    """Two sentences on why no test AUC is shown; empty where there is one, or will be when the winner is retrained."""
    if not summary.get("untested"):
        return ""
    return (
        f"There is no test AUC: {summary['untested']}. Validation rows alone say how good the models are, and they "
        "chose among them."
    )


def course(summary: Mapping[str, Any]) -> list[str]:
    """How the search went, a sentence each without its full stop."""
    found = []
    if explored := summary.get("explored"):
        sure = explored["sure"] or "none"
        found.append(
            f"{explored['scored']} architectures were scored by inherited weights, of which {sure} gained for sure on "
            "what was selected"
        )
    if stopped := summary.get("stopped"):
        found.append(f"The search ended: {stopped}")
    return found

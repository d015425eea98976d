"""What the comparison of the winner with the best baseline says, in words: the same in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def mean_and_deviation(test: Mapping[str, Any]) -> str:
    """The test AUC of a model with the deviation between its seeds where one is known, such as "0.7902 ± 0.0004"."""
    auc, deviation = test.get("auc"), test.get("auc_std")
    if auc is None:
        return ""
    if deviation is None:
        return f"{auc:.4f}"
    return f"{auc:.4f} ± {deviation:.4f}" if deviation >= 0.00005 else f"{auc:.4f} ± <0.0001"


def alike(models: Iterable[Mapping[str, Any]]) -> str:
    """Which of the models come to the same with every seed, as a sentence; empty where none does."""
    names = [str(model["name"]) for model in models if model.get("same_with_every_seed")]
    if not names:
        return ""
    return f"The same with every seed, so that there is no deviation between seeds: {', '.join(names)}."


def course(summary: Mapping[str, Any]) -> list[str]:
    """How the search went, a sentence each without its full stop."""
    found = []
    if explored := summary.get("explored"):
        sure = explored["sure"] or "none"
        found.append(
            f"{explored['scored']} architectures were scored by inherited weights, of which {sure} gained for sure on "
            "what was selected"
        )
    if earlier := summary.get("counted_earlier"):
        found.append(
            f"The bytes of {earlier} trials are of trained tables and trees alone, as an earlier version counted them"
        )
    if stopped := summary.get("stopped"):
        found.append(f"The search ended: {stopped}")
    return found

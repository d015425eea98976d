"""The comparison of the winner with the best baseline in words, the same for terminal and report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from autofi.core.units import describe_seconds

#: By the verdict on the AUC and that on the logloss, where it says otherwise; None stands for every other.
_SENTENCES = {
    ("better", None): "The winner is better than {}, the best baseline",
    ("better", "worse"): "The winner ranks rows better than {}, the best baseline, and has the worse logloss",
    ("tie", None): "A tie: the winner and {}, the best baseline, cannot be told apart",
    (
        "tie",
        "better",
    ): "A tie by AUC: the winner and {}, the best baseline; the winner has the better logloss",
    (
        "tie",
        "worse",
    ): "A tie by AUC: the winner and {}, the best baseline; the baseline has the better logloss",
    ("worse", None): "A baseline won: {} is better than what the search found",
    ("worse", "better"): "A baseline ranks rows better: {}; the winner has the better logloss",
}

#: By the step of a proposal that did not fit in its time.
_PROPOSALS = {
    "screen": "For want of time no pair was screened before the trials",
    "supernet": "For want of time no supernet was trained; pairs were proposed by the screen alone",
    "exploration": "For want of time fewer architectures were scored by inherited weights than the space asks for",
}


def verdict(comparison: Mapping[str, Any]) -> tuple[str, str]:
    """Return a sentence without its full stop, and the numbers that support it.

    Args:
        comparison: The entry `comparison` of `Study.summary()`.
    """
    by_auc, by_logloss = comparison["verdict"], (comparison.get("logloss") or {}).get("verdict")
    said = _SENTENCES.get((by_auc, by_logloss)) or _SENTENCES[by_auc, None]
    figures = [_difference(comparison, "AUC")]
    if by_logloss:
        figures.append(_difference(comparison["logloss"], "logloss"))
    return said.format(comparison["baseline"]), "; ".join(figures)


def _difference(found: Mapping[str, Any], metric: str) -> str:
    low, high = found["interval"]
    return f"{found['difference']:+.4f} test {metric}, 95 % interval {low:+.4f} to {high:+.4f}"


def advice(comparison: Mapping[str, Any]) -> str:
    """Return a sentence on what to do where a baseline ranks rows better; "" elsewhere."""
    if comparison["verdict"] != "worse":
        return ""
    baseline, logloss = comparison["baseline"], comparison.get("logloss") or {}
    take = (
        f"Take {baseline} where only the order of rows counts and the winner where probabilities do"
        if logloss.get("verdict") == "better"
        else f"Take {baseline} for this table"
    )
    return f"{take}, or search longer (--trials, --timeout) or in another --space."


def untested_words(summary: Mapping[str, Any]) -> str:
    """Return two sentences on why there is no test AUC; "" where there is one, or will be after retraining."""
    if not summary.get("untested"):
        return ""
    return (
        f"There is no test AUC: {summary['untested']}. Only validation rows measure how good the models are, and they "
        "were also used to choose between them."
    )


def mean_and_deviation(test: Mapping[str, Any]) -> str:
    """Return the test AUC of a model, with the deviation between its seeds if known, such as "0.7902 ± 0.0004"."""
    auc, deviation = test.get("auc"), test.get("auc_std")
    if auc is None:
        return ""
    if deviation is None:
        return f"{auc:.4f}"
    return f"{auc:.4f} ± {deviation:.4f}" if deviation >= 0.00005 else f"{auc:.4f} ± <0.0001"


def alike(models: Iterable[Mapping[str, Any]]) -> str:
    """Return a sentence that names the models with equal results for all seeds; "" where there is none."""
    names = [str(model["name"]) for model in models if model.get("same_with_every_seed")]
    if not names:
        return ""
    return f"Every seed gives the same result, so there is no deviation between seeds: {', '.join(names)}."


def course(summary: Mapping[str, Any]) -> list[str]:
    """Return sentences on the course of the search, without their full stops."""
    found = []
    if explored := summary.get("explored"):
        sure = explored["sure"] or "none"
        found.append(
            f"{explored['scored']} architectures were scored by inherited weights; {sure} of them surely improved "
            "on the selected one"
        )
    if earlier := summary.get("counted_earlier"):
        found.append(
            f"The bytes of {earlier} trials count trained tables and trees only, as an earlier version did"
        )
    if stopped := summary.get("stopped"):
        found.append(f"The search ended: {stopped}")
    if kept := summary.get("time"):
        found += _time(kept)
    return found


def _time(kept: Mapping[str, Any]) -> list[str]:
    """Return how a search kept to its time, and what time has cut."""
    found = []
    if kept.get("limit") is not None:
        stages = ", ".join(f"{name} {describe_seconds(value)}" for name, value in kept["stages"].items())
        missing = [
            f"{words} {', '.join(kept[key])}"
            for key, words in (("left_out", "left out for time:"), ("cut", "cut short:"))
            if kept[key]
        ]
        limit, spent = (describe_seconds(kept[key]) for key in ("limit", "spent"))
        late = kept["spent"] >= kept["limit"]
        up = f"The time of {limit} was {'up' if late else 'not enough for all' if missing else 'enough'}"
        found.append(f"{up}: the run took {spent} ({stages})" + "".join(f"; {part}" for part in missing))
    if (without := kept.get("proposal_without")) in _PROPOSALS:
        found.append(_PROPOSALS[str(without)])
    if (folds := kept.get("tree_folds")) is not None:
        grown = (
            f"boosted trees were grown for {folds} of the folds of the rows"
            if folds
            else "there are no boosted trees"
        )
        found.append(f"For want of time {grown}")
    if baselines := kept.get("cut_baselines"):
        found.append(
            f"Baselines that the clock ended, which could be better with more time: {', '.join(baselines)}"
        )
    return found


def read_before(choice: Mapping[str, Any] | None) -> str:
    """Return a sentence on test rows read before the winner was chosen; empty if none had been read."""
    read = (choice or {}).get("test_read_before") or 0
    if choice is None or not read:
        return ""
    models = "one trained model" if read == 1 else f"{read} trained models"
    how = (
        "was made the winner by hand"
        if choice.get("by") == "hand"
        else "was chosen, by validation rows alone"
    )
    return (
        f"The test metrics of {models} had been read before trial {choice['trial']} {how}, so its own test metrics may "
        "be too good: the choice was not independent of the test rows."
    )

"""Reasons in words why a trial with a better validation metric did not win, for terminals and pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autofi.objectives.objectives import OBJECTIVES, Goals, Objective
from autofi.records.best_trial import FINALISTS, Decision, Finalist, slower
from autofi.records.trees_alone import same_model
from autofi.store import TrialRecord

#: The most trials that get a sentence.
TOLD = 3
#: The fewest decimals of a metric, and the most if two would look equal.
DIGITS = (4, 7)


def why_not(
    goals: Goals,
    trials: Iterable[TrialRecord],
    winner: TrialRecord,
    by: str | None,
    decision: Decision | None,
    *,
    trained: bool = True,
) -> list[str]:
    """Return sentences on trials that beat the winner in a metric but lost, each for a different reason.

    For the first objective, and also for logloss if that is the AUC, they cover the best trial that is ahead of the
    winner; there are none if the winner is ahead of all.

    Args:
        by: "rule", "hand", or None if an earlier version did not keep it.
        decision: The evidence of the rule; None if it did not choose.
        trained: True if the winner is retrained; before that it only leads, and the finals may not be over.
    """
    first = goals.objectives[0]
    trials = list(trials)
    same = same_model(trials)
    found: dict[str, str] = {}
    told = set()
    for objective in (first, OBJECTIVES["logloss"]) if first == OBJECTIVES["auc"] else (first,):
        own = _figure(winner, objective)
        if own is None:
            continue
        ahead = [
            (value, trial)
            for trial in trials
            if trial.number not in same
            and (value := _figure(trial, objective)) is not None
            and objective.loss(value) < objective.loss(own)
        ]
        for value, trial in sorted(ahead, key=lambda one: (objective.loss(one[0]), one[1].number)):
            kind, reason = _reason(goals, trial, winner, by, decision, trained=trained)
            if trial.number in told or kind in found:
                continue
            told.add(trial.number)
            more, less = _two(value, own, objective)
            what = "higher" if objective.direction == "maximize" else "lower"
            against = less if trained else f"{less} of trial {winner.number}"
            figure = f"{what} {objective.of_validation} ({more} against {against})"
            found[kind] = f"Trial {trial.number} has the {figure}: {reason}."
    return list(found.values())[:TOLD]


def _reason(
    goals: Goals,
    trial: TrialRecord,
    winner: TrialRecord,
    by: str | None,
    decision: Decision | None,
    *,
    trained: bool,
) -> tuple[str, str]:
    """Return the kind of reason, and the reason in words."""
    whose, who = (
        ("the winner's", "the winner")
        if trained
        else (f"that of trial {winner.number}", f"trial {winner.number}")
    )
    if not trial.feasible:
        return "limits", f"a winner keeps every limit, and its {' and '.join(goals.missed(trial.violations))}"
    if by == "hand":
        return "hand", f"trial {winner.number} was made the winner by hand"
    if decision is None or decision.winner != winner.number:
        return "earlier", "the winner was chosen by an earlier version of AutoFI, or by its number"
    if trial.number > decision.last:
        return "later", "it was measured after the winner was chosen, and a search that ends chooses again"
    finalists = {finalist.trial: finalist for finalist in decision.finalists}
    if trial.number not in finalists:
        return _left_out(trial, decision)
    one, best = finalists[trial.number], finalists[winner.number]
    if decision.seeds == 1 and not trained:
        return "open", "their mean logloss over more seeds decides between them once the search ends"
    mine, theirs = _two(one.logloss, best.logloss)
    if one.equal:
        over = "on one training each" if decision.seeds == 1 else f"over {decision.seeds} seeds"
        return "tie", (
            f"{over} their mean loglosses do not differ by more than chance ({mine} and {theirs}), and {who} "
            f"{_smaller(one, best)}"
        )
    if decision.seeds == 1:
        return (
            "once",
            f"there was time for one training of each, where its logloss is {mine}, {whose} {theirs}",
        )
    return "seeds", f"over {decision.seeds} seeds its mean logloss is {mine}, {whose} {theirs}"


def _left_out(trial: TrialRecord, decision: Decision) -> tuple[str, str]:
    """Return the kind of reason, and the reason in words, why a trial was not in the finals."""
    if trial.number in decision.equals:
        return "number", (
            f"{len(decision.equals)} trials could not be distinguished from the leaders, and the finals take the "
            f"leaders by AUC and by logloss and those with the lowest logloss, {FINALISTS} in all"
        )
    if trial.number in decision.unknown:
        return "unknown", (
            "its predictions are gone, and without them only the leaders by AUC and by logloss go into the finals"
        )
    return "apart", (
        "the leader by AUC and the one by logloss are ahead of it by more than a standard error of the difference, and "
        "only trials that cannot be distinguished from one of them go into the finals"
    )


def _smaller(one: Finalist, best: Finalist) -> str:
    """Return the advantage of the winner of a tie."""
    if one.table_bytes != best.table_bytes:
        mine, theirs = (
            "an unknown number of" if known.table_bytes is None else f"{known.table_bytes:,}"
            for known in (best, one)
        )
        return f"is smaller ({mine} against {theirs} bytes of tables)"
    if slower(one.seconds, best.seconds):
        if one.seconds is None or best.seconds is None:
            return "has equally many bytes of tables and a known training time"
        mine, theirs = _two(best.seconds, one.seconds, digits=1)
        return f"has equally many bytes of tables and was trained faster ({mine} s against {theirs} s)"
    return "has the lower logloss, or came first"


def _figure(trial: TrialRecord, objective: Objective) -> float | None:
    if objective.name in trial.values:
        return trial.values[objective.name]
    return (trial.valid or {}).get(objective.name)


def _two(
    one: float, other: float, objective: Objective | None = None, *, digits: int = DIGITS[0]
) -> Sequence[str]:
    """Return both numbers with as many decimals as distinguish them, `digits` at least."""
    if objective is not None and objective.unit:
        return objective.told(one), objective.told(other)
    for decimals in range(digits, DIGITS[1] + 1):
        found = (f"{one:.{decimals}f}", f"{other:.{decimals}f}")
        if found[0] != found[1]:
            break
    return found

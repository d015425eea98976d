"""A study in three sentences: which model won, its parts, its costs."""

from __future__ import annotations

from collections import Counter

from autofi.core.units import describe_seconds, short
from autofi.records.trial_metrics import measure
from autofi.report.findings import Findings
from autofi.space.architecture import Architecture
from autofi.store import TrialRecord
from autofi.text.architecture import boosted_words, told
from autofi.text.objective_values import missed_words
from autofi.text.verdict import untested_words, verdict

#: The most pairs that a sentence names.
NAMED = 4
#: A cheaper model is named where it loses at most so much AUC and has at most this share of the bytes.
CLOSE, CHEAPER = 0.002, 0.5


def answer(findings: Findings) -> list[str]:
    """Return the sentences, with their full stops; fewer where less is known."""
    return [sentence for sentence in (_won(findings), _made(findings), _costs(findings)) if sentence]


def _won(findings: Findings) -> str:
    summary = findings.summary
    winner = summary.get("winner")
    delivered = summary.get("ensemble") or winner
    test = (delivered or {}).get("test")
    if delivered and test:
        interval = test.get("auc_interval")
        reach = f" (95 % interval {interval[0]:.4f} to {interval[1]:.4f})" if interval else ""
        reached = f"The {delivered['name']} has a test AUC of {test['auc']:.4f}{reach}"
        missed = missed_words(summary)
        if summary.get("comparison"):
            said, figures = verdict(summary["comparison"])
            return f"{said} ({figures}): {reached[0].lower()}{reached[1:]}. {missed}".rstrip()
        return f"{reached}; no baseline was measured on the same rows. {missed}".rstrip()
    if winner and untested_words(summary):
        return f"The winner is retrained. {untested_words(summary)}"
    done, asked = len(findings.complete), findings.asked
    of = f" of {asked}" if asked else ""
    state = "goes on" if findings.searching else "has stopped before its winner was retrained"
    if not findings.complete:
        return f"The search {state}: no trial has ended yet."
    leader, objective = findings.leader, findings.goals.objectives[0]
    assert leader is not None and leader.value is not None
    return (
        f"The search {state}: {done}{of} trials have ended, and trial {leader.number} leads with {objective.label} "
        f"{objective.told(leader.value)}; test rows are not read before a winner is retrained."
    )


def _made(findings: Findings) -> str:
    architecture = findings.architecture
    if architecture is None:
        return ""
    if architecture.trees_alone:
        return f"{_subject(findings)} is {boosted_words(1.0)}."
    parts = [_pairs(architecture, choice) for choice in ("memorize", "factorize", "memorize+factorize")]
    pairs = len(findings.names) * (len(findings.names) - 1) // 2
    naive = pairs - len(architecture.pairs)
    found = [part for part in parts if part]
    said = (
        f"{_subject(findings)} {' and '.join(found)}, and leaves {naive} of {pairs} pairs out"
        if found
        else f"{_subject(findings)} uses no pair of fields"
    )
    share = findings.summary.get("boosted_share")
    beside = [*told(architecture.chosen_streams()), *([boosted_words(share)] if share else [])]
    return f"{said}. Beside that: {'; '.join(beside)}." if beside else f"{said}."


def _subject(findings: Findings) -> str:
    """Return the winner as the subject of a sentence that follows one on what is delivered."""
    return "The winner, its best single architecture," if findings.summary.get("ensemble") else "It"


def _pairs(architecture: Architecture, choice: str) -> str:
    chosen = [pair for pair in architecture.pairs if architecture.choice(*pair)[0] == choice]
    if not chosen:
        return ""
    verbs = {"memorize": "memorizes", "factorize": "factorizes", "memorize+factorize": "does both with"}
    names = [" × ".join(pair) for pair in chosen[:NAMED]]
    more = f" and {len(chosen) - NAMED} more" if len(chosen) > NAMED else ""
    return f"{verbs[choice]} {', '.join(names)}{more}"


def _costs(findings: Findings) -> str:
    winner, leader = findings.summary.get("winner"), findings.leader
    parameters = (winner or {}).get("parameters") or (leader.parameters if leader else None)
    table_bytes = (winner or {}).get("table_bytes") or (leader.table_bytes if leader else None)
    if not parameters:
        return ""
    seconds = (findings.summary.get("seconds") or {}).get("total")
    took = f", after {describe_seconds(seconds)} of searching and retraining" if seconds else ""
    ensemble = findings.summary.get("ensemble")
    subject, size = "The winner" if ensemble else "It", short(table_bytes or 0, unit="B")
    holds = f"{subject} holds {short(parameters)} trained numbers and {size} of tables{took}"
    if ensemble:
        holds += (
            f"; the ensemble {short(ensemble['parameters'])} and {short(ensemble['table_bytes'], unit='B')}"
        )
    cheaper = cheaper_trial(findings)
    if cheaper is None or leader is None:
        return f"{holds}."
    apart = (measure(leader, "auc") or 0.0) - (measure(cheaper, "auc") or 0.0)
    return (
        f"{holds}; trial {cheaper.number} has {short(cheaper.table_bytes or 0, unit='B')} of tables for "
        f"{apart:.4f} less validation AUC."
    )


def cheaper_trial(findings: Findings) -> TrialRecord | None:
    """Return the cheapest trial whose validation AUC is at most CLOSE below the leader's.

    Returns:
        None where no such trial has at most CHEAPER times the leader's bytes of tables.
    """
    leader = findings.leader
    if leader is None or not leader.table_bytes:
        return None
    least = (measure(leader, "auc") or 0.0) - CLOSE
    found = [
        trial
        for trial in findings.complete
        if trial.feasible
        and (measure(trial, "auc") or 0.0) >= least
        and trial.table_bytes is not None
        and trial.table_bytes <= CHEAPER * leader.table_bytes
    ]
    return min(found, key=lambda trial: trial.table_bytes or 0, default=None)


def states(findings: Findings) -> dict[str, int]:
    """Return the number of trials by state."""
    return dict(Counter(str(trial.state) for trial in findings.trials))

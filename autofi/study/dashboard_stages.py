"""The stages of a search beside its trials: the choices of the supernet, the exploration, the retrained models."""

from __future__ import annotations

from collections import Counter

from optuna.distributions import CategoricalDistribution, IntDistribution

from autofi.operators.registry import choices_of
from autofi.space.optuna_distributions import forms_label
from autofi.space.parameters import label
from autofi.store import ModelRecord, StudyHandle
from autofi.store.optuna_stages import StageTrial
from autofi.supernet.exploration import Exploration, ScoredArchitecture
from autofi.supernet.proposal import Proposal

SUPERNET, EXPLORE, RETRAIN = "supernet", "explore", "retrain"
#: The most explored architectures that are shown: so many of the best, and so many of the rest, evenly.
SHOWN = 50
#: The most changes of an architecture that a text names.
NAMED = 12


def show_proposal(handle: StudyHandle, proposal: Proposal) -> None:
    """Write the stages before the first trial; those that a strategy does not have are left out."""
    if proposal.evidence:
        handle.write_stage(
            SUPERNET, [_selection(proposal)], measured="logloss gained", direction="maximize", about={}
        )
    exploration = proposal.exploration
    if exploration.scored:
        shown = shown_of(exploration)
        about = {
            "scored": len(exploration.scored),
            "shown": len(shown),
            "sure to gain": len(exploration.best),
        }
        trials = [_explored(exploration, place, one) for place, one in shown]
        handle.write_stage(EXPLORE, trials, measured="inherited logloss", direction="minimize", about=about)


def show_trained(handle: StudyHandle) -> None:
    """Write the models beside the trials: finalists, the winner, the ensemble and the baselines, a trial per seed."""
    trials = [_trained(model) for model in handle.models() if "valid" in model.metrics]
    if trials:
        handle.write_stage(RETRAIN, trials, measured="valid AUC", direction="maximize", about={})


def shown_of(exploration: Exploration) -> list[tuple[int, ScoredArchitecture]]:
    """Return the start, the best and, evenly, the rest of the architectures, with their places, in scored order."""
    scored = list(enumerate(exploration.scored))
    ranked = sorted(scored, key=lambda found: found[1].guide_logloss)
    rest = sorted(ranked[SHOWN:])
    kept = {0, *(place for place, _ in ranked[:SHOWN])}
    kept |= {place for place, _ in rest[:: max(1, -(-len(rest) // SHOWN))]}
    return [(place, one) for place, one in scored if place in kept]


def _selection(proposal: Proposal) -> StageTrial:
    gains, steps = 0.0, {}
    for number, move in enumerate(proposal.evidence, start=1):
        gains += move["gain"]
        steps[number] = gains
    moves = [
        f"{' × '.join(move['slot'])}: {'+'.join(move['forms']) or 'naive'} "
        f"({move['gain']:+.5f} ± {move['standard_error']:.5f})"
        for move in proposal.evidence
    ]
    return StageTrial("selection", gains, attrs={"moves": moves[:200], "accepted": len(moves)}, steps=steps)


def _explored(exploration: Exploration, place: int, one: ScoredArchitecture) -> StageTrial:
    pairs, fields = exploration.pairs(one), exploration.fields(one)
    kinds = Counter(next(iter(choices_of(forms))) for forms in pairs.values())
    slots = sum(len(names) == 2 for names, _ in exploration.slots)
    forms = sum(map(len, fields.values()))
    most = sum(max(map(len, options)) for names, options in exploration.slots if len(names) == 1)
    params: dict[str, object] = {
        "memorized pairs": kinds["memorize"],
        "factorized pairs": kinds["factorize"],
        "forms of fields": forms,
    }
    distributions = {
        "memorized pairs": IntDistribution(0, max(1, slots)),
        "factorized pairs": IntDistribution(0, max(1, slots)),
        "forms of fields": IntDistribution(1, max(2, most)),
    }
    streams = exploration.streams_of(one)
    if streams is not None:
        labels = [label(streams) for streams in exploration.streams]
        params["streams"] = label(streams)
        distributions["streams"] = CategoricalDistribution(labels)  # type: ignore[assignment]
    attrs: dict[str, object] = {
        "options": "-".join(map(str, one.options)),
        "differs": _changes(exploration, one),
    }
    if one.gain is not None:
        attrs |= {"gain": one.gain, "standard error": one.standard_error, "sure to gain": one.is_significant}
    return StageTrial(str(place), one.guide_logloss, params, distributions, attrs)


def _changes(exploration: Exploration, one: ScoredArchitecture) -> str:
    """Return the differences between an architecture and the start, in words."""
    before = exploration.scored[0].options
    slots = zip(exploration.slots, before, one.options, strict=True)
    changed = [
        f"{' × '.join(names)}: {forms_label(options[was])} → {forms_label(options[now])}"
        for (names, options), was, now in slots
        if was != now
    ]
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return ("; ".join(changed[:NAMED]) or "as selected") + more


def _trained(model: ModelRecord) -> StageTrial:
    attrs = {
        "role": str(model.role),
        "model": model.name,
        "seed": model.seed,
        "test AUC": (model.metrics.get("test") or {}).get("auc"),
        "parameters": model.parameters,
        "seconds": model.seconds,
        "architecture_id": model.architecture_id,
    }
    refit = "refit" if model.refit else ""
    key = "/".join([str(model.role), model.name, model.architecture_id, str(model.seed), refit])
    return StageTrial(key, model.metrics["valid"]["auc"], attrs=attrs)

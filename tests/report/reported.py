"""A finished study for the tests of its report, made by the store in a moment: trials, a winner, baselines."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from autofi.checks.run import check_data
from autofi.evaluation.cost_breakdown import CostBreakdown, TableCost, WeightCost
from autofi.evaluation.preprocessing_bytes import FittedCost
from autofi.importance.interaction_scores import Estimate
from autofi.importance.permutation_importance import PermutationImportance
from autofi.metrics.calibration import ece
from autofi.metrics.ranking import auc, auc_interval, logloss
from autofi.records.costs import COSTS
from autofi.records.importances import IMPORTANCES
from autofi.records.predictions import LABELS, predictions_file, save_predictions, trial_key, write_arrays
from autofi.records.value_frequencies import FREQUENCIES
from autofi.space.architecture import Architecture
from autofi.store import ModelRole, StudyHandle
from autofi.store.stage_keys import DATA
from autofi.supernet.exploration import Exploration, ScoredArchitecture
from tests.checks.tables import opened, used_apps
from tests.dashboard.studies import FORMS, architecture, measure, names, searching
from tests.report.rashomon_example import FOUND

FIELDS = 5
#: Validation AUC of the trials, in their order.
AUCS = (0.71, 0.74, 0.73, 0.78, 0.69, 0.779)
#: Logloss of the choices of the first four by inherited weights; the two after them are the first again.
INHERITED = (0.50, 0.48, 0.49, 0.47)
#: Validation AUC of further seeds of the last trial, by seed.
FINALS = {1: 0.77, 2: 0.765}
BYTES = (9_000, 4_000, 5_000, 8_000, 1_000, 2_000)
ROWS = 4_000
#: A table whose gates closed half of its rows, one without gates, a cross, and what was fitted.
PARTS = CostBreakdown(
    tables=(
        TableCost("gated_embedding", ("field 0",), 50, 100, 500, 2_000),
        TableCost("embedding", ("field 1",), 30, 30, 300, 1_200),
        TableCost("memorize_embedding", ("field 0", "field 1"), 200, 200, 800, 3_200),
    ),
    weights=(WeightCost("head", 900, 3_600),),
    trees_bytes=1_600,
    fitted=(FittedCost("vocabulary", ("field 0",), 100, 900),),
)
EVIDENCE = [
    {"slot": ["field 1", "field 0"], "forms": ["memorize_embedding"], "gain": 0.02, "standard_error": 0.001},
    {"slot": ["field 2"], "forms": ["embedding"], "gain": 0.01, "standard_error": 0.001},
    {"slot": ["field 2", "field 4"], "forms": ["factorize_inner"], "gain": 0.005, "standard_error": 0.002},
]


def write_study(path: str, *, name: str = "mine", finished: bool = True) -> None:
    """A study `name`; not `finished` it has trials and nothing else, and its leader lives no more."""
    with searching(path, fields=FIELDS, study=name) as handle:
        for turn, (found, table_bytes) in enumerate(zip(AUCS, BYTES, strict=True)):
            number = measure(
                handle,
                chosen(turn),
                found,
                table_bytes=table_bytes,
                flops=100 + turn,
                valid={"auc": found, "logloss": 1.1 - found},
            )
            # Of other rows than those below; without them trials are compared by their AUC.
            predictions_file(handle, trial_key(number)).unlink()
        handle.record_stage("goal", {"trials": 8, "until": None, "plateau": None, "shared": True})
        handle.record_stage("proposal", {"evidence": EVIDENCE, "exploration": explored().to_json()})
        if finished:
            _finish(handle)


def chosen(turn: int) -> Architecture:
    """The architecture of a trial, by its number; pairs repeat after four."""
    return replace(architecture(FIELDS, turn=turn), min_count=2 + turn // 4)


def explored() -> Exploration:
    """The choices of the first four trials by inherited weights, those of the last as a variant."""
    slots = (
        *(((name,), (("embedding",),)) for name in names(FIELDS)),
        *((pair, FORMS) for pair in combinations(names(FIELDS), 2)),
    )
    options = [
        tuple(FORMS.index(chosen(turn).pairs.get(slot, ())) if len(slot) == 2 else 0 for slot, _ in slots)
        for turn in range(len(INHERITED))
    ]
    start, sure, other, variant = map(ScoredArchitecture, options, [None] * 4, INHERITED)
    return Exploration(slots, (), (start, replace(sure, gain=0.02, standard_error=0.01), other), (variant,))


def labels_and_scores() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Rows, and what a good and a worse model give them; both are calibrated."""
    g = np.random.default_rng(0)
    logits = g.normal(-1.0, 1.5, ROWS)
    noisy = 0.5 * logits - 0.5 + g.normal(0, 0.3, ROWS)
    labels = (g.random(ROWS) < 1 / (1 + np.exp(-logits))).astype(float)
    return labels, {"winner": 1 / (1 + np.exp(-logits)), "all-naive": 1 / (1 + np.exp(-noisy))}


def _finish(handle: StudyHandle) -> None:
    labels, scores = labels_and_scores()
    save_predictions(handle, LABELS, {"valid": labels, "test": labels})
    won = chosen(3)
    for name, key in (("winner", f"winner-{won.id}-0"), ("all-naive", "baseline-all-naive-0")):
        own = scores[name]
        figures = {
            "auc": auc(labels, own),
            "auc_error": auc_interval(labels, own).standard_error,
            "logloss": logloss(labels, own),
            "ece": ece(labels, own),
        }
        handle.record_model(
            role=ModelRole.WINNER if name == "winner" else ModelRole.BASELINE,
            name=name,
            seed=0,
            metrics={"valid": figures, "test": figures},
            architecture_id=won.id if name == "winner" else "",
            refit=False,
            parameters=1_200,
            table_bytes=8_000,
            seconds=2.0,
        )
        save_predictions(handle, key, {"valid": own, "test": own})
    for seed, found in FINALS.items():
        handle.record_model(
            role=ModelRole.FINALIST,
            name="finalist",
            seed=seed,
            metrics={"valid": {"auc": found, "logloss": 0.4}},
            architecture_id=chosen(5).id,
            refit=False,
            parameters=1_200,
            table_bytes=2_000,
            seconds=2.0,
        )
    handle.record_stage("winner", {"architecture_id": won.id, "trial": 3, "refit": False})
    handle.record_stage("seconds", {"encode": 1.0, "search": 50.0, "retrain": 24.0})
    handle.record_stage(DATA, check_data(opened(used_apps(9_000, sampled=True))).to_json())
    handle.record_stage(f"{COSTS}/winner-{won.id}-0", PARTS.to_json())
    handle.record_stage(f"{IMPORTANCES}/winner-{won.id}-0", permutation().to_json())
    reference, *others = FOUND.models
    around = replace(reference, name=f"winner {won.id}, seed 0")
    handle.record_stage("rashomon", replace(FOUND, models=(around, *others)).to_json())
    write_arrays(
        predictions_file(handle, FREQUENCIES),
        {
            "valid": frequency_codes(),
            "test": frequency_codes(),
            "step": np.array(1),
            "fields": np.array(names(FIELDS), dtype=np.str_),
        },
    )


def frequency_codes() -> np.ndarray:
    """How frequent the values of the rows are in training, `[ROWS, FIELDS]`."""
    return np.random.default_rng(1).integers(0, 12, (ROWS, FIELDS)).astype(np.uint8)


def permutation() -> PermutationImportance:
    """Of five fields, the first the most important; one pair that the winner names, and one more."""
    first, second = (names(FIELDS)[0], names(FIELDS)[1]), (names(FIELDS)[1], names(FIELDS)[2])
    return PermutationImportance(
        fields={
            name: Estimate(0.05 / (1 + place), 0.04 / (1 + place), 0.06 / (1 + place))
            for place, name in enumerate(names(FIELDS))
        },
        pairs={first: Estimate(-0.01, -0.012, -0.008), second: Estimate(0.001, -0.001, 0.003)},
        chosen=(first,),
        unmeasured=0,
        rows=400,
        repeats=5,
        clicks=600,
        loss=Estimate(0.45, 0.44, 0.46),
    )

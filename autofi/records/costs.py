"""The costs of trained models, part by part, as a study keeps them."""

from __future__ import annotations

from autofi.evaluation.cost_breakdown import CostBreakdown, break_down
from autofi.evaluation.workbench import TrainedModel
from autofi.records.predictions import model_key
from autofi.store import ModelRecord, StudyHandle

#: Before the key of a model, the stage that keeps them.
COSTS = "costs"


def record_costs(handle: StudyHandle, key: str, trained: TrainedModel) -> None:
    """Keep what a network costs, part by part, under the key of its predictions."""
    handle.record_stage(f"{COSTS}/{key}", break_down(trained.network, trained.builder).to_json())


def load_costs(handle: StudyHandle, model: ModelRecord) -> CostBreakdown | None:
    """The costs of a recorded model; None of trees, and where a version without them trained it."""
    kept = handle.stage(f"{COSTS}/{model_key(model)}")
    return None if kept is None else CostBreakdown.from_json(kept)

"""The costs of trained models, part by part, as a study keeps them."""

from __future__ import annotations

from autofi.evaluation.cost_breakdown import CostBreakdown, break_down
from autofi.evaluation.workbench import TrainedModel
from autofi.records.predictions import model_key
from autofi.store import ModelRecord, StudyHandle

#: The prefix, before the key of a model, of the stage that keeps them.
COSTS = "costs"


def record_costs(handle: StudyHandle, key: str, trained: TrainedModel) -> None:
    """Store the costs of a network, part by part, under the key of its predictions."""
    handle.record_stage(f"{COSTS}/{key}", break_down(trained.network, trained.builder).to_json())


def load_costs(handle: StudyHandle, model: ModelRecord) -> CostBreakdown | None:
    """Return the costs of a recorded model; None for trees, and for models trained by a version without costs."""
    kept = handle.stage(f"{COSTS}/{model_key(model)}")
    return None if kept is None else CostBreakdown.from_json(kept)

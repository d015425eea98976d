"""The ensemble that a study delivers in the place of its single winner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autofi.store import ModelRecord, ModelRole, StudyHandle
from autofi.store.stage_keys import ENSEMBLE
from autofi.store.winner_record import WINNER


@dataclass(frozen=True)
class Delivered:
    """An ensemble with its bundle.

    Attributes:
        model: Its record.
        selection: The record of its selection, with the members.
    """

    model: ModelRecord
    selection: Mapping[str, Any]

    @property
    def exists(self) -> bool:
        """True if its bundle is where it was written."""
        return self.model.path is not None and self.model.path.exists()

    def told(self) -> dict[str, Any]:
        """Return what a summary tells of it beside its metrics."""
        return {
            "members": list(self.selection["members"]),
            "gain": self.selection["gain"],
            "greedy": self.selection["greedy"],
            **{key: self.selection["costs"].get(key) for key in ("flops", "latency")},
        }


def recorded_ensemble(handle: StudyHandle, architecture_id: str, *, refit: bool) -> Delivered | None:
    """Return the ensemble around a retrained architecture; None where it has none."""
    selection = handle.stage(ENSEMBLE)
    if not selection or not selection["members"]:
        return None
    asked = selection["asked"]
    if asked["architecture_id"] != architecture_id or asked["refit"] != refit:
        return None
    for model in handle.models(ModelRole.ENSEMBLE):
        if model.architecture_id == selection["members_id"]:
            return Delivered(model, selection)
    return None


def delivered_ensemble(handle: StudyHandle) -> Delivered | None:
    """Return the ensemble around the present winner; None where the winner is delivered alone."""
    won = handle.stage(WINNER)
    if not won:
        return None
    return recorded_ensemble(handle, won["architecture_id"], refit=bool(won.get("refit")))

"""Good models of a study, nearly as good as its best, opened from their bundle or trained again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autofi.bundle.bundle import load_bundle, write_bundle
from autofi.errors import StoreError
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import Workbench
from autofi.metrics.ranking import logloss
from autofi.rashomon.explore import OpenedModel
from autofi.records.best_trial import complete_trials
from autofi.space.architecture import Architecture
from autofi.space.builtin import TREES, named_spaces
from autofi.store import ModelRecord, ModelRole, StudyHandle
from autofi.store.winner_record import WINNER


@dataclass(frozen=True)
class StudyModel:
    """A model that the study has measured on validation rows; `path` is its bundle, None if it kept no weights."""

    name: str
    kind: str
    architecture: Architecture
    seed: int
    loss: float
    path: Path | None


@dataclass(frozen=True)
class Chosen:
    """The models within the level, with the one to explore around first, and in words what was left out and why."""

    models: tuple[StudyModel, ...]
    best: float
    left_out: tuple[str, ...]


def choose_models(handle: StudyHandle, bench: Workbench, *, eps: float, trainings: int) -> Chosen:
    """Return models of at most `1 + eps` times the lowest validation logloss, by the records of the study.

    The best seed of the winner comes first, or the best model of all if no winner is within. Models without usable
    weights are trained again, the best `trainings` of them: trials, finalists and baselines keep none, and those of a
    refitted model have seen the validation rows. Baselines of trees are no networks, and are left out.

    Raises:
        StoreError: The study has no model with a validation logloss.
    """
    found, left_out = _measured(handle, bench)
    if not found:
        raise StoreError(
            f"Study '{handle.name}' has no model with a validation logloss for a Rashomon set; "
            "run autofi search again to resume it."
        )
    best = min(model.loss for model in found)
    within = sorted((model for model in found if model.loss <= (1.0 + eps) * best), key=_order)
    kept: list[StudyModel] = []
    anew = 0
    for model in within:
        anew += model.path is None
        if model.path is None and anew > trainings and kept:
            left_out.append(
                f"{model.name}: logloss {model.loss:.5f}, not among the {trainings} trained again"
            )
        else:
            kept.append(model)
    reference = next((model for model in kept if model.kind == ModelRole.WINNER), kept[0])
    return Chosen((reference, *(model for model in kept if model is not reference)), best, tuple(left_out))


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model of a study that is opened when it is needed, from its bundle or from one in `folder`.

    The one in `folder` is written when the model is trained again with its own seed.
    """

    model: StudyModel
    bench: Workbench
    folder: Path

    @property
    def architecture_id(self) -> str:
        return self.model.architecture.id

    def open(self) -> OpenedModel:
        """Return the network on the processor; it is trained only if there is no bundle."""
        model = self.model
        if model.path is not None:
            bundle, loss = load_bundle(model.path), model.loss
        else:
            kept = self.folder / f"{model.architecture.id}-{model.seed}"
            if not kept.exists():
                self._train(kept)
            bundle = load_bundle(kept)
            loss = bundle.metrics["valid"]["logloss"]
        (network,) = bundle.network.networks().values()
        return OpenedModel(model.name, model.kind, self.architecture_id, network, bundle.builder, float(loss))

    def _train(self, path: Path) -> None:
        trained = self.bench.train(self.model.architecture, seed=self.model.seed)
        rows = self.bench.dataset.rows("valid")
        loss = logloss(np.asarray(rows.labels), trained.predictions["valid"], rows.weights)
        write_bundle(
            path,
            architecture=trained.delivered,
            builder=trained.builder,
            network=trained.network.cpu(),
            metrics={"valid": {"logloss": loss}},
            origin={"data_fingerprint": self.bench.dataset.fingerprint, "seed": trained.seed},
        )


def open_models(models: Sequence[StudyModel], bench: Workbench, folder: Path) -> list[StoredModel]:
    """Return the models, not opened yet; those without a bundle get one in `folder` when they are opened."""
    return [StoredModel(model, bench, folder) for model in models]


def _measured(handle: StudyHandle, bench: Workbench) -> tuple[list[StudyModel], list[str]]:
    """Return every network with a validation logloss, each architecture and seed once, and what was left out.

    A model with a bundle is preferred to one without. Only the present winner is named the winner, for there may have
    been another before it.
    """
    trials = complete_trials(handle)
    winner = (handle.stage(WINNER) or {}).get("architecture_id")
    known = {trial.architecture_id: trial.architecture for trial in trials}
    found: dict[tuple[str, int], StudyModel] = {}
    left_out = []
    # An ensemble is no architecture, and its members are among the others.
    networks = [record for record in handle.models() if record.role is not ModelRole.ENSEMBLE]
    for record in sorted(networks, key=lambda record: _path(record) is None):
        loss = _logloss(record.metrics.get("valid"))
        role = record.role
        if winner is not None and role in (ModelRole.WINNER, ModelRole.RETRAINED):
            role = ModelRole.WINNER if record.architecture_id == winner else ModelRole.RETRAINED
        name = record.name if role is ModelRole.BASELINE else f"{role.value} {record.architecture_id}"
        name = f"{name}, seed {record.seed}"
        if not math.isfinite(loss):
            continue
        architecture = _architecture(record, known, bench)
        if architecture is None:
            left_out.append(f"{name}: {'trees' if record.name in TREES else 'its architecture is gone'}")
            continue
        found.setdefault(
            (architecture.id, record.seed),
            StudyModel(name, role.value, architecture, record.seed, loss, _path(record)),
        )
    for trial in trials:
        loss = _logloss(trial.valid)
        if math.isfinite(loss):
            architecture = Architecture.from_json(trial.architecture)
            found.setdefault(
                (architecture.id, trial.seed),
                StudyModel(f"trial {trial.number}", "trial", architecture, trial.seed, loss, None),
            )
    return list(found.values()), left_out


def _path(record: ModelRecord) -> Path | None:
    usable = record.path is not None and not record.refit and record.path.exists()
    return record.path if usable else None


def _architecture(
    record: ModelRecord, known: Mapping[str, Mapping[str, Any]], bench: Workbench
) -> Architecture | None:
    if record.architecture_id in known:
        return Architecture.from_json(known[record.architecture_id])
    if record.role is not ModelRole.BASELINE or record.name not in named_spaces():
        return None
    found = baseline(record.name, bench)
    return found if found.id == record.architecture_id else None


def _logloss(figures: Mapping[str, Any] | None) -> float:
    value = (figures or {}).get("logloss")
    return math.inf if value is None else float(value)


def _order(model: StudyModel) -> tuple[float, str]:
    return model.loss, model.name

"""A comparison of known models: single-point spaces on several tables under one protocol, over several runs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xxhash
from pydantic import Field, ValidationError, field_validator

from autofi.api.compare_results import (
    FILE_NAME,
    Result,
    load_results,
    measured_results,
    models_by_table,
    restore,
    write_results,
)
from autofi.baselines.train import check_baselines, train_baselines
from autofi.core.bounded_yaml import read_yaml
from autofi.core.device import pick_device
from autofi.core.option_names import OFF
from autofi.core.progress import Progress, SilentProgress
from autofi.core.validated import Count, CountOrNone, Strict, first_fault, read_settings
from autofi.data.config import DEFAULT_SPLIT
from autofi.data.load import open_data
from autofi.data.schema_overrides import SchemaOverrides
from autofi.errors import ConfigError, SearchSpaceError, nearest
from autofi.evaluation.cores import default_jobs, threads_for
from autofi.evaluation.workbench import Workbench
from autofi.metrics.over_seeds import mean_figures
from autofi.records.data_checks import check_once
from autofi.records.models import current_baselines
from autofi.records.predictions import save_labels
from autofi.records.value_frequencies import save_frequencies
from autofi.report.comparison_table import write_comparison
from autofi.space.training_config import TrainingSettings
from autofi.store import StudyHandle, StudyStore, resolve_storage
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import FIELDS
from autofi.study.study import Study

#: The space name of a comparison's studies, whose models are named one by one and not drawn from a space.
SPACE = "comparison"


class Closer(Strict):
    """The models that lead by validation AUC and are trained with more seeds."""

    models: CountOrNone = 0
    seeds: Count = 1


class TableSettings(Strict):
    """A table of a comparison: how it is read, and the results that were published on it.

    Attributes:
        source: The file, relative to the data folder of the call.
        target: The column with the clicks.
        split: The rule that splits the rows.
        columns: How columns are read.
        models: The models for this table instead of those of the comparison.
        training: Training settings for networks on this table, instead of the published ones of their spaces.
        own_training: Models that keep the settings of their space: settings for deep networks may not suit
            linear models.
        published: The published test AUC by model, shown beside the measured one.
        note: A note on how far published and measured AUC can be compared.
    """

    source: str
    target: str | None = None
    split: str = DEFAULT_SPLIT
    columns: SchemaOverrides = SchemaOverrides()
    models: tuple[str, ...] | None = None
    training: dict[str, Any] = Field(default_factory=dict)
    own_training: tuple[str, ...] = ()
    published: dict[str, float] = Field(default_factory=dict)
    note: str = ""

    @field_validator("training")
    @classmethod
    def _within_bounds(cls, given: dict[str, Any]) -> dict[str, Any]:
        try:
            read = read_settings(TrainingSettings, given, "The section 'training'")
        except SearchSpaceError as error:
            raise ValueError(str(error)) from error
        return {key: getattr(read, key) for key in given}


class ComparisonSettings(Strict):
    """The settings file of a comparison; every table becomes a study `<name>-<table>`."""

    name: str
    models: tuple[str, ...]
    seeds: Count = 3
    closer: Closer = Closer()
    tables: dict[str, TableSettings]


def load_comparison(path: str | Path) -> ComparisonSettings:
    """Return the settings in a YAML file; raise ConfigError that names the file and the key."""
    try:
        document = read_yaml(Path(path))
    except ValueError as error:
        raise ConfigError(
            f"The comparison '{path}' cannot be read as YAML ({error}); correct the file."
        ) from error
    try:
        return ComparisonSettings.model_validate(document)
    except ValidationError as error:
        fault = first_fault(error, document)
        raise ConfigError(
            f"'{path}', key '{fault.key or 'the file'}': {fault.rule}; found {fault.found}."
        ) from error


def compare(
    file: str | Path,
    *,
    data: str | Path = ".",
    tables: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    timeout: float | None = None,
    storage: str | None = None,
    device: str = "auto",
    jobs: int | None = None,
    progress: Progress | None = None,
) -> dict[str, dict[str, Any]]:
    """Train every model on every table with every seed that is not recorded yet; then write `report.md` beside `file`.

    Results are kept in the studies of `storage` and in `results.jsonl` beside `file`. With that file, another machine
    goes on where this one stopped. Every model is scored on test rows, but nothing is chosen by them: the models that
    get more seeds are chosen on validation rows. A space that changed is trained anew.

    Args:
        file: YAML file of the comparison.
        data: Folder that the sources of tables are relative to.
        tables: Tables of the file to train on; all by default.
        models: Models of the file to train; all by default.
        timeout: Seconds after which no further training begins; the same call resumes.
        storage: Database of the studies, as a URL.
        device: `auto`, `cpu` or `cuda`.
        jobs: Trainings at once, each in a process of its own.
        progress: Receiver of progress.

    Returns:
        `Study.summary()` by table.
    """
    begun = time.monotonic()
    progress = progress or SilentProgress()
    settings = load_comparison(file)
    chosen_tables = _chosen(tables, settings.tables, "table")
    known = {*settings.models, *(name for table in settings.tables.values() for name in table.models or ())}
    check_baselines(sorted(known))
    for name in (name for table in settings.tables.values() for name in table.own_training):
        if name not in known:
            raise ConfigError(
                f"'{file}', key 'own_training': there is no model '{name}'; {nearest(name, known)}"
            )
    wanted = set(_chosen(models, sorted(known), "model"))
    deadline = None if timeout is None else begun + timeout
    results = Path(file).parent / FILE_NAME
    measured = load_results(results)
    with StudyStore(resolve_storage(storage)) as store:
        try:
            for name in chosen_tables:
                _train_table(
                    store,
                    settings,
                    name,
                    wanted,
                    measured,
                    Path(data),
                    deadline,
                    device=device,
                    jobs=jobs,
                    progress=progress,
                )
        finally:
            studies = _studies(store, settings)
            lines = write_results(
                results,
                [result for name, handle in studies.items() for result in measured_results(handle, name)],
            )
        summaries = {name: Study(store, handle).summary() for name, handle in studies.items()}
    # A table without a study in this storage is reported from its lines.
    found = models_by_table(line for line in lines if line.table not in summaries)
    found |= {name: summary["baselines"] for name, summary in summaries.items()}
    reported = {name: found[name] for name in settings.tables if name in found}
    write_comparison(Path(file).parent / "report.md", reported, _published(settings), Path(file).name)
    return summaries


def study_name(settings: ComparisonSettings, table: str) -> str:
    """Return the name of a table's study."""
    return f"{settings.name}-{table}"


def _studies(store: StudyStore, settings: ComparisonSettings) -> dict[str, StudyHandle]:
    """Return the existing studies by table."""
    kept = {study.name for study in store.list()}
    return {
        name: store.open(study) for name in settings.tables if (study := study_name(settings, name)) in kept
    }


def _train_table(
    store: StudyStore,
    settings: ComparisonSettings,
    name: str,
    wanted: set[str],
    measured: Sequence[Result],
    data: Path,
    deadline: float | None,
    *,
    device: str,
    jobs: int | None,
    progress: Progress,
) -> None:
    table = settings.tables[name]
    progress.phase(f"encode {name}")
    search = SearchSettings(
        source=str(data / table.source),
        target=table.target,
        split=table.split,
        overrides=table.columns.to_json(),
        seeds=settings.seeds,
        baselines=(),
        ensemble=OFF,
    )
    dataset = open_data(search.source, search)
    canonical = json.dumps({"space": SPACE})
    handle = store.create_or_resume(
        study_name(settings, name),
        space_name=SPACE,
        space_json=canonical,
        space_fingerprint=xxhash.xxh3_128_hexdigest(canonical.encode()),
        data_source=str(table.source),
        data_fingerprint=dataset.fingerprint,
        settings=search.to_json(),
    )
    chosen_device = pick_device(device)
    bench = Workbench(
        dataset, device=chosen_device, seed=0, jobs=jobs or default_jobs(chosen_device, dataset)
    )
    models = [model for model in table.models or settings.models if model in wanted]
    with handle, threads_for(dataset, chosen_device):
        handle.record_stage(FIELDS, {"names": list(bench.names), "apart": dataset.apart_names})
        check_once(handle, dataset, seed=0)
        save_labels(handle, dataset)
        save_frequencies(handle, dataset)
        if restored := restore(handle, name, measured):
            progress.note(f"{name}: {restored} trainings of {FILE_NAME} are not repeated.")

        def go_on() -> bool:
            return deadline is None or time.monotonic() < deadline

        def train(phase: str, wanted: Sequence[tuple[str, int]]) -> None:
            progress.phase(phase, total=len(wanted))
            failed = train_baselines(
                handle,
                bench,
                wanted,
                progress=progress,
                training={model: table.training for model in models if model not in table.own_training},
                go_on=go_on,
            )
            for (model, seed), error in failed.items():
                progress.note(f"{model} failed on {name} with seed {seed}: {error}")

        # Seed by seed, so that a run that ends early has compared all models with equally many seeds.
        train(f"train on {name}", [(model, seed) for seed in range(settings.seeds) for model in models])
        leaders = [model for model in _leaders(handle, settings) if model in models]
        more = range(settings.seeds, settings.closer.seeds)
        if leaders and more and go_on():
            train(f"train the leaders on {name}", [(model, seed) for seed in more for model in leaders])


def _leaders(handle: StudyHandle, settings: ComparisonSettings) -> list[str]:
    """Return the best models by validation AUC over the seeds that every model has.

    Additional seeds of a leader do not change the order.
    """
    found = {
        name: mean_figures([model for model in models if model.seed < settings.seeds], "valid")
        for name, models in current_baselines(handle).items()
    }
    measured = {name: figures["auc"] for name, figures in found.items() if figures}
    return sorted(measured, key=lambda name: -measured[name])[: settings.closer.models]


def _published(settings: ComparisonSettings) -> dict[str, tuple[dict[str, float], str]]:
    return {name: (table.published, table.note) for name, table in settings.tables.items()}


def _chosen(given: Sequence[str] | None, known: Sequence[str] | Mapping[str, Any], what: str) -> list[str]:
    for name in given or ():
        if name not in known:
            raise ConfigError(f"The comparison has no {what} '{name}'; {nearest(name, known)}")
    return list(known) if given is None else list(given)

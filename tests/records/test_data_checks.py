"""A search keeps what the checks of its data found, what its models cost, and how frequent held-out values are."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from typer.testing import CliRunner

import autofi
from autofi.checks.run import DataChecks, check_data
from autofi.cli.app import app
from autofi.core.progress import SilentProgress
from autofi.data.load import open_data
from autofi.data.schema_overrides import SchemaOverrides
from autofi.records.costs import COSTS, load_costs
from autofi.records.data_checks import load_checks
from autofi.records.predictions import load_labels, predictions_file
from autofi.records.value_frequencies import FREQUENCIES, load_frequencies
from autofi.store import StudyHandle, StudyStore, resolve_storage
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import DATA
from autofi.store.tables import StageRow
from tests.checks.tables import used_apps


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclasses.dataclass(frozen=True)
class Searched:
    study: autofi.Study
    source: Path
    storage: str
    notes: list[str]

    @property
    def handle(self) -> StudyHandle:
        return StudyStore(resolve_storage(self.storage)).open(self.study.name)


def search(source: Path | str, storage: str, name: str, **changes: Any) -> tuple[autofi.Study, list[str]]:
    progress = Notes()
    given: dict[str, Any] = {"space": "fm", "seeds": 1, "baselines": ("lr",), "device": "cpu"}
    return autofi.search(source, study=name, storage=storage, progress=progress, **given | changes), (
        progress.notes
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    folder = tmp_path_factory.mktemp("checking")
    source, storage = folder / "apps.parquet", str(folder / "a.db")
    used_apps(9000, sampled=True).to_parquet(source)
    study, notes = search(source, storage, "apps", target="click")
    yield Searched(study, source, storage, notes)
    study.close()


def test_the_checks_are_kept_as_they_were_found(searched: Searched) -> None:
    kept = load_checks(searched.handle)
    assert kept is not None
    again = check_data(open_data(str(searched.source), SearchSettings(None, "click")))
    assert timeless(kept) == timeless(again)
    assert [warning.fields for warning in kept.warnings] == [("user", "item")]


def timeless(checks: DataChecks) -> DataChecks:
    return dataclasses.replace(checks, seconds=0.0)


def test_they_can_be_made_without_a_search(searched: Searched) -> None:
    assert timeless(autofi.check_table(searched.source, target="click")) == timeless(
        load_checks(searched.handle)
    )
    by_hour = SchemaOverrides(time="hour")
    found = autofi.check_table(searched.source, target="click", split="time:hour", overrides=by_hour)
    settings = SearchSettings(None, "click", split="time:hour", overrides={"time": "hour"})
    assert timeless(found) == timeless(check_data(open_data(str(searched.source), settings)))
    assert found.summary.parts != timeless(load_checks(searched.handle)).summary.parts


def test_the_command_tells_warnings_and_what_they_rest_on(searched: Searched) -> None:
    def asked(*more: str) -> str:
        shown = CliRunner().invoke(app, ["check", str(searched.source), "--target", "click", *more])
        assert shown.exit_code == 0
        return shown.stdout

    kept = load_checks(searched.handle)
    told = DataChecks.from_json(json.loads(asked("--json")))
    assert timeless(told) == timeless(kept)
    text = " ".join(asked().split())
    for line in (f"Warning: {kept.warnings[0].sentence}", kept.looked_at):
        assert " ".join(line.split()) in text
    assert "The checks found no problem" not in text
    assert "The checks found no problem" in asked("--ignore", "item")


def test_warnings_are_told_while_searching_and_by_the_summary(searched: Searched) -> None:
    warnings = searched.study.summary()["warnings"]
    assert [warning["fields"] for warning in warnings] == [["user", "item"]]
    told = [note for note in searched.notes if note.startswith("Warning: ")]
    assert told == [f"Warning: {warning['sentence']}" for warning in warnings]
    shown = CliRunner().invoke(app, ["show", "apps", "--storage", searched.storage])
    assert shown.exit_code == 0
    unwrapped = " ".join(shown.output.split())
    assert all(line in unwrapped for line in told)


def test_a_planted_table_is_checked_and_nothing_is_told(tmp_path: Path) -> None:
    study, notes = search("planted:rows=6000", str(tmp_path / "p.db"), "planted")
    assert study.summary()["warnings"] == []
    assert not [note for note in notes if note.startswith("Warning: ")]
    kept = load_checks(StudyStore(resolve_storage(study.storage)).open("planted"))
    assert kept is not None
    assert (kept.pairs_read, kept.pairs) == (28, 28)
    study.close()


def test_parts_of_the_costs_are_those_of_the_whole(searched: Searched) -> None:
    models = searched.handle.models()
    assert {model.name for model in models} == {"winner", "lr"}
    for model in models:
        costs = load_costs(searched.handle, model)
        assert costs is not None
        assert (costs.table_bytes, costs.parameters) == (model.table_bytes, model.parameters)
        assert set(costs.by_fields()) == {("user",), ("item",), ("cost",), ("hour",)}


def test_frequencies_lie_beside_the_labels(searched: Searched) -> None:
    for part in ("valid", "test"):
        found, labels = load_frequencies(searched.handle, part), load_labels(searched.handle, part)
        assert found is not None and labels is not None
        assert len(found.codes) == len(labels)
        assert found.fields == ("user", "item", "cost", "hour")


def test_a_study_of_an_earlier_version_opens_and_gets_them_when_it_is_retrained(
    searched: Searched, tmp_path: Path
) -> None:
    folder = Path(searched.storage).parent
    shutil.copytree(folder, tmp_path / "older")
    storage = str(tmp_path / "older" / "a.db")
    store = StudyStore(resolve_storage(storage))
    handle = store.open("apps")
    with store._database.session() as session:
        session.execute(delete(StageRow).where(StageRow.key.startswith(COSTS) | (StageRow.key == DATA)))
    predictions_file(handle, FREQUENCIES).unlink()
    study = autofi.open_study("apps", storage)
    assert study.summary()["warnings"] == []
    assert load_checks(handle) is load_frequencies(handle, "test") is None
    assert all(load_costs(handle, model) is None for model in handle.models())
    study.retrain(seeds=2)
    assert study.summary()["warnings"] == searched.study.summary()["warnings"] != []
    assert load_frequencies(handle, "test") is not None
    assert sum(load_costs(handle, model) is not None for model in handle.models()) == 1
    study.close()

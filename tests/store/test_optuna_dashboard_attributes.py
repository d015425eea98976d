"""What is kept for optuna-dashboard is what optuna-dashboard reads, and nothing that people wrote is lost."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import optuna
import plotly.graph_objects as go
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.storages import RDBStorage
from sqlalchemy import text

from autofi.errors import StoreError
from autofi.store import StorageURL, StudyHandle, StudyStore, artifact_root
from autofi.store.artifacts import FOLDER, LinkedArtifacts
from tests.store.examples import measured, start

optuna_dashboard = pytest.importorskip("optuna_dashboard")
MakeStudy = Callable[..., StudyHandle]


@pytest.fixture
def study(store: StudyStore, make_study: MakeStudy) -> StudyHandle:
    """A study whose trials are not the first of the database: a trial's number is not its key."""
    other = make_study(store, "other")
    other.finish_trial(start(other), 0.5, measured(0.5))
    return make_study(store)


def seen(storage: RDBStorage, number: int | None = None) -> str:
    """The note of a trial, or of the study, as optuna-dashboard reads it."""
    found = optuna.load_study(study_name="clicks", storage=storage)
    if number is None:
        return str(optuna_dashboard.get_note(found))
    (trial,) = (trial for trial in found.get_trials(deepcopy=False) if trial.number == number)
    live = optuna.trial.Trial(found, trial._trial_id)
    return str(optuna_dashboard.get_note(live))


def figures(storage: RDBStorage) -> dict[str, str]:
    from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

    study_id = storage.get_study_id_from_name("clicks")
    return dict(get_plotly_graph_objects(storage.get_study_system_attrs(study_id)))


def test_notes_of_any_length_are_read_back(study: StudyHandle, outside: RDBStorage) -> None:
    notes = {
        start(study, architecture_id=f"a{length}"): "größe ☃ "[: length % 8 + 1] * length
        for length in (1, 100, 2045, 10_000)
    }
    study.shown.add_notes(notes)
    assert study.shown.noted() == set(notes)
    for number, note in notes.items():
        assert seen(outside, number) == note
    assert seen(outside) == ""


def test_a_note_that_someone_wrote_stays(study: StudyHandle, outside: RDBStorage) -> None:
    first, second = start(study), start(study, architecture_id="a2")
    trial = next(iter(study.optuna_study.get_trials(deepcopy=False)))
    live = optuna.trial.Trial(optuna.load_study(study_name="clicks", storage=outside), trial._trial_id)
    optuna_dashboard.save_note(live, "mine")
    study.shown.add_notes({first: "ours", second: "ours"})
    assert [seen(outside, first), seen(outside, second)] == ["mine", "ours"]
    study.shown.add_notes({second: "another"})
    assert seen(outside, second) == "ours"


def test_notes_of_many_trials_are_all_added(study: StudyHandle, outside: RDBStorage) -> None:
    first = start(study)
    storage, study_id = outside, outside.get_study_id_from_name("clicks")
    with storage.engine.begin() as connection:
        for number in range(first + 1, 251):
            connection.execute(
                text("INSERT INTO trials (number, study_id, state) VALUES (:number, :study, 'FAIL')"),
                {"number": number, "study": study_id},
            )
    study.shown.add_notes({7: "seven"})
    study.shown.add_notes({number: f"note {number}" for number in range(251)})
    assert study.shown.noted() == set(range(251))
    assert [seen(outside, number) for number in (7, 8, 250)] == ["seven", "note 8", "note 250"]


def test_a_figure_replaces_the_one_of_its_name_and_no_other(study: StudyHandle, outside: RDBStorage) -> None:
    large = go.Figure(go.Scatter(y=list(range(3000)))).to_json()
    small = go.Figure(go.Scatter(y=[1, 2, 3])).to_json()
    assert not study.shown.has_figure("map")
    study.shown.save_figure("map", large)
    study.shown.save_figure("map_2", large)
    study.shown.save_figure("mapx2", small)
    assert study.shown.has_figure("map")
    assert figures(outside) == {"map": large, "map_2": large, "mapx2": small}
    study.shown.save_figure("map", small)
    study.shown.save_figure("map_2", small)
    assert figures(outside) == {"map": small, "map_2": small, "mapx2": small}
    assert json.loads(figures(outside)["map"])["data"][0]["y"] == [1, 2, 3]


def test_files_are_listed_under_their_names_and_not_copied(
    study: StudyHandle, url: StorageURL, outside: RDBStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    large = artifact_root(url) / "clicks" / "trial-0.npz"
    large.parent.mkdir(parents=True)
    large.write_bytes(bytes(range(256)))
    number = start(study)
    study.shown.attach(large, name="predictions.npz", trial=number)
    study.shown.attach('{"ü": 1}', name="architecture.json", trial=number)
    study.finish_trial(number, 0.7, measured(0.7))
    study.shown.attach(large, name="model.bin")
    study.shown.attach("another", name="model.bin")

    found = optuna.load_study(study_name="clicks", storage=outside)
    (trial,) = found.get_trials()
    listed = {meta.filename: meta for meta in get_all_artifact_meta(trial, storage=outside)}
    assert set(listed) == {"predictions.npz", "architecture.json"}
    assert [meta.filename for meta in get_all_artifact_meta(found)] == ["model.bin"]
    assert listed["architecture.json"].mimetype == "application/json"

    # Optuna's own store of the same folder reads them.
    folder = artifact_root(url) / FOLDER
    plain = FileSystemArtifactStore(folder)
    with plain.open_reader(listed["predictions.npz"].artifact_id) as file:
        assert file.read() == bytes(range(256))
    with plain.open_reader(listed["architecture.json"].artifact_id) as file:
        assert file.read().decode() == '{"ü": 1}'
    assert (folder / listed["predictions.npz"].artifact_id).samefile(large)

    LinkedArtifacts.of(url).remove(listed["predictions.npz"].artifact_id)
    assert large.read_bytes() == bytes(range(256))


def test_what_is_no_file_is_copied(tmp_path: Path) -> None:
    store = LinkedArtifacts(tmp_path / "new" / "folder")
    store.write("ab12", io.BytesIO(b"uploaded"))
    with store.open_reader("ab12") as file:
        assert file.read() == b"uploaded"


def test_without_links_files_are_copied(
    study: StudyHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links on this file system")

    monkeypatch.setattr("os.link", refuse)
    source = tmp_path / "a.txt"
    source.write_text("content")
    store = LinkedArtifacts(tmp_path / "artifacts")
    name = upload_artifact(artifact_store=store, file_path=str(source), study_or_trial=study.optuna_study)
    assert (tmp_path / "artifacts" / name).read_text() == "content"
    assert not (tmp_path / "artifacts" / name).samefile(source)


def test_a_trial_that_breaks_a_constraint_is_infeasible(study: StudyHandle, outside: RDBStorage) -> None:
    numbers = [start(study, architecture_id=f"a{number}") for number in range(3)]
    study_id = outside.get_study_id_from_name("clicks")
    for number, value in zip(numbers, (0.5, 0.0, -1.0), strict=True):
        trial_id = outside.get_trial_id_from_study_id_trial_number(study_id, number)
        optuna.trial.Trial(optuna.load_study(study_name="clicks", storage=outside), trial_id).set_constraint(
            "table_bytes", value
        )
    assert [trial.feasible for trial in study.trials()] == [False, True, True]
    for number in numbers:
        study.finish_trial(number, 0.5)
    assert [trial.feasible for trial in study.trials()] == [False, True, True]


def test_a_trial_is_found_by_its_number(study: StudyHandle) -> None:
    number = start(study)
    found = study.trial(number)
    assert found == study.trials()[number]
    with pytest.raises(StoreError, match=f"no trial {number + 1}"):
        study.trial(number + 1)

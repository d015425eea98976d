"""What a search adds for the dashboard: once each, of the right trial, and never at the price of the search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta

from autofi.core.progress import SilentProgress
from autofi.engine.observer import Observed, SearchObserver
from autofi.errors import StoreError
from autofi.space.architecture import Architecture
from autofi.store import ModelRole, StudyHandle
from autofi.store.artifacts import FOLDER
from autofi.study.dashboard_notes import (
    MAP,
    TABLE,
    complete,
    draw_study,
    is_drawn_after,
    note_trial,
    show_winner,
)
from autofi.study.dashboard_observer import DashboardObserver
from tests.dashboard.studies import architecture, begin, measure, names, searching
from tests.dashboard.test_server import ask
from tests.store.examples import ARCHITECTURE, measured, start

optuna_dashboard = pytest.importorskip("optuna_dashboard")


def shown(handle: StudyHandle) -> dict[str, Any]:
    """What the dashboard's page of the study holds."""
    path = f"/api/studies/{handle.optuna_study._study_id}"
    status, page = ask(optuna_dashboard.wsgi(handle.optuna_study._storage), "GET", path)
    assert status == "200 OK"
    return dict(page)


def figures(handle: StudyHandle) -> dict[str, Any]:
    return {
        figure["id"]: json.loads(figure["graph_object"]) for figure in shown(handle)["plotly_graph_objects"]
    }


def test_a_trial_has_its_note_and_its_files(tmp_path: Path) -> None:
    with searching(str(tmp_path / "a.db")) as handle:
        number = measure(handle, architecture(), 0.75)
        (trial,) = shown(handle)["trials"]
        assert trial["note"]["version"] == 1
        assert "| AUC | 0.75000 |" in trial["note"]["body"]
        assert "- memorize, 1 pair: field 0 × field 3 (embedding)\n" in trial["note"]["body"]
        listed = {artifact["filename"]: artifact["artifact_id"] for artifact in trial["artifacts"]}
        assert set(listed) == {"architecture.json", "predictions.npz"}
        stored = json.loads((tmp_path / FOLDER / listed["architecture.json"]).read_text())
        assert Architecture.from_json(stored) == architecture()
        kept = handle.artifacts / "predictions" / f"trial-{number}.npz"
        assert (tmp_path / FOLDER / listed["predictions.npz"]).samefile(kept)


def test_a_failed_trial_has_a_note_too(tmp_path: Path) -> None:
    with searching(str(tmp_path / "a.db")) as handle:
        number = begin(handle, architecture())
        handle.fail_trial(number, RuntimeError("the loss is not finite"))
        note_trial(handle, number)
        (trial,) = shown(handle)["trials"]
        assert "**Failed:** RuntimeError: the loss is not finite" in trial["note"]["body"]


def test_the_map_is_of_the_leading_trial_and_then_of_the_winner(tmp_path: Path) -> None:
    with searching(str(tmp_path / "a.db")) as handle:
        draw_study(handle)
        assert figures(handle) == {}
        for turn, auc in enumerate((0.7, 0.9, 0.8)):
            measure(handle, architecture(turn=turn), auc)
        draw_study(handle)
        assert figures(handle)[MAP]["layout"]["title"]["text"] == "Pairs of trial 1"
        assert figures(handle)[MAP]["data"][0]["x"] == names(4)

        handle.record_stage("winner", {"architecture_id": architecture(turn=2).id, "trial": 2})
        draw_study(handle)
        drawn = figures(handle)
        assert set(drawn) == {MAP, TABLE}
        assert drawn[MAP]["layout"]["title"]["text"] == "Pairs of trial 2, the winner"
        choice, form = architecture(turn=2).choice("field 0", "field 1")
        assert drawn[MAP]["data"][0]["text"][0][1] == f"{choice}: {form}"
        assert drawn[TABLE]["data"][0]["cells"]["values"][0] == ["1", "2", "0"]


def test_an_infeasible_trial_leads_neither_the_table_nor_the_map(tmp_path: Path) -> None:
    with searching(str(tmp_path / "a.db")) as handle:
        storage = handle.optuna_study._storage
        for turn, (auc, value) in enumerate(((0.7, -1.0), (0.9, 1.0))):
            number = begin(handle, architecture(turn=turn))
            trial_id = storage.get_trial_id_from_study_id_trial_number(handle.optuna_study._study_id, number)
            optuna.trial.Trial(handle.optuna_study, trial_id).set_constraint("table_bytes", value)
            handle.finish_trial(number, auc, attrs=measured(auc))
        draw_study(handle)
        drawn = figures(handle)
        assert drawn[TABLE]["data"][0]["cells"]["values"][:2] == [["0", "1"], ["yes", "no"]]
        assert drawn[MAP]["layout"]["title"]["text"] == "Pairs of trial 0"


def test_the_winners_manifest_is_listed_once(tmp_path: Path) -> None:
    with searching(str(tmp_path / "a.db")) as handle:
        number = measure(handle, architecture(), 0.7)
        for chosen, seed in ((architecture(), 0), (architecture(), 1), (architecture(turn=1), 0)):
            folder = handle.artifacts / "models" / f"winner-{chosen.id}-{seed}"
            folder.mkdir(parents=True)
            (folder / "manifest.json").write_text('{"format": "autofi-bundle"}')
            handle.record_model(
                role=ModelRole.WINNER,
                name="winner",
                seed=seed,
                metrics={},
                architecture_id=chosen.id,
                path=folder,
            )
        handle.record_stage("winner", {"architecture_id": architecture().id, "trial": number})
        show_winner(handle)
        show_winner(handle)
        listed = [meta.filename for meta in get_all_artifact_meta(handle.optuna_study)]
        assert sorted(listed) == [f"winner-{architecture().id}-{seed}-manifest.json" for seed in (0, 1)]
        assert {artifact["filename"] for artifact in shown(handle)["artifacts"]} == set(listed)


def test_what_is_missing_is_added_once(tmp_path: Path) -> None:
    with searching(str(tmp_path / "a.db")) as handle:
        finished = begin(handle, architecture())
        handle.finish_trial(finished, 0.7, attrs=measured(0.7))
        failed = begin(handle, architecture(turn=1))
        handle.fail_trial(failed, "out of memory")
        running = begin(handle, architecture(turn=2))
        complete(handle)
        page = shown(handle)
        assert [trial["note"]["version"] for trial in page["trials"]] == [1, 1, 0]
        assert set(figures(handle)) == {MAP, TABLE}
        complete(handle)
        assert shown(handle) == page
        handle.finish_trial(running, 0.9, attrs=measured(0.9))
        complete(handle)
        assert [trial["note"]["version"] for trial in shown(handle)["trials"]] == [1, 1, 1]
        assert figures(handle)[MAP]["layout"]["title"]["text"] == "Pairs of trial 2"


def test_architectures_of_another_version_have_a_table_and_no_map(tmp_path: Path) -> None:
    with searching(str(tmp_path / "a.db")) as handle:
        handle.finish_trial(start(handle, architecture=ARCHITECTURE), 0.7, attrs=measured(0.7))
        complete(handle)
        assert set(figures(handle)) == {TABLE}


class Told(SilentProgress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


class Failing(DashboardObserver):
    """An observer that cannot show an ended trial."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def trial_ended(self, handle: StudyHandle, number: int) -> None:
        raise self.error


@pytest.mark.parametrize("error", [StoreError("the disk is full"), OSError("the disk is full")])
def test_what_cannot_be_shown_ends_no_search(tmp_path: Path, error: Exception) -> None:
    progress = Told()
    with searching(str(tmp_path / "a.db")) as handle:
        Observed(Failing(error), progress).tell(SearchObserver.trial_ended, handle, 0)
        assert progress.notes == ["The dashboard will show less: the disk is full"]
        with pytest.raises(ZeroDivisionError):
            Observed(Failing(ZeroDivisionError()), progress).tell(SearchObserver.trial_ended, handle, 0)


def test_figures_are_drawn_often_at_first() -> None:
    assert [count for count in range(1, 41) if is_drawn_after(count)] == [*range(1, 11), 20, 30, 40]

"""A model of another trial changes nothing of the winner; one that is made the winner does, and that is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.errors import ConfigError
from autofi.store import ModelRole
from tests.visits import visits

SEVERAL = Path(__file__).parents[1] / "spaces" / "several.yaml"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[autofi.Study]:
    folder = tmp_path_factory.mktemp("winner")
    table = folder / "clicks.parquet"
    visits(2000).drop(columns=["hour", "weight", "visit"]).to_parquet(table)
    found = search(table)
    yield found
    found.close()


def search(table: Path, **changes: Any) -> autofi.Study:
    given: dict[str, Any] = {"trials": 3, "seeds": 2, "baselines": ("lr",), "device": "cpu"}
    return autofi.search(
        table,
        target="click",
        space=SEVERAL,
        study="mine",
        storage=str(table.with_name("a.db")),
        **given | changes,
    )


def run(study: autofi.Study, *words: str) -> Any:
    return CliRunner(env={"COLUMNS": "160", "AUTOFI_STORAGE": study.storage}).invoke(app, words)


def shown(study: autofi.Study, folder: Path) -> dict[str, Any]:
    """Everything that tells of the winner, as texts and bytes."""
    folder.mkdir()
    page = study.report(folder / "page.html").read_text()
    study.report(folder / "all.json")
    study.report(folder / "md", "md")
    study.export(folder / "model", forms=("torch",))
    return {
        # Of the page everything but when it was made.
        "page": re.sub(r"Made [\d-]+ [\d:]+ UTC", "", page),
        "json": (folder / "all.json").read_bytes(),
        "md": (folder / "md" / "report.md").read_bytes(),
        "card": (folder / "model" / "MODEL_CARD.md").read_text(),
        "files": {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in (folder / "model").rglob("*")
            if path.is_file()
        },
        "listed": autofi.list_studies(study.storage),
        "summary": study.summary() | {"retrained": []},
    }


def test_a_trial_is_retrained_beside_the_winner_and_takes_its_place_only_by_name(
    study: autofi.Study, tmp_path: Path
) -> None:
    won = study.summary()["choice"]
    assert (won["by"], won["test_read_before"]) == ("rule", 0)
    before = shown(study, tmp_path / "before")
    assert "Test rows were read once" in before["page"]
    assert "measured once on" in before["card"]
    (other, *_) = [number for number in range(3) if number != won["trial"]]
    beside = run(study, "retrain", "mine", "--trial", str(other), "--seeds", "1")
    assert beside.exit_code == 0, beside.output
    assert f"Trial {other} is trained beside the winner" in beside.stderr
    (model,) = study.summary()["retrained"]
    assert (model["trial"], model["seeds"], model["name"]) == (other, 1, f"trial {other}")
    assert model["test"]["auc"] > 0
    assert f"trial {other} " in run(study, "show", "mine").stdout
    assert len(study._handle.models(ModelRole.WINNER)) == 2
    assert shown(study, tmp_path / "after") == before
    # Its bundle is there to be exported, and so is what the command without a trial did before: the winner's seeds.
    exported = run(study, "export", "mine", "--trial", str(other), "-o", str(tmp_path / "other"))
    assert (exported.exit_code, "has no bundle yet" in exported.stderr) == (0, False)
    assert run(study, "retrain", "mine", "--seeds", "2", "--quiet").exit_code == 0
    assert shown(study, tmp_path / "again") == before

    made = run(study, "retrain", "mine", "--trial", str(other), "--make-winner", "--seeds", "1")
    assert made.exit_code == 0, made.output
    # Two seeds of the winner and their ensemble, two of the baseline, one of the trial itself.
    found = study.summary()["choice"]
    assert found == {"trial": other, "by": "hand", "test_read_before": 6}
    told = (
        f"The test metrics of 6 trained models had been read before trial {other} was made the winner by hand"
    )
    changed = shown(study, tmp_path / "changed")
    assert told in changed["card"]
    assert "measured on" in changed["card"] and "measured once on" not in changed["card"]
    assert told in changed["page"] and "read once" not in changed["page"]
    assert told in changed["md"].decode()
    assert told in run(study, "show", "mine").stdout
    assert json.loads(changed["json"])["choice"] == found
    assert json.loads(changed["files"]["model/metrics.json"])["origin"]["choice"] == found
    assert changed["listed"][0].winner == study._handle.trial(other).architecture_id
    assert [model["trial"] for model in study.summary()["retrained"]] == [won["trial"]]
    # Nothing is trained twice for it, and nothing that is done later changes what was known then.
    assert len(study._handle.models(ModelRole.WINNER)) == 3
    again = run(study, "retrain", "mine", "--trial", str(other), "--make-winner", "--seeds", "1", "--quiet")
    assert again.exit_code == 0
    assert study.summary()["choice"] == found
    # A search that goes on leaves it the winner, and says so.
    table = Path(str(study._settings.source))
    resumed = search(table, seeds=1)
    assert resumed.summary()["choice"] == found
    resumed.close()


def test_a_winner_is_made_by_the_number_of_a_trial(study: autofi.Study) -> None:
    with pytest.raises(ConfigError, match=r"make_winner needs the number of a trial, .* \(--trial N\)"):
        study.retrain(make_winner=True)

"""Tables with hardly any clicks are searched to the end, and what cannot be measured is said to be so everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autofi
from autofi.cli.summary_tables import print_summary
from autofi.dashboard.study_list import PAYLOADS, listing
from autofi.dashboard.summary_cache import Results
from autofi.report.comparison_table import comparison_markdown
from autofi.store import StudyStore, resolve_storage

TINY = Path(__file__).parent / "spaces" / "tiny.yaml"
REASON = "none of the 30 test rows has a click"


def frame(rows: int, clicks: int) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    clicked = np.zeros(rows, dtype=int)
    clicked[generator.choice(rows, clicks, replace=False)] = 1
    codes = {name: generator.integers(0, most, rows) for name, most in (("user", 20), ("item", 9))}
    return pd.DataFrame(codes | {"click": clicked})


def searched(table: pd.DataFrame, folder: Path, **more: object) -> autofi.Study:
    return autofi.search(
        table, space=TINY, study="rare", storage=str(folder / "a.db"), trials=1, seeds=2, **more
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rare")


@pytest.fixture(scope="module")
def untested(folder: Path) -> Iterator[autofi.Study]:
    """Two clicks in 300 rows: one trains and one validates."""
    study = searched(frame(300, 2), folder, baselines=["lr"])
    yield study
    study.close()


@pytest.mark.parametrize(("rows", "clicks"), [(2000, 3), (50, 3)])
def test_three_clicks_are_enough(tmp_path: Path, rows: int, clicks: int) -> None:
    table = frame(rows, clicks)
    study = searched(table, tmp_path, baselines=["lr"])
    summary = study.summary()
    assert summary["untested"] is None
    low, high = summary["winner"]["test"]["auc_interval"]
    assert 0.0 <= low < high <= 1.0
    # One click in the test rows tells no model from another.
    assert summary["comparison"]["verdict"] == "tie"
    predictor = autofi.load(study.export(tmp_path / "model", forms=("onnx",)))
    assert len(predictor.predict_proba(table)) == rows


def test_a_summary_says_why_there_is_no_test_auc(
    untested: autofi.Study, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = untested.summary()
    assert (summary["winner"]["test"], summary["comparison"], summary["untested"]) == (None, None, REASON)
    print_summary(summary)
    shown = capsys.readouterr().out
    assert f"There is no test AUC: {REASON}." in shown
    assert "No baseline was trained" not in shown


def test_reports_say_why(untested: autofi.Study, folder: Path) -> None:
    told = untested.report(folder / "page.html").read_text(encoding="utf-8")
    assert told.count(f"There is no test AUC: {REASON}.") >= 2
    assert "before its winner was retrained" not in told
    assert "Test rows were read once, after" not in told
    written = untested.report(folder / "report", form="md") / "report.md"
    assert f"There is no test AUC: {REASON}." in written.read_text(encoding="utf-8")
    document = json.loads(untested.report(folder / "page.json").read_text(encoding="utf-8"))
    assert REASON in json.dumps(document)


def test_the_model_card_says_why(untested: autofi.Study, folder: Path) -> None:
    model = untested.export(folder / "model", forms=("onnx",))
    card = (model / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"| test AUC | not available: {REASON} |" in card
    assert "measured once on" not in card
    assert "validation" in card


def test_the_list_of_studies_says_why(untested: autofi.Study, folder: Path) -> None:
    storage = str(folder / "a.db")
    with StudyStore(resolve_storage(storage)) as store:
        summary = untested.summary()
        results = Results(lambda name: summary)
        while (found := listing(storage, store.overview(PAYLOADS), results).studies[0]).pending:
            pass
    assert found.result is not None and found.result.auc is None
    assert REASON in (found.result.told or "")


def test_a_comparison_keeps_models_without_a_test_auc(untested: autofi.Study) -> None:
    told = comparison_markdown({"clicks": untested.summary()["baselines"]}, {}, "compare.yaml")
    assert "| lr | 2 | not available |" in told

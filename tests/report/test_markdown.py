"""The report says what the summary says, in tables that Markdown reads, and names no path of the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from autofi.report.markdown import report_markdown, study_yaml, write_report
from autofi.store import StudyRecord

RECORD = StudyRecord(
    name="clicks",
    space_name="optinter",
    space_json="{}",
    space_fingerprint="a" * 32,
    data_source="/home/someone/data/clicks.parquet",
    data_fingerprint="b" * 32,
    settings={"source": "/home/someone/data/clicks.parquet", "target": "click", "valid": None, "seeds": 2},
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    versions={"python": "3.11.7"},
    package_version="0.1.0",
)
SUMMARY: dict[str, Any] = {
    "study": "clicks",
    "winner": {
        "name": "winner",
        "valid": {"auc": 0.81, "logloss": 0.4},
        "test": {"auc": 0.8, "logloss": 0.41, "auc_std": 0.001, "auc_interval": [0.79, 0.81]},
        "seeds": 2,
        "parameters": 1234,
        "table_bytes": 5678,
        "seconds": 1.5,
    },
    "baselines": [
        {"name": "lr", "valid": None, "test": {"auc": 0.7, "logloss": 0.5, "auc_std": None}, "seeds": 1},
        {"name": "dnn", "valid": None, "test": {"auc": 0.75, "logloss": 0.45, "auc_std": None}, "seeds": 1},
    ],
    "comparison": {"baseline": "dnn", "difference": 0.05, "interval": [0.04, 0.06], "verdict": "better"},
    "pairs": [
        {"left": "ad|x", "right": "site", "choice": "memorize", "form": "statistics"},
        {"left": "ad|x", "right": "hour", "choice": "naive", "form": ""},
    ],
    "fields": [{"name": "ad|x", "forms": ["embedding", "statistics"]}],
    "streams": [{"name": "cross_network", "settings": {"layers": 2}}, {"name": "fm", "settings": {}}],
    "seconds": {"encode": 1.0, "search": 2.0, "retrain": None, "total": 3.0},
}
TRIALS = [
    {
        "trial": 3,
        "valid_auc": 0.81,
        "valid_logloss": 0.4,
        "parameters": 1234.0,
        "seconds": 1.5,
        "architecture": "small",
    }
]


def rows(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")] for line in lines]


def test_models_stand_winner_first_then_by_test_auc() -> None:
    found = rows(report_markdown(RECORD, SUMMARY, TRIALS))
    names = [row[0] for row in found if row[0] in {"winner", "lr", "dnn"}]
    assert names == ["winner", "dnn", "lr"]
    winner = next(row for row in found if row[0] == "winner")
    assert winner[3:8] == ["0.8000 ± 0.0010", "0.7900 to 0.8100", "0.4100", "1,234", "5,678"]


def test_every_table_has_as_many_cells_in_each_row_as_in_its_heading() -> None:
    width = 0
    for line in report_markdown(RECORD, SUMMARY, TRIALS).splitlines():
        cells = line.replace("\\|", "¦").count("|")
        if not line.startswith("|"):
            width = 0
        elif width == 0:
            width = cells
        else:
            assert cells == width, line


def test_streams_are_listed_where_there_are_any() -> None:
    assert "## Streams\n\n- cross\\_network, layers 2\n- fm\n" in report_markdown(RECORD, SUMMARY, TRIALS)
    assert "## Streams" not in report_markdown(RECORD, {**SUMMARY, "streams": []}, TRIALS)


def test_boosted_trees_are_told_with_their_share() -> None:
    assert "Beside" not in report_markdown(RECORD, SUMMARY, TRIALS)
    for share, words in ((0.35, "boosted trees, 35% of the logit"), (0.0, "no share and are left out")):
        text = report_markdown(RECORD, {**SUMMARY, "boosted_share": share}, TRIALS)
        assert "## Beside the network\n\n- " in text
        assert words in text


def test_a_front_is_a_section_and_limits_a_sentence() -> None:
    plain = report_markdown(RECORD, SUMMARY | {"objectives": ["auc"], "limits": [], "front": None}, TRIALS)
    assert plain == report_markdown(RECORD, SUMMARY, TRIALS)
    summary = SUMMARY | {
        "objectives": ["auc", "table_bytes", "latency"],
        "limits": ["table_bytes<=2e6"],
        "front": [
            {
                "trial": 3,
                "values": {"auc": 0.81, "table_bytes": 1.5e6, "latency": 99.0},
                "architecture": "a|b",
            }
        ],
    }
    text = report_markdown(RECORD, summary, [{**TRIALS[0], "feasible": False}])
    assert "Searched for auc, then table_bytes, then latency, with table_bytes at most 2.0 MB." in text
    assert ["3", "0.8100", "1.5 MB", "99.0 us", "a¦b"] in rows(text)
    assert rows(text)[-1][-1] == "no"
    assert "misses the limits" not in text
    missed = report_markdown(
        RECORD, {**summary, "best": {}, "missed": ["table_bytes 3 MB is over 2 MB"]}, TRIALS
    )
    assert "The retrained winner misses the limits: table_bytes 3 MB is over 2 MB." in missed


def test_naive_pairs_are_counted_and_chosen_ones_listed() -> None:
    text = report_markdown(RECORD, SUMMARY, TRIALS)
    assert "1 of 2 pairs are naive." in text
    assert "| ad\\|x × site | memorize | statistics |" in text


@pytest.mark.parametrize(
    ("told", "words"),
    [("better", "is better than dnn"), ("tie", "cannot be told apart"), ("worse", "A baseline won")],
)
def test_the_verdict_is_said_plainly(told: str, words: str) -> None:
    summary = SUMMARY | {"comparison": SUMMARY["comparison"] | {"verdict": told}}
    assert words in report_markdown(RECORD, summary, TRIALS)
    assert "nothing to compare" in report_markdown(RECORD, SUMMARY | {"comparison": None}, TRIALS)


def test_written_files_repeat_the_study_and_hide_where_it_ran(tmp_path: Path) -> None:
    write_report(tmp_path / "studies" / "clicks", RECORD, SUMMARY, TRIALS)
    described = yaml.safe_load((tmp_path / "studies" / "clicks" / "study.yaml").read_text())
    assert described["settings"] == {"source": "data/clicks.parquet", "target": "click", "seeds": 2}
    assert described["data_fingerprint"] == "b" * 32
    assert described == yaml.safe_load(study_yaml(RECORD))
    for path in (tmp_path / "studies" / "clicks").iterdir():
        assert "someone" not in path.read_text()

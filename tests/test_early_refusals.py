"""A mistyped file, column, name or number is refused by every command before anything heavy is imported."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from autofi.readers import column_names, open_table
from autofi.store import StudyStore, resolve_storage
from tests.export.models import make_table
from tests.light.bundles import BUNDLE, ROWS

HEAVY = ("torch", "pandas", "optuna", "sklearn", "onnxruntime", "scipy", "lightgbm", "fastapi")
#: All commands in one process: what one imports another is told of, too.
RUN = """
import json, resource, sys
from typer.testing import CliRunner
from autofi.cli.app import app
found = []
for command in json.loads(sys.argv[1]):
    ran = CliRunner().invoke(app, command)
    heavy = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
    found.append([ran.exit_code, ran.stderr, heavy])
spent = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([found, spent.ru_utime + spent.ru_stime]))
"""

SEARCH = ["search", "clicks.csv", "--target", "click"]
FILES = {
    "search": (
        ["search", "clcks.csv", "--target", "click"],
        "no file 'clcks.csv'; did you mean 'clicks.csv'",
    ),
    "search a folder": (["search", "no/clicks.csv"], "no folder 'no'"),
    "search valid": ([*SEARCH, "--valid", "vald.csv"], "no file 'vald.csv'"),
    "search test": ([*SEARCH, "--test", "tst.csv"], "no file 'tst.csv'"),
    "search SQL": (["search", "sqlite:///no.db", "--query", "SELECT 1"], "no database sqlite:///no.db"),
    "search a glob": (["search", "no*.csv"], "matches no file"),
    "search a space": ([*SEARCH, "--space", "spce.yaml"], "'spce.yaml' does not exist"),
    "search a study's name": ([*SEARCH, "--study", "../x"], "'../x': a study's name has 1 to 120"),
    "search a study named as a file": (
        [*SEARCH, "--storage", "s.db", "--study", "clicks.csv"],
        "clicks.csv' is a file, so no study",
    ),
    "search a named space": ([*SEARCH, "--space", "defualt"], "did you mean 'default'"),
    "inspect": (["inspect", "clcks.csv"], "no file 'clcks.csv'"),
    "check": (["check", "clcks.csv"], "no file 'clcks.csv'"),
    "check valid": (["check", "clicks.csv", "--valid", "vald.csv"], "no file 'vald.csv'"),
    "predict": (
        ["predict", "model", "rws.parquet", "-o", "s.csv"],
        "no file 'rws.parquet'; did you mean 'rows.parquet",
    ),
    "predict a bundle": (
        ["predict", "modle", "rows.parquet", "-o", "s.csv"],
        "'modle' does not exist; did you mean 'model'",
    ),
    "predict an output": (
        ["predict", "model", "rows.parquet", "-o", "s.txt"],
        "'s.txt' ends in '.txt'",
    ),
    "evaluate": (["evaluate", "model", "rws.parquet"], "no file 'rws.parquet'"),
    "evaluate a bundle": (["evaluate", "modle", "rows.parquet"], "'modle' does not exist"),
    "explain": (["explain", "model", "rws.parquet"], "no file 'rws.parquet'"),
    "explain a bundle": (["explain", "modle", "rows.parquet"], "'modle' does not exist"),
    "serve": (["serve", "modle"], "'modle' does not exist; did you mean 'model'"),
    "compare": (["compare", "cmp.yaml"], "'cmp.yaml' cannot be read"),
    "compare a table": (["compare", "compare.yaml"], "no file 'clcks.csv'"),
    "worker data": (["worker", "mine", "--storage", "s.db", "--data", "clcks.csv"], "no file 'clcks.csv'"),
    "spaces": (["spaces", "--nni", "defualt"], "did you mean 'default'"),
}
COLUMNS = {
    **{
        f"{command} {name}": ([command, "clicks.csv", *flags], told)
        for command in ("search", "inspect", "check")
        for name, flags, told in (
            ("target", ["--target", "clck"], "no column 'clck', named as target: did you mean 'click'"),
            ("ignore", ["--ignore", "cty"], "no column 'cty', named as ignore: did you mean 'city'"),
            ("weight", ["--weight", "w"], "no column 'w', named as weight"),
        )
    },
    "search a Parquet file": (["search", "rows.parquet", "--target", "clck"], "no column 'clck'"),
    "search a folder of Parquet": (
        ["search", "parts", "--ignore", "dya"],
        "no column 'dya'.*did you mean 'day'",
    ),
    "search split": ([*SEARCH, "--split", "time:dy"], "needs column 'dy', which clicks.csv does not have"),
    "check split": (
        ["check", "clicks.csv", "--split", "group:ctiy"],
        "needs column 'ctiy'.*did you mean 'city'",
    ),
    "predict": (["predict", "model", "clicks.csv", "-o", "s.csv"], "The column 'color' is missing"),
    "evaluate": (["evaluate", "model", "unlabelled.parquet"], "has no column 'click'"),
    "explain": (["explain", "model", "clicks.csv"], "The column 'color' is missing"),
}
STUDIES = {
    command: ([command, "mne", "--storage", "s.db", *more], "no study 'mne' in .*; did you mean 'mine'")
    for command, more in (
        ("show", []),
        ("report", []),
        ("retrain", []),
        ("worker", []),
        ("export", ["-o", "out"]),
        ("delete", ["--yes"]),
        ("rename", ["ours"]),
    )
}
NAMES = {
    "a new study": ([*SEARCH, "--study", "a/b"], "study 'a/b': a study's name has"),
    "a new name": (["rename", "mine", "..", "--storage", "s.db"], "study '..': a study's name has"),
    "a baseline": ([*SEARCH, "--baselines", "lr,lghtgbm"], "'lghtgbm': did you mean 'lightgbm'"),
    "a form of a report": (
        ["report", "mine", "--storage", "s.db", "--format", "pdf"],
        "'pdf' is not a form of a report",
    ),
    "a file of a report": (
        ["report", "mine", "--storage", "s.db", "-o", "r.pdf"],
        "'r.pdf' does not end in .html",
    ),
    "a trial to export": (
        ["export", "mine", "--storage", "s.db", "--trial", "9", "-o", "out"],
        "no finished trial 9: Known: none",
    ),
    "a trial to retrain": (["retrain", "mine", "--storage", "s.db", "--trial", "9"], "no finished trial 9"),
}
CASES = FILES | {f"column of {name}": case for name, case in COLUMNS.items()} | STUDIES | NAMES
CASES["no storage"] = (["show", "mine", "--storage", "none.db"], "no study 'mine' in .*none.db; Known: none")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, list[str]]]:
    folder = tmp_path_factory.mktemp("early")
    frame = pd.DataFrame({"city": ["a", "b"] * 10, "hour": range(20), "click": [0, 1] * 10})
    frame.to_csv(folder / "clicks.csv", index=False)
    rows = make_table(20, seed=1).to_pandas()
    rows.to_parquet(folder / "rows.parquet")
    pq.write_table(ROWS.drop_columns(["click"]), folder / "unlabelled.parquet")
    for day in ("1", "2"):
        (folder / "parts" / f"day={day}").mkdir(parents=True)
        rows.to_parquet(folder / "parts" / f"day={day}" / "part.parquet")
    shutil.copytree(BUNDLE, folder / "model")
    (folder / "compare.yaml").write_text("name: c\nmodels: [fm]\ntables: {one: {source: clcks.csv}}\n")
    with StudyStore(resolve_storage(str(folder / "s.db"))) as store:
        same: dict[str, Any] = {
            "space_name": "s",
            "space_json": "{}",
            "space_fingerprint": "f",
            "settings": {},
        }
        store.create_or_resume("mine", **same, data_source="d", data_fingerprint="d").close()
    before = set(folder.rglob("*"))
    commands = json.dumps([command for command, _ in CASES.values()])
    ran = subprocess.run(
        [sys.executable, "-c", RUN, commands, json.dumps(HEAVY)],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found, spent = json.loads(ran.stdout)
    assert set(folder.rglob("*")) - before <= {folder / "s.db-wal", folder / "s.db-shm"}
    # Every command by itself takes less than a second, of which imports are most.
    assert spent < 0.1 * len(CASES)
    return dict(zip(CASES, found, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_in_one_line_and_nothing_heavy_is_imported(
    refused: dict[str, tuple[int, str, list[str]]], case: str
) -> None:
    code, told, heavy = refused[case]
    assert code == 2, told
    (line,) = told.strip().splitlines()
    assert re.search(f"^autofi: error: .*{CASES[case][1]}", line), line
    assert heavy == []


def test_a_glance_sees_the_columns_that_opening_finds_or_none(tmp_path: Path) -> None:
    (tmp_path / "day=1").mkdir()
    pq.write_table(ROWS, tmp_path / "day=1" / "part.parquet")
    found = column_names(str(tmp_path))
    assert found is not None and found.columns == open_table(tmp_path).columns
    assert column_names(str(tmp_path / "day=1" / "*.parquet")) is None
    (tmp_path / "rows.libsvm").write_text("1 1:2\n0 1:3\n")
    assert column_names(str(tmp_path / "rows.libsvm")) is None
    assert column_names(str(tmp_path)) is None

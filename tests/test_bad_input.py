"""What a user can get wrong is refused in one line (rule, value, place, way out) and leaves no trace.

Every case goes through the real command line, in a folder that holds its input and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import autofi
from autofi.api.search import default_name, shown_source
from autofi.cli.app import app
from autofi.errors import DataError, StudyMismatchError

USER_ERROR = 2
SEARCH = ("search", "clicks.csv", "--space", "lr", "--trials", "1", "--seeds", "1", "--baselines", "none")
ROWS = 120

Change = Callable[[pd.DataFrame], pd.DataFrame]


def clicks() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "city": generator.choice(["Rome", "Oslo", "Köln"], ROWS),
            "hour": generator.integers(0, 24, ROWS),
            "price": generator.normal(5.0, 1.0, ROWS).round(3),
            "click": generator.integers(0, 2, ROWS),
        }
    )


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def below(folder: Path) -> dict[str, bytes]:
    """Files with their contents, and folders; not what SQLite keeps beside an open file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
        if path.suffix not in (".db-shm", ".db-wal")
    }


def check_refused(folder: Path, arguments: tuple[str, ...], facts: tuple[str, ...]) -> None:
    before = below(folder)
    result = run(*arguments)
    assert result.exit_code == USER_ERROR, result.output
    assert result.stdout == ""
    assert result.stderr.endswith("\n")
    (line,) = result.stderr.splitlines()
    assert line.startswith("autofi: error: ")
    assert [fact for fact in facts if fact not in line] == [], line
    assert below(folder) == before


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTOFI_STORAGE", raising=False)
    return tmp_path


@dataclass(frozen=True)
class Case:
    """A CSV (text, or a change of the sound table), further arguments, and what the line must tell."""

    facts: tuple[str, ...]
    text: str | None = None
    change: Change | None = None
    arguments: tuple[str, ...] = ()


def first_row(column: str, value: Any) -> Change:
    return lambda frame: frame.assign(**{column: [value, *frame[column].iloc[1:]]})


TABLES = {
    "an empty file": Case(("clicks.csv has no rows",), text=""),
    "a file of blank lines": Case(("clicks.csv has no rows",), text="\n\n\n"),
    "a header without rows": Case(("clicks.csv has no rows",), text="city,click\n"),
    "no target": Case(
        ("clicks.csv", "label, click", "city, hour, price, bought"),
        change=lambda frame: frame.rename(columns={"click": "bought"}),
    ),
    "a target that is no column": Case(
        ("clicks.csv has no column 'clik'", "did you mean 'click'"), arguments=("--target", "clik")
    ),
    "a constant target": Case(
        ("All 120 rows of column 'click' of clicks.csv are 1",), change=lambda frame: frame.assign(click=1)
    ),
    "a target of three values": Case(
        ("0/1", "column 'click' of clicks.csv", "is '2'"),
        change=lambda frame: frame.assign(click=2 - frame.index % 3),
    ),
    "a target of text": Case(
        ("0/1", "Row 1 of column 'click'", "'maybe'"), change=first_row("click", "maybe")
    ),
    "a NaN target": Case(("0/1", "Row 1 of column 'click'", "missing"), change=first_row("click", "nan")),
    "a missing target": Case(("0/1", "Row 1 of column 'click'", "missing"), change=first_row("click", None)),
    "an infinite target": Case(("0/1", "Row 1 of column 'click'", "'inf'"), change=first_row("click", "inf")),
    "a column named twice": Case(
        ("clicks.csv names the column 'city' 2 times", "columns 1, 3", "rename one"),
        text="city,hour,city,click\nRome,1,Rome,0\nOslo,2,Oslo,1\n",
    ),
    "a ragged row": Case(
        ("Line 3 of clicks.csv", "has 4 cells and the first row has 3"),
        text="city,hour,click\nRome,1,0\nOslo,2,1,7\nRome,3,1\n",
    ),
    "a ragged row after a cell with a line end": Case(
        ("Line 4 of clicks.csv", "has 2 cells and the first row has 3"),
        text='city,hour,click\n"Ro\nme",1,0\nOslo,2\nRome,3,1\n',
    ),
    "a split column without a train part": Case(
        ("'train'", "column 'part' of clicks.csv"),
        change=lambda frame: frame.assign(part="valid"),
        arguments=("--split-column", "part"),
    ),
    "a split column of other words": Case(
        ("train, valid", "column 'part'", "'holdout'", "row 1 of clicks.csv"),
        change=lambda frame: frame.assign(part=["holdout", *["train"] * (ROWS - 1)]),
        arguments=("--split-column", "part"),
    ),
    "a split column that is no column": Case(
        ("no column 'par'", "city, click"), arguments=("--split-column", "par")
    ),
    "a split column beside a split": Case(
        ("--split", "--split-column"), arguments=("--split-column", "city", "--split", "time:hour")
    ),
    "text in a numeric column": Case(
        ("numbers", "Row 1 of column 'price' of clicks.csv", "'cheap'", "categorical"),
        change=first_row("price", "cheap"),
        arguments=("--numeric", "price"),
    ),
    "an infinite number in a numeric column": Case(
        ("finite", "Row 1 of column 'price' of clicks.csv", "'inf'"),
        change=first_row("price", "inf"),
        arguments=("--numeric", "price"),
    ),
    "an unknown column to ignore": Case(
        ("no column 'town'", "ignore", "city"), arguments=("--ignore", "town")
    ),
    "a negative weight": Case(
        ("weight", "Row 1 of column 'price'", "-1"),
        change=first_row("price", -1),
        arguments=("--weight", "price"),
    ),
    "validation rows that are not there": Case(("no file 'valid.csv'",), arguments=("--valid", "valid.csv")),
    "a split by an unknown rule": Case(("'tim'", "did you mean 'time'"), arguments=("--split", "tim:hour")),
    "an unknown space": Case(
        ("No search space named 'optintr'", "did you mean 'optinter'"), arguments=("--space", "optintr")
    ),
    "a space file that is not there": Case(
        ("'mine.yaml'", "check the path"), arguments=("--space", "mine.yaml")
    ),
    "an unknown baseline": Case(
        ("'lightgmb'", "did you mean 'lightgbm'"), arguments=("--baselines", "lightgmb")
    ),
    "an unknown device": Case(("auto, cpu or cuda", "'tpu'"), arguments=("--device", "tpu")),
    "a length of time that is none": Case(("--timeout", "'soon'", "10m"), arguments=("--timeout", "soon")),
    "a study's name that is no folder's": Case(("study 'a/b'", "--study"), arguments=("--study", "a/b")),
    "a storage that cannot be reached": Case(
        ("me:***@127.0.0.1:1/db", "check that the server runs"),
        arguments=("--storage", "postgresql+psycopg://me:secret@127.0.0.1:1/db"),
    ),
    "a storage that is no URL": Case(("'studies'", ".db"), arguments=("--storage", "studies")),
    "a storage of another kind": Case(
        ("'postgres1'", "did you mean 'postgresql'"), arguments=("--storage", "postgres1://host/db")
    ),
    "a storage inside a file": Case(
        ("sqlite:", "clicks.csv/x", "--storage"), arguments=("--storage", "clicks.csv/x/a.db")
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_search_refuses(folder: Path, name: str) -> None:
    case = TABLES[name]
    if case.text is not None:
        (folder / "clicks.csv").write_text(case.text)
    else:
        frame = clicks() if case.change is None else case.change(clicks())
        frame.to_csv(folder / "clicks.csv", index=False)
    check_refused(folder, SEARCH + case.arguments, case.facts)


def test_search_refuses_a_missing_file(folder: Path) -> None:
    check_refused(folder, SEARCH, ("no file 'clicks.csv'", "check the path"))
    clicks().to_csv(folder / "click.csv", index=False)
    check_refused(folder, SEARCH, ("no file 'clicks.csv'", "did you mean 'click.csv'"))


def test_an_unreachable_storage_is_refused_before_the_table_is_read(folder: Path) -> None:
    storage = "postgresql+psycopg://me:secret@127.0.0.1:1/db"
    check_refused(folder, ("search", "none.csv", "--storage", storage), ("127.0.0.1",))
    for command in (("studies",), ("show", "mine"), ("retrain", "mine"), ("export", "mine", "-o", "model")):
        check_refused(folder, (*command, "--storage", storage), ("me:***@127.0.0.1:1",))


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "fields: {forms: [embeding]}",
            ("space.yaml", "No operator named 'embeding'", "did you mean 'embedding'"),
        ),
        (
            "fields: {forms: [embedding]}\npairs: {options: [[], [memorise_embedding]]}",
            ("space.yaml", "'memorise_embedding'", "did you mean 'memorize_embedding'"),
        ),
        (
            "fields: {forms: [factorize_inner]}",
            ("space.yaml", "'factorize_inner' is no operator of a field"),
        ),
        ("fields: {forms: [embedding]}\nparis: {}", ("space.yaml", "key 'paris'")),
        (
            "fields: {forms: [embedding]}\ntraining: {epochs: {low: 3, high: 1}}",
            ("space.yaml", "key 'training", "low < high"),
        ),
        ("fields: [embedding", ("space.yaml", "YAML", "line 4")),
    ],
)
def test_a_space_file_is_refused_with_its_name_and_key(
    folder: Path, text: str, facts: tuple[str, ...]
) -> None:
    clicks().to_csv(folder / "clicks.csv", index=False)
    (folder / "space.yaml").write_text(f"name: mine\nsummary: A space.\n{text}\n")
    check_refused(folder, ("search", "clicks.csv", "--space", "space.yaml"), facts)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_target_that_is_no_number_is_refused_in_a_frame(folder: Path, value: float) -> None:
    frame = clicks()
    frame["click"] = frame["click"].astype(float)
    frame.loc[6, "click"] = value
    with pytest.raises(DataError, match="Row 7 of column 'click' of the DataFrame"):
        autofi.search(frame, space="lr", baselines=())
    assert list(folder.iterdir()) == []


# With a study and a bundle of it


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `clicks.csv`, the study `mine` of it and its bundle `model`."""
    folder = tmp_path_factory.mktemp("searched")
    clicks().to_csv(folder / "clicks.csv", index=False)
    study = autofi.search(
        folder / "clicks.csv",
        space="lr",
        study="mine",
        storage=str(folder / "studies" / "autofi.db"),
        seeds=1,
        baselines=(),
    )
    study.export(folder / "model")
    study.close()
    return folder


@pytest.fixture
def work(searched: Path, folder: Path) -> Path:
    shutil.copytree(searched, folder, dirs_exist_ok=True)
    return folder


def test_an_unknown_study_is_refused_with_the_nearest(work: Path) -> None:
    for command in (("show", "mien"), ("retrain", "mien"), ("export", "mien", "-o", "out")):
        check_refused(work, command, ("no study 'mien'", "did you mean 'mine'", "studies/autofi.db"))


def test_no_studies_are_looked_for_without_leaving_a_database(folder: Path) -> None:
    for command in (("show", "mine"), ("retrain", "mine"), ("export", "mine", "-o", "out"), ("dashboard",)):
        check_refused(folder, command, ("studies/autofi.db",))


def test_an_unknown_trial_is_refused(work: Path) -> None:
    check_refused(work, ("retrain", "mine", "--trial", "7"), ("no finished trial 7", "Known: 0"))


def test_other_data_or_another_space_under_a_study_s_name_is_refused(work: Path) -> None:
    same = (*SEARCH, "--study", "mine")
    facts = ("study 'mine'", "--study")
    check_refused(work, (*same, "--space", "fm"), (*facts, "another search space ('lr' ", "now 'fm' "))
    check_refused(work, (*same, "--ignore", "hour"), (*facts, "other data ('", "now 'clicks.csv' "))
    check_refused(work, (*same, "--seed", "1"), (*facts, "another seed (0, now 1)", "--seed"))
    changed = clicks()
    changed.loc[0, "click"] = 1 - changed.loc[0, "click"]
    changed.to_csv("clicks.csv", index=False)
    check_refused(work, same, (*facts, "other data"))
    for space in ("fm", "lr"):
        with pytest.raises(StudyMismatchError) as refused:
            autofi.search("clicks.csv", space=space, study="mine", baselines=())
        assert len(set(re.findall(r"\b[0-9a-f]{12}\b", str(refused.value)))) == 2


def test_another_space_is_refused_before_the_table_is_read(work: Path) -> None:
    (work / "clicks.csv").unlink()
    command = (*SEARCH, "--study", "mine", "--space", "fm")
    check_refused(work, command, ("study 'mine'", "another search space"))


def test_retraining_on_data_that_changed_is_refused(searched: Path, work: Path) -> None:
    # The study remembers where its data was: there, not in this copy of the folder.
    original = searched / "clicks.csv"
    kept = original.read_bytes()
    try:
        clicks().iloc[::-1].to_csv(original, index=False)
        check_refused(work, ("retrain", "mine", "--seeds", "2"), (str(original), "fingerprint", "restore"))
        original.unlink()
        check_refused(work, ("retrain", "mine", "--seeds", "2"), (f"no file '{original}'",))
    finally:
        original.write_bytes(kept)


PREDICT = ("predict", "model", "clicks.csv", "-o", "scores.csv")


def test_predicting_without_a_column_is_refused(work: Path) -> None:
    clicks().drop(columns="hour").rename(columns={"price": "prices"}).to_csv("clicks.csv", index=False)
    check_refused(work, PREDICT, ("'hour' is missing in clicks.csv",))
    clicks().rename(columns={"price": "prices"}).to_csv("clicks.csv", index=False)
    check_refused(work, PREDICT, ("'price' is missing in clicks.csv", "did you mean 'prices'"))
    check_refused(work, ("evaluate", "model", "clicks.csv"), ("'price' is missing",))


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("predict", "model", "clicks.csv", "-o", "scores.txt"), ("'.txt'", ".csv, .parquet")),
        (("predict", "model", "clicks.csv", "-o", "clicks.csv/scores.csv"), ("cannot be written",)),
        (("predict", "model", "clicks.csv", "-o", "clicks.csv"), ("clicks.csv'", "another name")),
        (("predict", "model", "none.csv", "-o", "scores.csv"), ("no file 'none.csv'",)),
        (("predict", "modle", "clicks.csv", "-o", "scores.csv"), ("'modle'", "did you mean 'model'")),
        (("predict", "studies", "clicks.csv", "-o", "scores.csv"), ("'studies",)),
        (("export", "mine", "-o", "studies"), ("studies", "choose another folder")),
        (("export", "mine", "-o", "clicks.csv"), ("clicks.csv'", "is a file")),
    ],
)
def test_bundles_and_outputs_are_refused(
    work: Path, arguments: tuple[str, ...], facts: tuple[str, ...]
) -> None:
    check_refused(work, arguments, facts)


def test_a_damaged_row_while_predicting_leaves_no_scores(work: Path) -> None:
    (work / "clicks.csv").write_text("city,hour,price,click\nRome,1,2.5,0\nOslo,2,cheap,1\n")
    check_refused(work, PREDICT, ("'price'", "'cheap'", "Row 2 of clicks.csv"))
    (work / "clicks.csv").write_text("city,hour,price,click\nRome,1,2.5,0\nOslo,2\n")
    check_refused(work, PREDICT, ("Line 3 of clicks.csv",))


def test_unseen_values_new_columns_and_another_order_are_fine(work: Path) -> None:
    frame = clicks()
    plain = autofi.load("model").predict_proba(frame)
    changed = frame[["click", "price", "hour", "city"]].assign(extra="x")
    changed.to_csv("clicks.csv", index=False)
    assert run(*PREDICT).exit_code == 0
    np.testing.assert_allclose(pd.read_csv("scores.csv")["probability"], plain, rtol=0, atol=1e-12)

    unseen = changed.drop(columns="click").assign(city="Ångström", hour=99)
    unseen.loc[::2, ["city", "price"]] = None
    unseen.to_csv("clicks.csv", index=False)
    os.remove("scores.csv")
    assert run(*PREDICT).exit_code == 0
    scores = pd.read_csv("scores.csv")["probability"]
    assert len(scores) == ROWS
    assert scores.between(0.0, 1.0).all()


def test_a_name_made_from_the_source_is_one_a_study_can_have() -> None:
    names = {
        "clicks.csv": "clicks-lr",
        "logs/*.parquet": "logs-lr",
        "my (1).csv": "my-1-lr",
        "data/": "data-lr",
        "*.csv": "table-lr",
        "planted:seed=3,rows=500": "planted-seed-3-rows-500-lr",
        None: "table-lr",
    }
    assert {source: default_name(source, "lr") for source in names} == names


def test_a_password_of_the_data_is_not_kept_as_its_name() -> None:
    assert shown_source("postgresql://me:secret@host/ads") == "postgresql://me:***@host/ads"
    assert shown_source("clicks.csv") == "clicks.csv"

"""How to repeat a search: the command asks for what the study was asked for, whatever its columns are called."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.data.schema_overrides import SchemaOverrides
from autofi.objectives.objectives import Goals
from autofi.report.findings import Findings
from autofi.report.html_page import page_html
from autofi.report.repeat_command import STORAGE, Repeat, repeat_search as found_repeat, study_commands
from autofi.space.builtin import builtin_spaces
from autofi.space.load import load_space
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import GOAL
from tests.rashomon.networks import clicks

SPACES = Path(__file__).parent.parent / "spaces"
#: Settings that no command needs to name: what they say is the command's default or its own argument.
IMPLIED = {"overrides", "source", "reading"}


def repeat_search(findings: Findings) -> Repeat:
    found = found_repeat(findings)
    assert found is not None
    return found


def asked(findings: Findings, settings: SearchSettings, *, space: str = "fm", **changes: Any) -> Findings:
    found = load_space(space)
    record = replace(
        findings.record,
        name=changes.pop("name", "mine"),
        settings=settings.to_json(),
        space_name=found.name,
        space_json=found.text(),
        space_fingerprint=found.fingerprint,
    )
    return replace(findings, record=record, asked=settings.trials, **changes)


def understood(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `autofi.search` is called with when the code is pasted into a shell."""
    printing = folder / "autofi"
    printing.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    printing.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    run = subprocess.run(
        ["sh", "-c", code], cwd=folder, env={"PATH": path}, capture_output=True, text=True, check=True
    )
    called: dict[str, Any] = {}

    signature = inspect.signature(autofi.search)

    def search(table: str, **settings: Any) -> None:
        given = signature.bind(table, **settings)
        given.apply_defaults()
        called.update(given.arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(autofi, "search", search)
    monkeypatch.chdir(folder)
    CliRunner().invoke(app, json.loads(run.stdout))
    assert called, run.stdout
    return called


ODD = ("a b", "it's", "-x", "--y", "$HOME", "`id`", 'a"b', "back\\slash", "new\nline", "ä;ö", "*", "a:b")


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (SearchSettings("planted", "click"), {}),
        (
            SearchSettings(
                "planted:seed=3,rows=500",
                "-the click",
                split="time:a day",
                trials=7,
                seeds=2,
                seed=11,
                baselines=(),
                refit=True,
                objectives=("auc", "table_bytes"),
                limits=("table_bytes<=50MB", "auc>=0.7", "latency<=200us"),
                sampler="random",
                strategy="scratch",
                fidelity="halving",
            ),
            {"plateau": 4, "name": "an odd 'name'"},
        ),
        (
            SearchSettings(
                "sqlite:///clicks.db",
                "click",
                query="SELECT * FROM clicks WHERE name = 'it''s' AND x > $1",
                valid="valid.csv",
                test="a test.csv",
                engine="nni",
                tuner="TPE",
                overrides={"split_column": "my part"},
            ),
            {},
        ),
        (
            SearchSettings(
                "planted",
                None,
                overrides={
                    "target": "click",
                    "ignore": list(ODD[:3]),
                    "categorical": list(ODD[3:6]),
                    "numeric": list(ODD[6:9]),
                    "multi_valued": {"a b": "|", "it's": " ", "-z": ":", "c": "\n", "d": ","},
                    "weight": "-w",
                    "group": "the $group",
                    "time": "when?",
                },
            ),
            {},
        ),
        # An option divides a column from its separator at the first colon: a file says it.
        (
            SearchSettings("planted", "click", overrides={"multi_valued": {"a:b": "|", "x": "END_OF_FILE"}}),
            {},
        ),
    ],
    ids=["defaults", "everything", "database and NNI", "odd columns", "a colon"],
)
@pytest.mark.parametrize("space", ["optinter", str(SPACES / "tiny.yaml")])
def test_a_shell_understands_what_the_study_was_asked_for(
    findings: Findings,
    settings: SearchSettings,
    changes: dict[str, Any],
    space: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = asked(findings, settings, space=space, **changes)
    repeat = repeat_search(study)
    assert not repeat.in_python
    called = understood(repeat.code, tmp_path, monkeypatch)
    overrides = called.get("overrides") or SchemaOverrides()
    wanted = settings.schema_overrides()
    assert overrides == wanted.model_copy(update={"target": overrides.target})
    assert (called.get("target") or overrides.target) == (settings.target or wanted.target)
    assert called["table"] == settings.source
    assert load_space(called["space"]).fingerprint == study.record.space_fingerprint
    assert called["study"] == study.record.name
    assert called["storage"] == STORAGE
    for name in (
        "trials",
        "seeds",
        "seed",
        "query",
        "refit",
        "strategy",
        "fidelity",
        "tuner",
        "engine",
        "baselines",
    ):
        assert called.get(name) == getattr(settings, name), name
    assert called.get("sampler") == (None if settings.engine == "nni" else settings.sampler)
    assert called.get("split", SearchSettings.split) == settings.split
    assert [called.get(part) and str(called[part]) for part in ("valid", "test")] == [
        settings.valid,
        settings.test,
    ]
    assert Goals.parse(called["objectives"], called.get("limits")) == Goals.parse(
        settings.objectives, settings.limits
    )
    assert called.get("plateau") == study.plateau


def test_every_setting_is_told(findings: Findings) -> None:
    """A new setting has to be told too: without it a repeat would be of something else."""
    settings = SearchSettings(
        "a.csv",
        "click",
        query="SELECT 1",
        valid="v",
        test="t",
        limits=("auc>=0.7",),
        engine="nni",
        tuner="TPE",
    )
    code = repeat_search(asked(findings, settings, plateau=3)).code
    flags = {"objectives": "objective", "limits": "min"}
    told = {word.removeprefix("--") for word in shlex.split(code) if word.startswith("--")}
    for field in fields(SearchSettings):
        if field.name in IMPLIED or field.name in ("split", "refit", "sampler"):
            continue
        assert flags.get(field.name, field.name) in told, field.name
    other = replace(settings, split="time:day", refit=True, engine="optuna", tuner=None)
    told = set(shlex.split(repeat_search(asked(findings, other)).code))
    assert {"--split", "--refit", "--sampler"} <= told


@pytest.mark.parametrize("name", builtin_spaces())
def test_a_space_that_has_no_name_any_more_is_written_whole(
    findings: Findings, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = asked(findings, SearchSettings("planted", "click"), space=name)
    study = replace(study, record=replace(study.record, space_name="gone"))
    code = repeat_search(study).code
    text = code[code.index("\n") + 1 : code.index("\nEND_OF_FILE")]
    (tmp_path / "space.yaml").write_text(text, "utf-8")
    # Its words are another name's, its choices are the same.
    assert load_space(tmp_path / "space.yaml").fingerprint == study.record.space_fingerprint


def test_a_table_in_memory_is_said_to_be_one(
    findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SearchSettings(
        None,
        "click",
        overrides={"ignore": ["it's"], "multi_valued": {"a:b": "|"}},
        baselines=(),
        seed=3,
        trials=2,
    )
    repeat = repeat_search(asked(findings, settings, space=str(SPACES / "tiny.yaml"), plateau=2))
    assert repeat.in_python
    assert "The table was in memory" in repeat.notes[0]
    called: dict[str, Any] = {}
    monkeypatch.setattr(autofi, "search", lambda table, **given: called.update(given, table=table))
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"click": [0, 1]})
    exec(repeat.code, {"table": table})
    assert called["table"] is table
    assert called["overrides"] == settings.schema_overrides()
    assert load_space(tmp_path / called["space"]).fingerprint == load_space(SPACES / "tiny.yaml").fingerprint
    assert (called["baselines"], called["seed"], called["trials"], called["plateau"]) == ((), 3, 2, 2)


def test_a_password_is_not_told_and_a_file_that_is_not_here_is_noted(findings: Findings) -> None:
    settings = SearchSettings("postgresql://me:secret@host/ads", "click", query="SELECT 1")
    repeat = repeat_search(asked(findings, settings))
    assert "secret" not in repeat.code
    assert any("***" in note for note in repeat.notes)
    repeat = repeat_search(asked(findings, SearchSettings("nowhere/clicks.csv", "click")))
    assert any("'nowhere/clicks.csv' does not exist here" in note for note in repeat.notes)


def test_the_page_has_the_command_and_the_storage(findings: Findings) -> None:
    page = page_html(asked(findings, SearchSettings("planted", "click")))
    assert "autofi search planted" in page
    assert f"--storage {findings.summary['storage']}" in study_commands(findings)


def test_a_study_that_no_search_made_has_no_command_that_would_search(findings: Findings) -> None:
    other = replace(findings, record=replace(findings.record, settings={"seed": 3, "models": ["fm"]}))
    assert found_repeat(other) is None
    # Of a comparison: it has settings of a search, and no space.
    compared = asked(findings, SearchSettings("planted", "click", baselines=()))
    compared = replace(compared, record=replace(compared.record, space_json='{"space": "compare"}'))
    assert found_repeat(compared) is None
    page = page_html(other)
    assert "autofi search" not in page
    assert "autofi show mine" in page


@pytest.mark.slow
def test_the_command_searches_the_same_again(tmp_path: Path) -> None:
    """Pasted into an empty folder, from a study of a table with odd columns: the same data, the same trials."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    table = clicks(900).rename_columns(["it's a", "-b", "c:c", "$d", "click"])
    pq.write_table(table, first / "my clicks.parquet")
    study = autofi.search(
        str(first / "my clicks.parquet"),
        target="click",
        space=SPACES / "tiny.yaml",
        study="odd names",
        storage=str(first / "a.db"),
        overrides=SchemaOverrides(ignore=("-b",), categorical=("it's a", "c:c")),
        trials=2,
        seeds=1,
        seed=5,
        baselines=(),
        device="cpu",
    )
    code = repeat_search(study.findings()).code
    assert study._handle.stage(GOAL) is not None
    shim = tmp_path / "bin" / "autofi"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m autofi "$@" --quiet\n')
    shim.chmod(0o755)
    environment = {**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", code], cwd=second, env=environment, check=True)
    again = autofi.open_study("odd names", str(second / "repeated.db"))
    assert again._handle.record.data_fingerprint == study._handle.record.data_fingerprint
    assert again._handle.record.space_fingerprint == study._handle.record.space_fingerprint
    mine, theirs = study.leaderboard(), again.leaderboard()
    assert list(mine["architecture_id"]) == list(theirs["architecture_id"])
    assert list(mine["valid_auc"]) == pytest.approx(list(theirs["valid_auc"]), abs=1e-9)
    # The winner's importances were measured where the data was open.
    assert study.findings().permutation is not None
    study.close()
    again.close()

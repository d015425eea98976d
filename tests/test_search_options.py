"""Every option of a search is defined once: signature, command line, stored settings and reference say the same."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.cli.column_options import schema_overrides
from autofi.cli.field_options import MOST_CHOICES
from autofi.core.option_fields import flags_of, said_of
from autofi.core.registered_names import registered_names
from autofi.core.registry import Registry
from autofi.engine.search_options import SearchOptions, option_table
from autofi.errors import ConfigError, DataError
from autofi.samplers import registry as sampler_registry
from autofi.samplers.base import Sampler, SamplerContext
from autofi.samplers.registry import register, samplers
from autofi.store.search_settings import SearchSettings
from autofi.strategies.registry import strategies

FIELDS = {field.name: field for field in dataclasses.fields(SearchOptions)}
#: Options of the command that are no parameters of `autofi.search`.
OUTPUT = {"--json", "--quiet", "-q"}
#: As the version before `SearchOptions` wrote them.
STORED: tuple[tuple[SearchSettings, str], ...] = (
    (
        SearchSettings(None),
        '{"source": null, "target": null, "query": null, "split": "random:0.8,0.1,0.1", "valid": null, "test": null, '
        '"overrides": {}, "trials": 12, "seeds": 3, "seed": 0, "baselines": ["lr", "fm", "dnn", "all-memorize", '
        '"all-factorize", "lightgbm", "catboost"], "refit": false, "objectives": ["auc"], "limits": [], '
        '"sampler": "tpe", "strategy": "staged", "fidelity": "full", "engine": "optuna", "tuner": null, "reading": 2, '
        '"ensemble": "auto"}',
    ),
    (
        SearchSettings(
            "clicks.csv",
            "click",
            query="SELECT 1",
            split="time:day",
            valid="v.csv",
            test="t.csv",
            overrides={"ignore": ["a"], "multi_valued": {"g": "|"}},
            trials=5,
            seeds=2,
            seed=7,
            baselines=("lr", "dnn"),
            refit=True,
            objectives=("auc", "latency"),
            limits=("auc>=0.7",),
            sampler="gp",
            strategy="scratch",
            fidelity="halving",
            engine="nni",
            tuner="TPE",
            ensemble="4",
        ),
        '{"source": "clicks.csv", "target": "click", "query": "SELECT 1", "split": "time:day", "valid": "v.csv", '
        '"test": "t.csv", "overrides": {"ignore": ["a"], "multi_valued": {"g": "|"}}, "trials": 5, "seeds": 2, '
        '"seed": 7, "baselines": ["lr", "dnn"], "refit": true, "objectives": ["auc", "latency"], '
        '"limits": ["auc>=0.7"], "sampler": "gp", "strategy": "scratch", "fidelity": "halving", "engine": "nni", '
        '"tuner": "TPE", "reading": 2, "ensemble": "4"}',
    ),
)


def searched(*flags: str, storage: Path) -> Any:
    return CliRunner().invoke(
        app, ["search", "nowhere.csv", *flags, "--storage", f"sqlite:///{storage}/s.db"]
    )


def help_shown() -> str:
    shown = CliRunner().invoke(app, ["search", "--help"], env={"COLUMNS": "300", "TERM": "dumb"})
    assert shown.exit_code == 0
    return shown.stdout


@pytest.mark.parametrize("name", FIELDS)
def test_every_option_has_a_help(name: str) -> None:
    text = said_of(FIELDS[name]).help
    assert text[0].isupper() and text.endswith(".")
    # For the command line and Python alike: no markup of either.
    assert not set("`[]*") & set(text)
    assert text.partition(" ")[2].replace(" ", "") in "".join((autofi.search.__doc__ or "").split())


def test_signature_command_line_and_table_have_the_same_options() -> None:
    parameters = inspect.signature(autofi.search).parameters
    assert list(parameters) == list(FIELDS) == [row.name for row in option_table()]
    command = typer.main.get_command(app).commands["search"]  # type: ignore[attr-defined]
    flags = {flag for found in command.params for flag in (*found.opts, *found.secondary_opts)}
    columns = {f"--{name.replace('_', '-')}" for name in inspect.signature(schema_overrides).parameters}
    told = {flag for field in FIELDS.values() for text in flags_of(field) for flag in text.split("/")}
    assert flags == told | OUTPUT | columns | {"data"}
    assert [name for name, field in FIELDS.items() if not flags_of(field)] == [
        "table",
        "overrides",
        "progress",
    ]


def test_the_signature_has_types_and_defaults() -> None:
    signature = inspect.signature(autofi.search)
    for name, parameter in signature.parameters.items():
        default = FIELDS[name].default
        assert parameter.default == (inspect.Parameter.empty if name == "table" else default), name
        assert parameter.kind is not inspect.Parameter.VAR_KEYWORD
    hints = typing.get_type_hints(autofi.search)
    assert hints["sampler"] == str | None
    assert hints["overrides"] == autofi.SchemaOverrides | None
    assert hints["return"] is autofi.Study


def test_a_mistyped_option_is_told_by_its_name() -> None:
    with pytest.raises(TypeError, match=r"^search\(\) got an unexpected keyword argument 'samplr'$"):
        autofi.search("nowhere.csv", samplr="tpe")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^search\(\) missing a required argument: 'table'$"):
        autofi.search()  # type: ignore[call-arg]


@pytest.mark.parametrize("function", ["work", "compare", "check_table", "inspect_table"])
def test_other_functions_take_the_same_options_alike(function: str) -> None:
    """None stands for what is not given, which not every function knows of."""
    searched, found = typing.get_type_hints(autofi.search), typing.get_type_hints(getattr(autofi, function))
    shared = found.keys() & searched.keys() - {"return"}
    assert len(shared) >= 5
    for name in shared:
        assert searched[name] | None == found[name] | None, name


@pytest.mark.parametrize(("settings", "text"), STORED, ids=["defaults", "everything"])
def test_stored_settings_keep_their_form(settings: SearchSettings, text: str) -> None:
    assert SearchSettings.from_json(json.loads(text)) == settings
    assert json.loads(json.dumps(settings.to_json())) == json.loads(text)


def test_what_is_kept_is_an_option() -> None:
    kept = {field.name for field in dataclasses.fields(SearchSettings)}
    assert kept - FIELDS.keys() == {"source", "reading"}


def test_defaults_in_words_are_those_that_hold() -> None:
    told = {row.name: row.default for row in option_table()}
    kept = SearchSettings(None)
    for name in ("trials", "seeds", "seed", "split", "sampler", "strategy", "fidelity", "engine"):
        assert told[name].startswith(str(getattr(kept, name))), name
    for name in ("baselines", "objectives"):
        assert told[name].startswith(", ".join(getattr(kept, name))), name


def test_help_lists_the_choices() -> None:
    shown = " ".join(help_shown().replace("│", " ").split())
    listed = {row.name: row.choices for row in option_table() if row.choices}
    assert listed.keys() == {
        *("space", "preset", "device", "strategy", "sampler", "fidelity", "engine", "tuner", "objectives"),
    }
    assert listed["sampler"] == tuple(samplers()) and listed["strategy"] == tuple(strategies())
    for name, choices in listed.items():
        assert (f"One of {', '.join(choices)}." in shown) == (len(choices) <= MOST_CHOICES), name


@pytest.mark.parametrize("row", [row for row in option_table() if row.choices], ids=lambda row: row.name)
def test_a_name_that_is_no_choice_is_refused_in_one_line(row: Any, tmp_path: Path) -> None:
    more = ("--engine", "nni") if row.name == "tuner" else ()
    refused = searched(row.flags[0], "nope", *more, storage=tmp_path)
    assert refused.exit_code == 2, refused.output
    assert len(refused.stderr.splitlines()) == 1
    assert "'nope'" in refused.stderr
    if len(row.choices) <= MOST_CHOICES:
        assert all(choice in refused.stderr for choice in row.choices)


@pytest.fixture
def own_sampler(monkeypatch: pytest.MonkeyPatch) -> str:
    """A sampler that nothing but its decorator makes known."""
    known: Registry[Sampler] = Registry("sampler", Sampler, "autofi.samplers", "autofi.samplers", ConfigError)
    for found in samplers().values():
        known.add(found)
    monkeypatch.setattr(sampler_registry, "_REGISTRY", known)

    @register
    class Constant(Sampler):
        name = "constant"
        summary = "always the defaults"
        source = "https://example.org"

        def propose(self, question: SamplerContext) -> Mapping[str, Any]:  # type: ignore[override]
            return question.defaults

    return Constant.name


def test_a_registered_sampler_appears_everywhere(own_sampler: str, tmp_path: Path) -> None:
    choices = next(row.choices for row in option_table() if row.name == "sampler")
    assert own_sampler in choices and "tpe" in choices
    assert f"One of {', '.join(choices)}." in " ".join(help_shown().replace("│", " ").split())
    with pytest.raises(ConfigError, match=f"No sampler named 'constnat': did you mean '{own_sampler}'"):
        autofi.search("nowhere.csv", sampler="constnat", storage=f"sqlite:///{tmp_path}/s.db")
    # The name is taken: what is missing is the table.
    with pytest.raises(DataError, match="There is no file 'nowhere.csv'"):
        autofi.search("nowhere.csv", sampler=own_sampler, storage=f"sqlite:///{tmp_path}/s.db")
    assert "no file 'nowhere.csv'" in searched("--sampler", own_sampler, storage=tmp_path).stderr


@pytest.mark.parametrize(("registry", "listing"), [("samplers", samplers), ("strategies", strategies)])
def test_names_are_read_without_an_import(
    monkeypatch: pytest.MonkeyPatch, registry: str, listing: Any
) -> None:
    known = tuple(listing())
    module = f"autofi.{registry}.registry"
    assert registered_names(module, listing.__name__) == known
    monkeypatch.delitem(sys.modules, module)
    assert registered_names(module, listing.__name__) == known
    assert module not in sys.modules


def test_a_name_in_a_new_file_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "offered"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("import absent\n\n\n@register\nclass One(Base):\n    name = 'one'\n")
    (package / "base.py").write_text("class Base:\n    name = 'base'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert registered_names("offered.registry", "offers") == ("one",)

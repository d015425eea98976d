"""The command line hands its arguments to the public API unchanged and prints the answer where it belongs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.cli.column_options import parse_multi_valued
from autofi.cli.options import parse_duration, parse_limits, parse_list
from autofi.cli.output import quiet_stdout
from autofi.cli.summary_tables import next_command, sentences
from autofi.core.json import to_json_value
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides, load_overrides
from autofi.errors import ConfigError, DataError, MissingDependencyError, StudyNotFoundError
from autofi.readers import open_table
from autofi.store import KeptSummary, StudyStore, resolve_storage
from autofi.store.records import LEADERS

COMMANDS = (
    "search",
    "retrain",
    "studies",
    "show",
    "delete",
    "rename",
    "export",
    "dashboard",
    "predict",
    "evaluate",
    "explain",
    "serve",
    "inspect",
    "check",
    "spaces",
    "operators",
)
SUMMARY: dict[str, Any] = {
    "study": "mine",
    "storage": "sqlite:///studies/autofi.db",
    "best": {"trial": 4, "architecture_id": "0f3a", "valid": {"auc": 0.79, "logloss": 0.41}},
    "winner": {
        "name": "searched",
        "valid": {"auc": 0.7912, "logloss": 0.4101},
        "test": {"auc": 0.7902, "logloss": 0.4111, "auc_std": 0.0004, "auc_interval": [0.7872, 0.7932]},
        "seeds": 3,
        "parameters": 120_345,
        "table_bytes": 2_400_000,
        "seconds": 12.5,
    },
    "baselines": [
        {
            "name": "lightgbm",
            "valid": {"auc": 0.7812, "logloss": 0.42},
            "test": {"auc": 0.7802, "logloss": 0.4201},
            "seeds": 1,
            "parameters": None,
            "table_bytes": None,
            "seconds": 3.0,
        }
    ],
    "comparison": {
        "baseline": "lightgbm",
        "difference": 0.01,
        "interval": [0.008, 0.012],
        "verdict": "better",
    },
    "pairs": [
        {"left": "user", "right": "[item]", "choice": "memorize", "form": "statistics"},
        {"left": "user", "right": "hour", "choice": "naive", "form": None},
    ],
    "fields": [{"name": "user", "forms": ["embedding", "statistics"]}],
    "streams": [
        {"name": "fm", "settings": {}},
        {"name": "selected_products", "settings": {"crosses": [["user", "[item]", "hour"]], "dim": 4}},
    ],
    "boosted_share": 0.45,
    "seconds": {"encode": 1.0, "search": 20.0, "retrain": 12.5, "total": 33.5},
}


class FakeStudy:
    """Answers like a study and remembers what it was asked."""

    def __init__(self, summary: dict[str, Any]) -> None:
        self._summary = summary
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def summary(self) -> dict[str, Any]:
        return self._summary

    def leaderboard(self) -> pd.DataFrame:
        return pd.DataFrame({"trial": [4, 2], "auc": [0.79, 0.78], "flops": [None, None]})

    def keep_summary(self) -> KeptSummary:
        rows = [
            {str(key): value for key, value in row.items()} for row in self.leaderboard().to_dict("records")
        ]
        return KeptSummary(self.summary(), rows[:LEADERS], len(rows))

    def retrain(self, **asked: Any) -> None:
        self.asked.append(("retrain", asked))

    def export(self, path: Path, **asked: Any) -> None:
        asked.pop("progress")
        self.asked.append(("export", {"path": path, **asked}))


@dataclass(frozen=True)
class Record:
    name: str
    distinct: int
    missing_share: float
    source: str | None = None


@pytest.fixture
def runner() -> CliRunner:
    # Wide enough for no cell to be folded.
    return CliRunner(env={"COLUMNS": "160"})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """`api("search", answer)` replaces one public function and returns the list of its calls."""
    monkeypatch.setattr(autofi, "SchemaOverrides", SchemaOverrides, raising=False)
    monkeypatch.setattr(autofi, "load_overrides", load_overrides, raising=False)

    def replace(name: str, answer: Any) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def called(*args: Any, **kwargs: Any) -> Any:
            calls.append({"args": args, **kwargs})
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr(autofi, name, called, raising=False)
        return calls

    return replace


def test_help_lists_every_command(runner: CliRunner) -> None:
    shown = runner.invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert [name for name in COMMANDS if name not in shown.stdout] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example(runner: CliRunner, name: str) -> None:
    shown = runner.invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"autofi {name}" in shown.stdout.split("Example", 1)[1]


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "numpy", "optuna", "sqlalchemy", "pyarrow", "sklearn"}
    assert heavy & loaded_by("search", "--help") == set()


@pytest.mark.slow
def test_what_fits_nothing_imports_little(tmp_path: Path) -> None:
    """To list studies takes the database alone; whatever opens one has no use for what fits regressions."""
    with StudyStore(resolve_storage(f"sqlite:///{tmp_path / 'a.db'}")):
        pass
    listed = loaded_by("studies", "--storage", f"sqlite:///{tmp_path / 'a.db'}")
    assert {"sqlalchemy", "autofi.store"} < listed
    assert {"torch", "sklearn", "autofi.study.study"} & listed == set()
    assert {"sklearn", "scipy.stats"} & loaded("import autofi.study.study, autofi.api.work") == set()


def loaded_by(*command: str) -> set[str]:
    """Modules that a command of AutoFI has imported when it ends."""
    return loaded(
        f"from typer.testing import CliRunner; from autofi.cli.app import app; CliRunner().invoke(app, {list(command)})"
    )


def loaded(code: str) -> set[str]:
    """Modules that Python has imported at the end of `code`."""
    code = f"import sys; {code}; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_version(runner: CliRunner) -> None:
    shown = runner.invoke(app, ["--version"])
    assert shown.exit_code == 0
    assert shown.stdout.strip()


def test_search_without_arguments_is_planted_with_the_default_space(runner: CliRunner, api: Any) -> None:
    calls = api("search", FakeStudy(SUMMARY))
    assert runner.invoke(app, ["search"]).exit_code == 0
    call = calls[0]
    assert call["args"] == ("planted",)
    # What was not given is not passed, so the library's defaults hold.
    assert call.keys() == {"args", "trials", "seeds", "baselines", "progress"}
    assert (call["trials"], call["seeds"]) == (2, 2)


def test_a_table_of_ones_own_is_searched_with_the_defaults_of_the_library(
    runner: CliRunner, api: Any
) -> None:
    calls = api("search", FakeStudy(SUMMARY))
    assert runner.invoke(app, ["search", "clicks.csv"]).exit_code == 0
    assert {"trials", "seeds", "baselines"}.isdisjoint(calls[0])


def test_search_hands_over_what_was_given(runner: CliRunner, api: Any) -> None:
    calls = api("search", FakeStudy(SUMMARY))
    text = (
        "search clicks.csv --target click --space fm --study mine --storage sqlite:///s.db --trials 7"
        " --timeout 10m --seeds 5 --device cpu --seed 3 --split time:day --valid v.csv --test t.csv"
        " --baselines lightgbm,dnn --refit --query q --objective auc --objective latency"
        " --max latency=1ms --max flops=3M --min auc=.7"
    )
    assert runner.invoke(app, text.split()).exit_code == 0
    expected = {
        "args": ("clicks.csv",),
        "target": "click",
        "space": "fm",
        "study": "mine",
        "storage": "sqlite:///s.db",
        "trials": 7,
        "timeout": 600.0,
        "seeds": 5,
        "device": "cpu",
        "seed": 3,
        "split": "time:day",
        "valid": Path("v.csv"),
        "test": Path("t.csv"),
        "baselines": ("lightgbm", "dnn"),
        "refit": True,
        "query": "q",
        "objectives": ["auc", "latency"],
        "limits": ("latency<=1ms", "flops<=3M", "auc>=.7"),
    }
    assert {key: calls[0][key] for key in expected} == expected


def test_storage_comes_from_the_environment(runner: CliRunner, api: Any) -> None:
    calls = api("list_studies", [])
    runner.invoke(app, ["studies"], env={"AUTOFI_STORAGE": "postgresql://host/autofi"})
    assert calls[0]["storage"] == "postgresql://host/autofi"


def test_column_flags_become_overrides_and_win_over_the_file(
    runner: CliRunner, api: Any, tmp_path: Path
) -> None:
    calls = api("search", FakeStudy(SUMMARY))
    settings = tmp_path / "schema.yaml"
    settings.write_text("numeric: [age, hour]\nignore: [name, v]\nweight: w\n")
    flags = ["--categorical", "hour", "--multi-valued", "genres:|", "--weight", "v", "--split-column", "part"]
    flags += ["--no-header", "--delimiter", "tab"]
    result = runner.invoke(app, ["search", "clicks.csv", "--schema", str(settings), *flags])
    assert result.exit_code == 0, result.stderr
    overrides = calls[0]["overrides"]
    assert overrides.numeric == ("age",)
    assert overrides.categorical == ("hour",)
    assert overrides.ignore == ("name",)
    assert overrides.multi_valued == {"genres": "|"}
    assert (overrides.weight, overrides.split_column) == ("v", "part")
    assert (overrides.header, overrides.delimiter) == (False, "tab")


def test_json_is_one_object_on_standard_output(runner: CliRunner, api: Any) -> None:
    api("search", FakeStudy(SUMMARY))
    result = runner.invoke(app, ["search", "--json"])
    assert json.loads(result.stdout) == SUMMARY
    assert "lightgbm" in result.stderr  # the table, for the person who waits


def test_json_of_unknown_parts_is_null(runner: CliRunner, api: Any) -> None:
    summary = SUMMARY | {
        "winner": None,
        "comparison": None,
        "baselines": [],
        "seconds": {"search": float("nan")},
    }
    api("open_study", FakeStudy(summary))
    shown = json.loads(runner.invoke(app, ["show", "mine", "--json"]).stdout)
    assert shown["winner"] is None
    assert shown["seconds"] == {"search": None}


def test_what_the_work_prints_stays_off_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stdout():
        print("from Python")  # noqa: T201
        os.write(1, b"from native code\n")
    print("the answer")  # noqa: T201
    out, err = capfd.readouterr()
    assert out == "the answer\n"
    assert "from Python" in err
    assert "from native code" in err


def test_search_ends_with_winner_baselines_choices_and_the_next_command(runner: CliRunner, api: Any) -> None:
    api("search", FakeStudy(SUMMARY))
    shown = runner.invoke(app, ["search", "--storage", "sqlite:///s.db"]).stdout
    for part in (
        "0.7902 ± 0.0004",
        "0.7872–0.7932",
        "120 k",
        "2.4 MB",
        "lightgbm",
        "1 memorize, 0 factorize, 1 naive",
        "user × [item]",
        "Streams: fm\n",
        "selected_products, crosses user × [item] × hour, dim 4",
        "Beside:  boosted trees, 45% of the logit",
        "better than lightgbm",
        "autofi export mine -o mine-model --storage sqlite:///studies/autofi.db",
    ):
        assert part in shown


def test_a_baseline_that_won_is_named_plainly() -> None:
    comparison = {"baseline": "catboost", "difference": -0.02, "interval": [-0.03, -0.01], "verdict": "worse"}
    assert sentences(SUMMARY | {"comparison": comparison})[0].startswith("A baseline won: catboost")
    tie = comparison | {"difference": 0.0, "interval": [-0.01, 0.01], "verdict": "tie"}
    assert sentences(SUMMARY | {"comparison": tie})[0].startswith("A tie")
    assert "not retrained yet" in sentences(SUMMARY | {"winner": None})[0]


def test_a_study_that_was_not_retrained_is_shown_with_what_to_do(runner: CliRunner, api: Any) -> None:
    summary = SUMMARY | {"winner": None, "comparison": None, "baselines": [], "pairs": [], "fields": []}
    api("open_study", FakeStudy(summary))
    shown = runner.invoke(app, ["show", "mine"])
    assert shown.exit_code == 0
    assert "autofi retrain mine" in shown.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_show_fits(runner: CliRunner, api: Any, width: int) -> None:
    baselines = [
        SUMMARY["winner"] | {"name": name} for name in ("all-factorize", "armnet_one_head", "catboost")
    ]
    pairs = [
        {"left": f"field {a}", "right": f"field {b}", "choice": "factorize"}
        for a in range(9)
        for b in range(a)
    ]
    reasons = ["Trial 7 has the higher validation AUC (0.8794 against 0.8790): " + "a long reason " * 9 + "."]
    limits = {"objectives": ["auc", "latency"], "limits": ["table_bytes<=50000000.0"]}
    study = FakeStudy(SUMMARY | limits | {"baselines": baselines, "pairs": pairs, "reasons": reasons})
    row = {
        "valid_auc": 0.81234567, "valid_logloss": 0.4, "parameters": 12_345_678, "table_bytes": 1.5e9,
        "flops": 1e7, "latency": 1234.5, "seconds": 1234.5, "feasible": False, "architecture": "long " * 40,
    }  # fmt: skip
    study.leaderboard = lambda: pd.DataFrame([{"trial": number, **row} for number in range(14)])  # type: ignore[method-assign]
    api("open_study", study)
    shown = runner.invoke(app, ["show", "mine"], env={"COLUMNS": str(width)}).stdout
    assert max(map(len, shown.splitlines())) <= width
    # Nothing is cut off, and a table's row is one line.
    assert "…" not in shown
    for whole in (
        "0.7902 ± 0.0004",
        "0.7872–0.7932",
        "armnet_one_head",
        "0.8123",
        "1.5 GB",
        "1,234 us",
        "over a limit",
    ):
        assert whole in shown
    assert len(re.findall(r"^ *\d+ +0\.8123 ", shown, flags=re.MULTILINE)) == 10
    assert "(the first 10 of 14)" in shown
    (heading,) = [line for line in shown.splitlines() if line.split()[:1] == ["trial"]]
    assert len(re.split(r"  +", heading.strip())) <= 8
    assert "autofi export mine -o mine-model" in shown


def test_show_prints_the_leaderboard_without_empty_columns(runner: CliRunner, api: Any) -> None:
    api("open_study", FakeStudy(SUMMARY))
    shown = runner.invoke(app, ["show", "mine"]).stdout
    assert "Leaderboard" in shown
    assert "flops" not in shown


def test_next_command_can_be_pasted() -> None:
    summary = SUMMARY | {"study": "my study"}
    assert next_command(summary, None) == "autofi export 'my study' -o 'my study-model'"


def test_next_command_leaves_out_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOFI_STORAGE", "postgresql://me:secret@host/autofi")
    assert next_command(SUMMARY, "postgresql://me:secret@host/autofi") == "autofi export mine -o mine-model"
    masked = SUMMARY | {"storage": "postgresql://me:***@other/autofi"}
    assert "secret" not in next_command(masked, "postgresql://me:secret@other/autofi")


def test_retrain_and_export_ask_the_study(runner: CliRunner, api: Any) -> None:
    study = FakeStudy(SUMMARY)
    api("open_study", study)
    assert runner.invoke(app, ["retrain", "mine", "--trial", "2", "--seeds", "4"]).exit_code == 0
    exported = runner.invoke(app, ["export", "mine", "-o", "model"])
    assert exported.exit_code == 0
    assert exported.stdout == ""
    assert "autofi predict model DATA -o scores.csv" in exported.stderr
    (_, retrained), export = study.asked
    assert (retrained["trial"], retrained["seeds"]) == (2, 4)
    plain = {
        "path": Path("model"),
        "trial": None,
        "forms": ("onnx", "pt2", "torch"),
        "calibrate": None,
        "quantize": None,
        "single": False,
    }
    assert export == ("export", plain)
    asked = ["export", "mine", "--trial", "4", "-o", "small", "--calibrate", "isotonic"]
    assert runner.invoke(app, [*asked, "--format", "onnx", "--quantize", "int8"]).exit_code == 0
    changed = {
        "path": Path("small"),
        "trial": 4,
        "forms": ("onnx",),
        "calibrate": "isotonic",
        "quantize": "int8",
    }
    assert study.asked[-1] == ("export", plain | changed)


def test_predict_and_evaluate_ask_the_bundle(runner: CliRunner, api: Any) -> None:
    class Predictor:
        def predict_file(self, source: str, output: Path, **_: Any) -> int:
            assert (source, output) == ("day.csv", Path("scores.parquet"))
            return 1234

        def evaluate(self, source: str, **_: Any) -> dict[str, float]:
            return {"rows": 10, "auc": 0.75, "logloss": 0.5}

    loads = api("load", Predictor())
    predicted = runner.invoke(app, ["predict", "model", "day.csv", "-o", "scores.parquet"])
    assert predicted.exit_code == 0
    assert "1,234" in predicted.stderr
    evaluated = runner.invoke(app, ["evaluate", "model", "day.csv", "--json"])
    assert json.loads(evaluated.stdout) == {"rows": 10, "auc": 0.75, "logloss": 0.5}
    assert loads[0]["args"] == (Path("model"),)


@pytest.mark.parametrize(
    ("command", "function"),
    [
        (["studies"], "list_studies"),
        (["spaces"], "list_spaces"),
        (["operators"], "list_operators"),
    ],
)
def test_listings_are_tables_and_objects(
    runner: CliRunner, api: Any, command: list[str], function: str
) -> None:
    api(function, (Record("[a]", 1234, 0.25), Record("b", 2, 0.0)))
    table = runner.invoke(app, command).stdout
    assert "[a]" in table
    assert "1,234" in table
    assert "25.0%" in table
    assert "source" not in table  # nobody has one
    (rows,) = json.loads(runner.invoke(app, [*command, "--json"]).stdout).values()
    assert rows[0] == {"name": "[a]", "distinct": 1234, "missing_share": 0.25, "source": None}


def test_inspect_says_how_a_table_would_be_read(runner: CliRunner, api: Any) -> None:
    table = open_table(pd.DataFrame({"click": [0, 1, 0, 1], "site": ["a", "[b]", None, "a"]}))
    calls = api("inspect_table", infer_schema(table, target="click"))
    shown = runner.invoke(app, ["inspect", "clicks.csv", "--target", "click", "--ignore", "x"])
    assert shown.exit_code == 0
    (site,) = [line.split() for line in shown.stdout.splitlines() if line.split()[:1] == ["site"]]
    assert site == ["site", "field", "categorical", "text", "text", "2", "25.0%", "a"]
    assert "4 rows, target 'click'" in shown.stdout
    assert calls[0]["overrides"].ignore == ("x",)
    told = json.loads(runner.invoke(app, ["inspect", "clicks.csv", "--json"]).stdout)
    assert (told["rows"], told["target"]) == (4, "click")
    assert [column["kind"] for column in told["columns"]] == ["categorical", "categorical"]


@pytest.mark.parametrize(
    "error",
    [
        DataError("the file clicks.csv does not exist: check the path"),
        StudyNotFoundError("no study 'mine' in sqlite:///s.db: autofi studies lists them"),
        MissingDependencyError("LightGBM is not installed: pip install 'autofi[baselines]'"),
        ConfigError("two\nlines"),
    ],
)
def test_a_users_error_is_one_line_and_exit_code_2(runner: CliRunner, api: Any, error: Exception) -> None:
    api("search", error)
    result = runner.invoke(app, ["search", "clicks.csv", "--json"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == f"autofi: error: {' '.join(str(error).split())}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("search", "x.csv", "--trials", "many"), "Invalid value for '--trials'"),
        (("search", "--colour"), "No such option: --colour"),
        (("ssearch",), "Did you mean 'search'?; see autofi --help"),
        (("predict",), "Missing argument 'DIR'; see autofi predict --help"),
    ],
)
def test_a_wrong_command_line_is_one_line_too(
    runner: CliRunner, arguments: tuple[str, ...], told: str
) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("autofi: error: ")
    assert told in line


@pytest.mark.parametrize("text", ["soon", "10x", "0m", "-5", ""])
def test_a_wrong_timeout_is_a_users_error(runner: CliRunner, text: str) -> None:
    result = runner.invoke(app, ["search", f"--timeout={text}"])
    assert result.exit_code == 2
    assert "--timeout" in result.stderr


def test_two_splits_are_refused(runner: CliRunner) -> None:
    result = runner.invoke(app, ["search", "c.csv", "--split", "time:day", "--split-column", "part"])
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_an_interrupt_says_what_is_kept(runner: CliRunner, api: Any) -> None:
    api("search", KeyboardInterrupt())
    result = runner.invoke(app, ["search"])
    assert result.exit_code == 130
    assert "finished work is kept; run the same command again to resume" in result.stderr


def test_our_own_bugs_keep_their_traceback(runner: CliRunner, api: Any) -> None:
    api("search", RuntimeError("a bug"))
    assert isinstance(runner.invoke(app, ["search"]).exception, RuntimeError)


def test_durations_lists_and_separators() -> None:
    assert [parse_duration(t) for t in ("90s", "10m", "2h", "1h30m", "1.5m", "45")] == [
        90,
        600,
        7200,
        5400,
        90,
        45,
    ]
    assert parse_list("lightgbm, dnn") == ("lightgbm", "dnn")
    assert parse_list("none") == ()
    assert parse_multi_valued(["genres:|", "tags::"]) == {"genres": "|", "tags": ":"}
    with pytest.raises(ConfigError, match="genres"):
        parse_multi_valued(["genres"])
    assert parse_limits(["flops = 3M"], ["auc=.7"]) == ("flops<=3M", "auc>=.7")
    assert parse_limits(None, None) is None
    with pytest.raises(ConfigError, match="--min 'auc>.7' is not NAME=VALUE"):
        parse_limits(None, ["auc>.7"])


def test_plain_values_for_json() -> None:
    import numpy as np

    answer = {"a": np.float32(0.5), "b": (np.int64(3), float("inf")), 1: datetime(2026, 1, 2, tzinfo=UTC)}
    assert to_json_value(answer) == {"a": 0.5, "b": [3, None], "1": "2026-01-02T00:00:00+00:00"}

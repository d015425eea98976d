"""`autofi serve` hands its options on, and names the extra that is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.serving.limits import Limits

OPTIONS = (
    "--host 0.0.0.0 --port 0 --name ctr --max-rows 5 --max-bytes 2kB --batch-window 5ms --max-batch 7 "
    "--log-level info --batch-timeout 3s --shutdown-timeout 1m --allowed-host ads --allowed-host ctr.example"
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, dict[str, Any]]]:
    made: list[tuple[Path, dict[str, Any]]] = []
    monkeypatch.setattr(autofi, "serve", lambda bundle, **asked: made.append((bundle, asked)), raising=False)
    return made


def test_options_become_limits(calls: list[tuple[Path, dict[str, Any]]]) -> None:
    for options in ("", OPTIONS, "--batch-window 0 --max-bytes 1GiB"):
        assert CliRunner().invoke(app, ["serve", "model", *options.split()]).exit_code == 0
    default = {"host": "127.0.0.1", "port": 8080, "name": None, "log_level": "warning", "allowed_hosts": ()}
    asked = {"host": "0.0.0.0", "port": 0, "name": "ctr", "log_level": "info"}
    asked |= {"allowed_hosts": ("ads", "ctr.example")}
    limits = Limits(
        rows=5, body_bytes=2000, batch_rows=7, window=0.005, batch_seconds=3.0, shutdown_seconds=60.0
    )
    assert calls == [
        (Path("model"), default | {"limits": Limits()}),
        (Path("model"), asked | {"limits": limits}),
        (Path("model"), default | {"limits": Limits(window=0.0, body_bytes=2**30)}),
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--max-bytes many", "--max-bytes 'many' is not a size"),
        ("--max-bytes 0", "--max-bytes '0' is not a size"),
        ("--batch-window soon", "--batch-window 'soon' is not a length of time; write 2ms or 0"),
        ("--batch-timeout 0", "--batch-timeout '0' is not longer than 0; write 30s"),
        ("--shutdown-timeout never", "--shutdown-timeout 'never' is not a length of time"),
        ("--max-rows 0", "--max-rows"),
        ("--port 70000", "--port"),
        ("--log-level loud", "--log-level"),
    ],
)
def test_wrong_options_are_refused(calls: list[Any], options: str, told: str) -> None:
    result = CliRunner().invoke(app, ["serve", "model", *options.split()])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert told in line
    assert calls == []


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "autofi.serving.server", raising=False)
    result = CliRunner().invoke(app, ["serve", "model"])
    assert result.exit_code == 2
    assert "The package uvicorn" in result.stderr and "pip install 'autofi[serve]'" in result.stderr

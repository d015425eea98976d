"""The dashboard shows what the store keeps under the names it was kept by, and changes nothing."""

from __future__ import annotations

import builtins
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from autofi import dashboard
from autofi.dashboard import HOST, dashboard_app, open_dashboard
from autofi.errors import ConfigError, MissingDependencyError, StoreError
from autofi.store import StudyStore, resolve_storage
from tests.store.examples import CREATED, PARAMS, measured, start

pytest.importorskip("optuna_dashboard")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[str]:
    """A database with the study `mine` of two trials; braces in its path must not confuse Optuna."""
    path = str(tmp_path / "{studies}" / "a.db")
    with StudyStore(resolve_storage(path)) as store:
        with store.create_or_resume("mine", **CREATED) as study:
            for number, auc in enumerate((0.71, 0.79)):
                study.finish_trial(start(study, architecture_id=f"a{number}"), auc, attrs=measured(auc))
        yield path


def ask(app: Any, method: str, path: str) -> tuple[str, Any]:
    """Status line and JSON body (None where it is something else)."""
    environ: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": method}
    setup_testing_defaults(environ)
    answered: list[str] = []
    parts = app(environ, lambda status, headers, *_: answered.append(status))
    body = b"".join(parts)
    if hasattr(parts, "close"):
        parts.close()
    try:
        return answered[0], json.loads(body)
    except ValueError:
        return answered[0], None


def test_studies_have_their_names_and_values(storage: str) -> None:
    app = dashboard_app(storage)
    status, listed = ask(app, "GET", "/api/studies")
    assert status == "200 OK"
    (study,) = listed["study_summaries"]
    assert (study["study_name"], study["directions"]) == ("mine", ["maximize"])

    status, shown = ask(app, "GET", f"/api/studies/{study['study_id']}")
    assert status == "200 OK"
    assert [trial["values"] for trial in shown["trials"]] == [[0.71], [0.79]]
    assert [trial["state"] for trial in shown["trials"]] == ["Complete", "Complete"]
    assert shown["best_trials"][0]["number"] == 1
    assert shown["objective_names"] == ["valid AUC"]
    assert {param["name"] for param in shown["trials"][0]["params"]} == set(PARAMS)
    attributes = {attr["key"]: attr["value"] for attr in study["user_attrs"]}
    assert attributes["autofi_space"] == CREATED["space_name"]
    assert attributes["autofi_data"] == CREATED["data_source"]


def test_pages_are_served(storage: str) -> None:
    app = dashboard_app(storage)
    assert ask(app, "GET", "/dashboard")[0] == "200 OK"
    assert ask(app, "HEAD", "/dashboard")[0] == "200 OK"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/studies/{id}"),
        ("POST", "/api/studies"),
        ("POST", "/api/studies/{id}/rename"),
        ("PUT", "/api/studies/{id}/note"),
        ("PATCH", "/api/studies/{id}"),
    ],
)
def test_nothing_can_be_changed(storage: str, method: str, path: str) -> None:
    app = dashboard_app(storage)
    before = ask(app, "GET", "/api/studies")[1]
    study = before["study_summaries"][0]["study_id"]
    status, _ = ask(app, method, path.format(id=study))
    assert status == "403 Forbidden"
    assert ask(app, "GET", "/api/studies")[1] == before
    with StudyStore(resolve_storage(storage)) as store:
        assert [(found.name, found.trials) for found in store.list()] == [("mine", 2)]


def test_a_database_that_does_not_exist_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database at sqlite:.*run autofi search"):
        open_dashboard(str(tmp_path / "studies" / "none.db"))
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_its_name_is_told(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "optuna_dashboard":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"autofi\[dashboard\]"):
        dashboard_app(storage)


def test_it_listens_on_this_machine_until_interrupted(
    storage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    servers: list[Any] = []
    made = threading.Event()
    real = dashboard.make_server

    def remember(*args: Any, **kwargs: Any) -> Any:
        servers.append(real(*args, **kwargs))
        made.set()
        return servers[0]

    monkeypatch.setattr(dashboard, "make_server", remember)
    thread = threading.Thread(target=open_dashboard, args=(storage, 0))
    thread.start()
    assert made.wait(30)
    server = servers[0]
    try:
        assert server.server_address[0] == "127.0.0.1"
        place = f"http://{HOST}:{server.server_port}"
        with urllib.request.urlopen(f"{place}/api/studies", timeout=30) as answer:
            assert json.load(answer)["study_summaries"][0]["study_name"] == "mine"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(
                urllib.request.Request(f"{place}/api/studies/1", method="DELETE"), timeout=30
            )
        assert refused.value.code == 403
        refused.value.close()
    finally:
        server.shutdown()
        thread.join(30)
    assert place in capsys.readouterr().err


def test_a_port_that_is_taken_is_one_line(storage: str) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"free port: 127.0.0.1:\d+"):
            open_dashboard(storage, port=taken.getsockname()[1])

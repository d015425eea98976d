"""The dashboard shows what the store keeps under the names it was kept by, and changes nothing."""

from __future__ import annotations

import builtins
import json
import re
import shutil
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server
from wsgiref.util import setup_testing_defaults

import pytest
from typer.testing import CliRunner

from autofi.cli.app import app
from autofi.dashboard import dashboard_app, open_dashboard
from autofi.dashboard.access import LOOPBACK
from autofi.errors import ConfigError, MissingDependencyError, StoreError
from autofi.store import StudyStore, resolve_storage
from tests.store.examples import CREATED, PARAMS, measured, start

pytest.importorskip("optuna_dashboard")
#: Seconds that mean something hangs, on a busy machine too.
WAIT = 120


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the study `mine` of two trials, to copy."""
    path = tmp_path_factory.mktemp("made") / "a.db"
    with (
        StudyStore(resolve_storage(str(path))) as store,
        store.create_or_resume("mine", **CREATED) as study,
    ):
        for number, auc in enumerate((0.71, 0.79)):
            study.finish_trial(start(study, architecture_id=f"a{number}"), auc, attrs=measured(auc))
    return path


@pytest.fixture
def storage(made: Path, tmp_path: Path) -> str:
    """The same database; braces in its path must not confuse Optuna."""
    path = tmp_path / "{studies}" / "a.db"
    path.parent.mkdir()
    shutil.copy(made, path)
    return str(path)


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
    served_app = dashboard_app(storage)
    status, listed = ask(served_app, "GET", "/api/studies")
    assert status == "200 OK"
    (study,) = listed["study_summaries"]
    assert (study["study_name"], study["directions"]) == ("mine", ["maximize"])

    status, shown = ask(served_app, "GET", f"/api/studies/{study['study_id']}")
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
    served_app = dashboard_app(storage)
    assert ask(served_app, "GET", "/dashboard")[0] == "200 OK"
    assert ask(served_app, "HEAD", "/dashboard")[0] == "200 OK"


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
    served_app = dashboard_app(storage)
    before = ask(served_app, "GET", "/api/studies")[1]
    study = before["study_summaries"][0]["study_id"]
    status, _ = ask(served_app, method, path.format(id=study))
    assert status == "403 Forbidden"
    assert ask(served_app, "GET", "/api/studies")[1] == before
    with StudyStore(resolve_storage(storage)) as store:
        assert [(found.name, found.trials) for found in store.list()] == [("mine", 2)]


def test_a_database_that_does_not_exist_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database at sqlite:.*run autofi search"):
        open_dashboard(str(tmp_path / "studies" / "none.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [{"host": "0.0.0.0"}, {"allow_changes": True}, {"token": "short"}])
def test_what_would_be_open_to_strangers_is_refused(storage: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--token auto"):
        open_dashboard(storage, **settings)


def test_without_the_extra_its_name_is_told(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "optuna_dashboard":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"autofi\[dashboard\]"):
        dashboard_app(storage)


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, storage: str, **settings: Any) -> Iterator[Any]:
    """The server of a dashboard that runs inside."""
    servers: list[Any] = []
    listening = threading.Event()
    real = make_server

    def remember(*args: Any, **kwargs: Any) -> Any:
        servers.append(real(*args, **kwargs))
        listening.set()
        return servers[0]

    monkeypatch.setattr("autofi.dashboard.server.make_server", remember)
    thread = threading.Thread(target=open_dashboard, args=(storage, 0), kwargs=settings)
    thread.start()
    assert listening.wait(WAIT)
    try:
        yield servers[0]
    finally:
        servers[0].shutdown()
        thread.join(WAIT)


def fetch(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_it_listens_on_this_machine_until_interrupted(
    storage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(monkeypatch, storage) as server:
        assert server.server_address[0] == "127.0.0.1"
        place = f"http://{LOOPBACK}:{server.server_port}"
        status, listed = fetch(f"{place}/api/studies")
        assert (status, json.loads(listed)["study_summaries"][0]["study_name"]) == (200, "mine")
        assert fetch(f"{place}/api/studies/1", "DELETE")[0] == 403
    assert f"{place}/ (Ctrl-C ends)" in capsys.readouterr().err


def test_the_token_it_makes_is_in_the_address_that_it_prints(
    storage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(monkeypatch, storage, host="0.0.0.0", token="auto", allow_changes=True) as server:
        assert server.server_address[0] == "0.0.0.0"
        place = f"http://{LOOPBACK}:{server.server_port}"
        assert fetch(f"{place}/api/studies")[0] == 401
        # Printed once it serves.
        while not (printed := capsys.readouterr().err):
            threading.Event().wait(0.05)
        (token,) = re.findall(r"\d/\?token=(\S{20,}) \(Ctrl-C ends\)", printed)
        bearer = {"Authorization": f"Bearer {token}"}
        (found,) = json.loads(fetch(f"{place}/api/studies", **bearer)[1])["study_summaries"]
        assert found["study_name"] == "mine"
        one = f"{place}/api/studies/{found['study_id']}"
        body = {**bearer, "Content-Type": "application/json"}
        assert fetch(f"{one}/rename", "POST", **body)[0] == 403
        assert fetch(one, "DELETE", Origin="http://evil.example", **body)[0] == 403
        assert fetch(one, "DELETE", Origin=place, **body)[0] == 204
    with StudyStore(resolve_storage(storage)) as store:
        assert store.list() == ()


def test_a_token_that_was_given_is_not_printed(
    storage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(monkeypatch, storage, token="open sesame".replace(" ", "-")):
        while not (printed := capsys.readouterr().err):
            threading.Event().wait(0.05)
    assert "sesame" not in printed
    assert "/?token=TOKEN (Ctrl-C ends)" in printed


def test_notes_and_figures_that_a_study_lacks_are_added(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(monkeypatch, storage) as server:
        page = f"http://{LOOPBACK}:{server.server_port}/api/studies/1"
        # Meanwhile it serves; the figures come last.
        while not (shown := json.loads(fetch(page)[1]))["plotly_graph_objects"]:
            threading.Event().wait(0.1)
    assert all("| parameters | 1,200 |" in trial["note"]["body"] for trial in shown["trials"])
    assert [figure["id"] for figure in shown["plotly_graph_objects"]] == ["trials"]


@pytest.mark.parametrize(
    ("words", "token", "told"),
    [
        (["--host", "0.0.0.0"], None, "--host 0.0.0.0 opens the dashboard"),
        (["--allow-changes"], None, "--allow-changes needs a token"),
        (["--token", "short"], None, "8 to 200 visible ASCII characters"),
        (["--allow-changes"], "short", "8 to 200 visible ASCII characters"),
        (["--host", "192.0.2.1", "--port", "0"], "long-enough", "192.0.2.1:0 is not available"),
    ],
)
def test_the_command_line_refuses_it_in_one_line(
    storage: str, words: list[str], token: str | None, told: str
) -> None:
    given = {"AUTOFI_DASHBOARD_TOKEN": token} if token else {}
    result = CliRunner(env=given).invoke(app, ["dashboard", "--storage", storage, *words])
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("autofi: error: ") and told in line


def test_a_port_that_is_taken_is_one_line(storage: str) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"127.0.0.1:\d+ is not available"):
            open_dashboard(storage, port=taken.getsockname()[1])

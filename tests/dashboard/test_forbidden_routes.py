"""What would break a study is forbidden by the route that is called, however its path is written."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import bottle
import pytest

pytest.importorskip("optuna_dashboard")

from autofi.dashboard import dashboard_app
from autofi.dashboard.access import Access
from autofi.dashboard.forbidden_routes import FORBIDDEN, forbid
from autofi.dashboard.server import listen
from autofi.store import StudyStore, TrialState, resolve_storage
from tests.store.examples import CREATED, start

TOKEN = "correct-horse"
#: Behind, before or in the path: each is decoded and matched before a route is called.
BEHIND = (
    "",
    "/",
    "//",
    "%0a",
    "%0A",
    "/%0a",
    "%0a/",
    "%ff",
    "%c3",
    "%80/",
    "%0d%0a",
    "?a=b",
    "#x",
    "%2f",
    ";x",
    "%00",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """The port of a dashboard that allows changes, and its database with one study and a running trial."""
    storage = str(tmp_path_factory.mktemp("forbidden") / "a.db")
    with StudyStore(resolve_storage(storage)) as store, store.create_or_resume("mine", **CREATED) as study:
        start(study)
        with listen(
            dashboard_app(storage, Access(token=TOKEN, allow_changes=True)), "127.0.0.1", 0
        ) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield server.server_port, storage
            server.shutdown()
            thread.join()


def ask(port: int, method: str, target: str, body: dict[str, Any]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request(method, target, json.dumps(body), headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("behind", BEHIND)
def test_no_spelling_of_a_path_gets_past_it(served: tuple[int, str], behind: str) -> None:
    port, storage = served
    rename, tell = {"study_name": "theirs"}, {"state": "Fail"}
    for prefix in ("", "/", "/api/..", "/%2e", "/api/%2e%2e"):
        for method in ("POST", "post"):
            for place in (
                "/api/studies/1/rename",
                "/api/studies/%31/re%6eame",
                "/api/studies/01/rename",
                "/API/studies/1/rename",
            ):
                assert ask(port, method, prefix + place + behind, rename) in (403, 404, 405, 400)
            assert ask(port, method, prefix + "/api/trials/1/tell" + behind, tell) in (403, 404, 405, 400)
    with StudyStore(resolve_storage(storage)) as store:
        assert [study.name for study in store.list()] == ["mine"]
        assert [trial.state for trial in store.open("mine").trials()] == [TrialState.RUNNING]


def test_the_plain_routes_are_told_why_and_others_work(served: tuple[int, str]) -> None:
    port, _ = served
    assert ask(port, "POST", "/api/studies/1/rename", {"study_name": "theirs"}) == 403
    assert ask(port, "POST", "/api/studies/1/rename%0a", {"study_name": "theirs"}) == 403
    assert ask(port, "POST", "/api/trials/1/user-attrs", {"user_attrs": {"mine": 1}}) == 204


def test_a_dashboard_without_those_routes_is_noticed() -> None:
    app = bottle.Bottle()
    for method, rule in sorted(FORBIDDEN)[1:]:
        app.route(rule, method, lambda **_: "")
    with pytest.raises(RuntimeError, match="out of date"):
        forbid(app)

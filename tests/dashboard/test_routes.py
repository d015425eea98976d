"""The pages beside Optuna's dashboard: the list of studies, their reports, and the way from each to the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import optuna
import pytest

from autofi.dashboard import dashboard_app
from autofi.dashboard.access import Access
from autofi.engine.stopping import StoppingRule
from autofi.records.predictions import LABELS, model_key, save_predictions
from autofi.report.findings import Findings
from autofi.report.html_page import Links, page_html
from autofi.store import ModelRole, StudyHandle, StudyStore, resolve_storage
from autofi.store.database import Database
from autofi.store.optuna_stages import StageTrial
from autofi.store.stage_keys import STOPPED
from autofi.study.study import open_study
from tests.dashboard.asking import Answer, fetch
from tests.dashboard.studies import architecture, begin, measure, searching
from tests.store.examples import CREATED, measured, start

pytest.importorskip("optuna_dashboard")
OURS = ["/", "/studies.json", "/report/mine", "/plotly.min.js", "/autofi/landing.js", "/autofi/links.js"]
TOKEN = "correct-horse"
ROWS = 200


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return str(tmp_path / "a.db")


@pytest.fixture
def handle(storage: str) -> Iterator[StudyHandle]:
    """A search that has come to two of twelve trials, and failed once."""
    with searching(storage) as handle:
        StoppingRule(12).keep(handle)
        for turn, auc in enumerate((0.71, 0.79)):
            measure(handle, architecture(turn=turn), auc)
        handle.fail_trial(begin(handle, architecture(turn=2)), "out of memory")
        yield handle


def studies(app: Any) -> list[dict[str, Any]]:
    """The list, once nothing in it is pending."""
    while True:
        found: list[dict[str, Any]] = fetch(app, "/studies.json").json["studies"]
        if not any(study["pending"] for study in found):
            return found
        threading.Event().wait(0.05)


def test_the_list_says_what_a_search_has_come_to(storage: str, handle: StudyHandle) -> None:
    begin(handle, architecture(turn=3))
    (study,) = studies(dashboard_app(storage))
    assert (study["name"], study["state"], study["workers"]) == ("mine", "searching", 1)
    assert study["trials"] == {"asked": 12, "complete": 2, "pruned": 0, "running": 1, "failed": 1}
    assert study["best"] == {"objective": "auc", "label": "valid AUC", "value": 0.79, "told": "0.7900"}
    assert (study["data"], study["space"]) == (CREATED["data_source"], CREATED["space_name"])
    assert study["since"] is not None and study["result"] is None


def test_studies_at_work_come_first_and_then_the_newest(storage: str) -> None:
    with StudyStore(resolve_storage(storage)) as store:
        handles = [store.create_or_resume(name, **CREATED) for name in ("first", "second", "third")]
        for done in (handles[0], handles[2]):
            done.close()
        found = [study["name"] for study in studies(dashboard_app(storage))]
        handles[1].close()
    assert found == ["second", "third", "first"]


def test_the_result_is_that_of_the_summary(storage: str, handle: StudyHandle) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, ROWS).astype(np.float32)
    save_predictions(handle, LABELS, {"test": labels})
    won = architecture(turn=1)
    for role, name, noise in ((ModelRole.WINNER, "winner", 0.5), (ModelRole.BASELINE, "all-naive", 4.0)):
        handle.record_model(
            role=role,
            name=name,
            seed=0,
            architecture_id=won.id,
            metrics={
                "valid": {"auc": 0.7},
                "test": {"auc": 0.8 if name == "winner" else 0.6, "logloss": 0.4},
            },
        )
        scores = 1 / (1 + np.exp(-(labels + noise * rng.normal(size=ROWS))))
        save_predictions(handle, model_key(handle.models(role)[0]), {"test": scores.astype(np.float32)})
    handle.record_stage("winner", {"architecture_id": won.id, "trial": 1, "refit": False})
    handle.record_stage(STOPPED, {"reason": "the time is up", "trials": 2})
    handle.close()
    (study,) = studies(dashboard_app(storage))
    summary = open_study("mine", storage).summary()
    assert (study["state"], study["detail"]) == ("complete", "the time is up")
    result = study["result"]
    assert result["auc"] == summary["winner"]["test"]["auc"] == 0.8
    assert result["interval"] == pytest.approx(summary["winner"]["test"]["auc_interval"])
    assert summary["comparison"] is not None
    assert (result["baseline"], result["verdict"]) == ("all-naive", summary["comparison"]["verdict"])
    assert f"{summary['comparison']['difference']:+.4f} test AUC" in result["told"]


def test_stages_are_with_their_study_and_not_in_the_list(storage: str, handle: StudyHandle) -> None:
    handle.write_stage("explore", [StageTrial("0", 0.4)], measured="logloss", direction="minimize", about={})
    app = dashboard_app(storage)
    (study,) = studies(app)
    summaries = fetch(app, "/api/studies").json["study_summaries"]
    ids = {found["study_name"]: found["study_id"] for found in summaries}
    assert ids == {"mine": study["id"], "mine/explore": study["stages"]["explore"]}
    assert study["dashboard"] == f"/dashboard/studies/{ids['mine']}"


@pytest.mark.parametrize("name", ["mine", "größe 2.0", "a+b-c_d"])
def test_a_report_leads_back_whatever_the_study_is_called(storage: str, name: str) -> None:
    with StudyStore(resolve_storage(storage)) as store, store.create_or_resume(name, **CREATED) as handle:
        handle.finish_trial(start(handle, architecture=architecture().to_json()), 0.7, measured(0.7))
    app = dashboard_app(storage)
    (study,) = studies(app)
    assert unquote(study["report"]) == f"/report/{name}"
    answer = fetch(app, unquote(study["report"]))
    assert (answer.status, answer.headers["content-type"]) == ("200 OK", "text/html; charset=utf-8")
    assert name in answer.text
    for place in ('"/"', f'"{study["dashboard"]}"', '"/plotly.min.js"'):
        assert place in answer.text
    assert len(answer.body) < 1_000_000


def test_an_unknown_study_is_told_the_nearest_and_its_name_is_text(storage: str, handle: StudyHandle) -> None:
    answer = fetch(dashboard_app(storage), "/report/<script>mime")
    assert answer.status == "404 Not Found"
    assert "&lt;script&gt;mime" in answer.text and "<script>" not in answer.text
    assert "mine" in fetch(dashboard_app(storage), "/report/mime").text


def test_a_report_is_rendered_once_for_every_change(
    storage: str, handle: StudyHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []

    def counted(findings: Findings, *, links: Links) -> str:
        rendered.append(findings.record.name)
        return page_html(findings, links=links)

    monkeypatch.setattr("autofi.dashboard.report_cache.page_html", counted)
    app = dashboard_app(storage)
    first = fetch(app, "/report/mine")
    again = fetch(app, "/report/mine", IF_NONE_MATCH=first.headers["etag"])
    assert (again.status, again.body) == ("304 Not Modified", b"")
    assert fetch(app, "/report/mine").body == first.body
    assert len(rendered) == 1
    measure(handle, architecture(turn=3), 0.8)
    # Whether there is another is asked often, and answered without it.
    asked = fetch(app, "/report/mine", "HEAD")
    assert (asked.headers["etag"] != first.headers["etag"], asked.body, len(rendered)) == (True, b"", 1)
    changed = fetch(app, "/report/mine", IF_NONE_MATCH=first.headers["etag"])
    assert (changed.status, len(rendered)) == ("200 OK", 2)
    assert changed.headers["etag"] == asked.headers["etag"]


def test_optuna_dashboard_has_the_script_whatever_the_browser_has_of_it(
    storage: str, handle: StudyHandle
) -> None:
    app = dashboard_app(storage)
    plain = fetch(app, "/dashboard/studies/1", ACCEPT_ENCODING="gzip, br", RANGE="bytes=0-9")
    assert plain.status == "200 OK"
    assert plain.text.count('<script defer src="/autofi/links.js"></script>\n</head>') == 1
    assert int(plain.headers["content-length"]) == len(plain.body)
    assert "script-src 'self'" in plain.headers["content-security-policy"]
    assert not {"etag", "last-modified", "content-encoding"} & plain.headers.keys()
    later = fetch(app, "/dashboard", IF_MODIFIED_SINCE="Fri, 31 Dec 2100 00:00:00 GMT")
    assert (later.status, later.body) == ("200 OK", plain.body)
    head = fetch(app, "/dashboard", "HEAD")
    assert (head.status, head.headers["content-length"], head.body) == ("200 OK", str(len(plain.body)), b"")


@pytest.mark.parametrize("path", OURS)
def test_ours_are_for_looking_and_allow_nothing_from_elsewhere(
    storage: str, handle: StudyHandle, path: str
) -> None:
    app = dashboard_app(storage, Access(token=TOKEN, allow_changes=True))
    bearer = {"AUTHORIZATION": f"Bearer {TOKEN}", "HOST": "127.0.0.1"}
    assert fetch(app, path, HOST="127.0.0.1").status == "401 Unauthorized"
    answer = fetch(app, path, **bearer)
    assert answer.status == "200 OK"
    assert fetch(app, path, "HEAD", **bearer).body == b""
    assert "default-src 'none'" in answer.headers["content-security-policy"] or path == "/report/mine"
    assert answer.headers["x-content-type-options"] == "nosniff"
    for method in ("POST", "PUT", "DELETE"):
        assert fetch(app, path, method, **bearer).status == "405 Method Not Allowed"
    assert fetch(dashboard_app(storage), path, "POST").status == "403 Forbidden"


def test_files_are_sent_once(storage: str, handle: StudyHandle) -> None:
    app = dashboard_app(storage)
    for path in ("/", "/plotly.min.js", "/autofi/landing.css"):
        first = fetch(app, path)
        again: Answer = fetch(app, path, IF_NONE_MATCH=first.headers["etag"])
        assert (first.status, again.status, again.body) == ("200 OK", "304 Not Modified", b"")


@pytest.mark.parametrize(
    "path", ["/autofi/../access.py", "/autofi/..", "/autofi/nothing.js", "/report/", "/report/a/b"]
)
def test_nothing_else_is_served(storage: str, handle: StudyHandle, path: str) -> None:
    assert fetch(dashboard_app(storage), path).status.split()[0] in ("403", "404")


def test_a_database_that_cannot_be_read_is_one_line(storage: str, handle: StudyHandle) -> None:
    app = dashboard_app(storage)
    handle.close()
    for part in ("", "-wal", "-shm"):
        Path(storage + part).unlink(missing_ok=True)
    Path(storage).write_text("something else")
    answer = fetch(app, "/studies.json")
    assert answer.status == "503 Service Unavailable"
    assert "cannot be used" in answer.text and "Traceback" not in answer.text


def test_a_study_that_was_deleted_is_gone_from_the_list(storage: str, handle: StudyHandle) -> None:
    app = dashboard_app(storage)
    assert len(studies(app)) == 1
    handle.close()
    optuna.delete_study(study_name="mine", storage=f"sqlite:///{storage}")
    assert studies(app) == []
    assert fetch(app, "/report/mine").status == "404 Not Found"


def test_no_study_is_a_list_of_none(storage: str) -> None:
    Database(resolve_storage(storage)).close()
    found = fetch(dashboard_app(storage), "/studies.json")
    assert (found.headers["content-type"], json.loads(found.body)["studies"]) == ("application/json", [])

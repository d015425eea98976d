"""AutoFI's own pages beside Optuna's dashboard: the list of studies, their reports, and the scripts of both."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bottle

from autofi.dashboard.report_cache import SCRIPT, STUDIES, Reports
from autofi.dashboard.study_list import PAYLOADS, listing
from autofi.dashboard.summary_cache import Results
from autofi.errors import AutoFIError, nearest
from autofi.store import StudyOverview, StudyStore
from autofi.study.study import Study

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

WEB = Path(__file__).parent / "web"
ASSETS, LISTING, REPORT = "/autofi", "/studies.json", "/report"
HTML = "text/html; charset=utf-8"
#: The policy of our own pages, which load files of this server only.
_STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: The policy of reports, which contain scripts and styles; some of Plotly's figures compile code.
_OF_REPORTS = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def is_ours(path: str) -> bool:
    """Return True where AutoFI answers a path, and not Optuna's dashboard."""
    return path in (STUDIES, LISTING, SCRIPT) or path.startswith((f"{ASSETS}/", f"{REPORT}/"))


def pages(store: StudyStore) -> WSGIApplication:
    """Return the application that answers AutoFI's own paths; `store` is only read."""
    site = _Site(store)
    app = bottle.Bottle()
    # Errors become a page of ours, and visitors do not see the text of programming errors.
    app.default_error_handler = _error_page
    app.route(STUDIES, "GET", site.landing)
    app.route(LISTING, "GET", site.listing)
    app.route(SCRIPT, "GET", site.script)
    app.route(f"{ASSETS}/<name>", "GET", site.asset)
    app.route(f"{REPORT}/<name>", "GET", site.report)
    found: WSGIApplication = app
    return found


class _Site:
    """The callbacks of the routes."""

    def __init__(self, store: StudyStore) -> None:
        self._store = store
        self._reports = Reports(store)
        self._results = Results(lambda name: Study(store, store.open(name)).summary())

    def landing(self) -> Any:
        return _file("landing.html", WEB)

    def asset(self, name: str) -> Any:
        return _file(name, WEB)

    def script(self) -> Any:
        return _file("plotly.min.js", _plotly())

    def listing(self) -> Any:
        found = listing(str(self._store.url), self._overview(), self._results)
        return _answer(found.model_dump_json().encode(), "application/json", **{"Cache-Control": "no-store"})

    def report(self, name: str) -> Any:
        studies = {study.name: study for study in self._overview()}
        if name not in studies:
            raise bottle.HTTPError(404, f"No study '{name}' in {self._store.url}; {nearest(name, studies)}")
        study = studies[name]
        tag = f'"{self._reports.tag(study)}"'
        kept = {"ETag": tag, "Cache-Control": "no-cache"}
        if tag in bottle.request.headers.get("If-None-Match", ""):
            return bottle.HTTPResponse(status=304, headers=kept)
        if bottle.request.method == "HEAD":
            # Open reports often ask for a newer version, and nothing is rendered for that.
            return _answer(b"", HTML, policy=_OF_REPORTS, **kept)
        try:
            page = self._reports.page(study)
        except AutoFIError as error:
            raise bottle.HTTPError(503, str(error)) from error
        return _answer(page.html, HTML, policy=_OF_REPORTS, **kept)

    def _overview(self) -> tuple[StudyOverview, ...]:
        try:
            return self._store.overview(PAYLOADS)
        except AutoFIError as error:
            raise bottle.HTTPError(503, str(error)) from error


@cache
def _plotly() -> Path:
    return Path(str(files("plotly"))) / "package_data"


def _file(name: str, folder: Path) -> Any:
    """Return a file with a tag, by which a browser knows that its copy is current."""
    answer = bottle.static_file(name, root=str(folder))
    return _guard(answer, _STRICT, **{"Cache-Control": "no-cache"})


def _answer(body: bytes, kind: str, *, policy: str = _STRICT, **headers: str) -> Any:
    return _guard(bottle.HTTPResponse(body, headers={"Content-Type": kind}), policy, **headers)


def _guard(answer: Any, policy: str, **headers: str) -> Any:
    told = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", **headers}
    for name, value in told.items():
        answer.set_header(name, value)
    return answer


def _error_page(error: Any) -> bytes:
    message = (
        error.body
        if error.exception is None
        else "This page failed; the output of autofi dashboard has the details."
    )
    _guard(bottle.response, _STRICT, **{"Cache-Control": "no-store"})
    page: str = bottle.SimpleTemplate((WEB / "error.html").read_text(encoding="utf-8")).render(
        status=error.status_line, message=message
    )
    return page.encode()

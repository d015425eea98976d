"""The report of a study as a page, rendered on request and kept until the study changes."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass

from autofi.dashboard.study_list import dashboard_path
from autofi.dashboard.study_state import state_of
from autofi.report.html_page import Links, page_html
from autofi.store import StudyOverview, StudyStore
from autofi.study.study import Study

#: The paths of the list of studies and of plotly.js.
STUDIES, SCRIPT = "/", "/plotly.min.js"
#: The most reports that are kept, some megabytes each.
KEPT = 16


@dataclass(frozen=True)
class Page:
    """A rendered report; `tag` changes whenever the report may differ."""

    tag: str
    html: bytes


class Reports:
    """The reports of the studies of one store."""

    def __init__(self, store: StudyStore) -> None:
        self._store = store
        self._pages: OrderedDict[str, Page] = OrderedDict()
        #: One lock per study, so that two visitors do not render its report twice.
        self._rendering: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @staticmethod
    def tag(study: StudyOverview) -> str:
        """Return the current tag of a study's page."""
        return hashlib.sha256(repr((study.version, state_of(study))).encode()).hexdigest()[:32]

    def page(self, study: StudyOverview) -> Page:
        """Return the report; raise AutoFIError where the study has none."""
        tag = self.tag(study)
        with self._rendering[study.name]:
            found = self._pages.get(study.name)
            if found is None or found.tag != tag:
                found = Page(tag, self._render(study, tag))
            self._pages[study.name] = found
            self._pages.move_to_end(study.name)
            if len(self._pages) > KEPT:
                self._pages.popitem(last=False)
            return found

    def _render(self, study: StudyOverview, tag: str) -> bytes:
        links = Links(studies=STUDIES, dashboard=dashboard_path(study.optuna_id), script=SCRIPT, tag=tag)
        findings = Study(self._store, self._store.open(study.name)).findings()
        return page_html(findings, links=links).encode()

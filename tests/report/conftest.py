"""One finished study for all tests of reports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import autofi
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures
from autofi.study.study import Study
from tests.report.reported import write_study


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    path = str(tmp_path_factory.mktemp("reported") / "a.db")
    write_study(path)
    study = autofi.open_study("mine", path)
    yield study
    study.close()


@pytest.fixture(scope="session")
def findings(reported: Study) -> Findings:
    return reported.findings()


@pytest.fixture(scope="session")
def figures(findings: Findings) -> StudyFigures:
    return StudyFigures(findings)

"""A study as one HTML page that needs no network and no other file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources

import plotly.graph_objects as go
from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from plotly.offline import get_plotlyjs

from autofi import __version__
from autofi.report.findings import Findings
from autofi.report.glossary import explained
from autofi.report.sections import SECTIONS
from autofi.report.study_figures import StudyFigures


def page_html(findings: Findings, *, links: Links | None = None) -> str:
    """Return the page of a study.

    Args:
        findings: The study.
        links: Set for a page that a server shows; Plotly's script may then be a file of its own.
    """
    figures = StudyFigures(findings)
    record = findings.record
    script_url = links.script if links else None
    page: str = _template().render(
        title=record.name,
        subtitle=_subtitle(findings),
        sections=[section(findings, figures) for section in SECTIONS],
        links=links,
        style=_file("page.css"),
        scripts=[_file(name) for name in ("page.js", *(("served.js",) if links else ()))],
        script_url=script_url,
        plotly="" if script_url else get_plotlyjs(),
        figure_json=_figure_json,
        explained=explained,
        footer=f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by AutoFI {__version__}.",
    )
    return page


def _subtitle(findings: Findings) -> str:
    record = findings.record
    return (
        f"Architecture search over {len(findings.names)} fields of {record.data_source}, space {record.space_name}, "
        f"begun {record.created_at:%Y-%m-%d %H:%M} UTC"
    )


def _figure_json(figure: go.Figure) -> str:
    """Return the figure as JSON in which no text can end the script element."""
    text: str = figure.to_json()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _file(name: str) -> str:
    return resources.files("autofi.report").joinpath("page_files", name).read_text("utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


__all__ = ["page_html"]


@dataclass(frozen=True)
class Links:
    """The addresses that a page of a server links to.

    Attributes:
        studies: The list of studies.
        dashboard: The study in Optuna's dashboard.
        script: plotly.js; None where the page contains it.
        tag: The server's version of the page; the page says so when the server has another.
    """

    studies: str
    dashboard: str
    script: str | None
    tag: str

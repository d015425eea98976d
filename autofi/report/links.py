"""Where a report's page leads to, if it is served beside others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Links:
    """Addresses for one page.

    studies    the list of studies
    dashboard  the study in Optuna's dashboard
    script     plotly.js; None: the page brings it along
    tag        what the server tells the page apart by: the page says when the server has another
    """

    studies: str
    dashboard: str
    script: str | None
    tag: str

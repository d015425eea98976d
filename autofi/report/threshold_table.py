"""The effect of a threshold on the winner's predictions, among held-out rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from autofi.metrics.threshold_curves import ranking_curve
from autofi.report.findings import PARTS, Findings


@dataclass(frozen=True)
class Threshold:
    """The result of flagging the rows whose probability is at least `threshold`; shares are of the weight of rows."""

    threshold: float
    flagged: float
    precision: float
    recall: float
    lift: float


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the winner, the highest first, on the rows of a part; `base_rate` is the click rate of all."""

    part: str
    base_rate: float
    rows: tuple[Threshold, ...]

    def to_json(self) -> dict[str, Any]:
        return {"part": self.part, "base_rate": self.base_rate, "rows": [asdict(row) for row in self.rows]}


def thresholds(findings: Findings) -> Thresholds | None:
    """Return thresholds on test rows, or on validation rows before test rows are scored.

    Returns:
        None where no predictions of a winner are kept.
    """
    part = ranked_part(findings)
    held = findings.held_out.get(part)
    if held is None or "winner" not in held.predictions:
        return None
    curve = ranking_curve(held.labels, held.predictions["winner"], held.weights)
    found = curve.at_shares()
    columns = (found.thresholds, found.flagged, found.precision, found.recall, found.lift)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return Thresholds(part, curve.base_rate, tuple(Threshold(*row) for row in rows))


def ranked_part(findings: Findings) -> str:
    """Return the last part that has predictions; "test" where none has."""
    return next((part for part in reversed(PARTS) if part in findings.held_out), "test")

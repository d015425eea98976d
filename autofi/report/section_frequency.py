"""The section on the gain for rare and frequent values."""

from __future__ import annotations

from autofi.report.blocks import Section, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures


def frequency_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the gain over the best baseline by how often a row's values occur in training rows."""
    rows = "test" if findings.frequencies_part == "test" else "validation"
    caption = (
        f"The {rows} rows are grouped by their rarest value in training rows; intervals are over rows, of one seed "
        "each."
    )
    return Section(
        "frequency",
        "Rare and frequent values",
        [
            drawing("gain_by_frequency", figures.gain_by_frequency, caption, half=True),
            drawing("gain_by_field", figures.gain_by_field, "Blue: the winner is better.", half=True),
        ],
    )

"""Whether the winner helps rare values."""

from __future__ import annotations

from autofi.report.blocks import Section, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures


def frequency_section(findings: Findings, figures: StudyFigures) -> Section:
    """The gain on the best baseline by how often training has a row's values."""
    rows = "test" if findings.frequencies_part == "test" else "validation"
    caption = f"Of {rows} rows, by the value that training has least often; intervals are over rows, of one seed each."
    return Section(
        "frequency",
        "Rare and frequent values",
        [
            drawing("gain_by_frequency", figures.gain_by_frequency, caption, half=True),
            drawing("gain_by_field", figures.gain_by_field, "Blue: the winner is better.", half=True),
        ],
    )

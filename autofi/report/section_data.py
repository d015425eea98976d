"""The section on the data and its warnings."""

from __future__ import annotations

from autofi.checks.run import DataChecks
from autofi.report.blocks import Block, Notice, Section, Table, Text
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures

DATA_TITLE = "Data and what to beware of"
#: The most warnings, and the most fields, that are listed.
LISTED = 100


def data_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the section: warnings first, then rows by part, then fields."""
    checks = findings.checks
    if checks is None:
        return Section(
            "data",
            DATA_TITLE,
            [
                Notice(
                    "The data was not checked, because an earlier version made this study; autofi retrain checks it."
                )
            ],
        )
    blocks: list[Block] = [Notice(warning.sentence, "warning") for warning in checks.warnings[:LISTED]]
    if not checks.warnings:
        blocks.append(Notice("The checks found no problem in the data.", "good"))
    elif len(checks.warnings) > LISTED:
        blocks.append(Text(f"And {len(checks.warnings) - LISTED} more warnings."))
    blocks += [Text(checks.looked_at), _parts(checks), _fields(checks)]
    return Section("data", DATA_TITLE, blocks)


def _parts(checks: DataChecks) -> Table:
    return Table(
        ("part", "rows", "click rate"),
        [
            [part, f"{found.rows:,}", "" if found.click_rate is None else f"{found.click_rate:.2%}"]
            for part, found in checks.summary.parts.items()
        ],
    )


def _fields(checks: DataChecks) -> Table:
    drifts = {(drift.field, drift.part): drift for drift in checks.drifts}
    heading = (
        "field", "kind", "values", "missing", "most frequent", "its share",
        "unseen in valid", "unseen in test", "drift to valid", "drift to test",
    )  # fmt: skip
    rows = []
    for field in checks.summary.fields[:LISTED]:
        told = [
            f"{drift.index:.3f}" if (drift := drifts.get((field.name, part))) else ""
            for part in ("valid", "test")
        ]
        rows.append(
            [
                field.name,
                field.kind,
                f"{field.distinct:,}" + (" buckets" if field.bucketed else ""),
                f"{field.missing:.1%}",
                field.top_value or "",
                f"{field.top_share:.1%}",
                *(
                    "" if share is None else f"{share:.1%}"
                    for share in (field.unseen_valid, field.unseen_test)
                ),
                *told,
            ]
        )
    return Table(heading, rows)

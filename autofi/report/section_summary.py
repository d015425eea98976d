"""The section that gives the result in three sentences."""

from __future__ import annotations

from collections.abc import Sequence

from autofi.checks.warning import DataWarning
from autofi.report.blocks import Block, Notice, Section, Text
from autofi.report.findings import Findings
from autofi.report.repeat_command import export_command
from autofi.report.section_data import DATA_TITLE
from autofi.report.study_figures import StudyFigures
from autofi.report.summary_sentences import NAMED, answer
from autofi.space.architecture import Architecture
from autofi.text.best_so_far import exportable_words
from autofi.text.verdict import read_before


def answer_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the answer, its warnings, and a notice while the search is running."""
    blocks: list[Block] = [Text(sentence) for sentence in answer(findings)]
    read = read_before(findings.summary.get("choice"))
    if read:
        blocks.append(Notice(read, "warning"))
    warnings = findings.checks.warnings if findings.checks else ()
    if warnings:
        blocks.append(Notice(_beware(warnings, findings.architecture), "warning"))
    if findings.searching:
        blocks.append(
            Notice("The search is still running: this page shows its state when the page was made.")
        )
    if early := findings.summary.get("best_so_far"):
        blocks.append(Notice(f"{exportable_words(early)} {export_command(findings)}"))
    return Section("answer", "The answer", blocks)


def _beware(warnings: Sequence[DataWarning], architecture: Architecture | None) -> str:
    """Return a sentence with the number of warnings about the data, and the warned fields that the winner reads."""
    used = [
        " × ".join(warning.fields)
        for warning in warnings
        if architecture is not None and _reads(architecture, warning.fields)
    ]
    told = f"Beware of the data: {len(warnings)} warning{'' if len(warnings) == 1 else 's'}"
    if used:
        told += f", and the architecture above reads {', '.join(used[:NAMED])}"
        told += f" and {len(used) - NAMED} more of them" if len(used) > NAMED else ""
    return f"{told}. See “{DATA_TITLE}” below before you trust the results."


def _reads(architecture: Architecture, fields: tuple[str, ...]) -> bool:
    if len(fields) == 1:
        return fields[0] in architecture.fields or any(fields[0] in pair for pair in architecture.pairs)
    return len(fields) == 2 and architecture.choice(fields[0], fields[1])[0] != "naive"

"""What came out, in three sentences."""

from __future__ import annotations

from autofi.report.answer import answer
from autofi.report.blocks import Block, Notice, Section, Text
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures


def answer_section(findings: Findings, figures: StudyFigures) -> Section:
    """The answer, and whether the study is still at work."""
    blocks: list[Block] = [Text(sentence) for sentence in answer(findings)]
    if findings.searching:
        blocks.append(Notice("The search is still running: this page shows what was known when it was made."))
    return Section("answer", "The answer", blocks)

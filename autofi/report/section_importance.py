"""The section on the fields and pairs that the winner relies on."""

from __future__ import annotations

from autofi.importance.permutation_importance import TOP_FIELDS, PermutationImportance
from autofi.plots.permutation_importance import SHOWN
from autofi.report.blocks import Block, Notice, Section, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures

#: With fewer clicks among the drawn rows, intervals are rough.
FEW_CLICKS = 50


def importance_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the permutation importance of fields, and of pairs beyond their fields."""
    found = findings.permutation
    blocks: list[Block] = []
    if found is not None:
        blocks.append(Text(_told(found)))
        if found.seen:
            blocks.append(
                Notice(
                    "The winner was refitted on training and validation rows together: it has seen these rows, so the "
                    "importances include what it learned by heart.",
                    "warning",
                )
            )
        if found.clicks < FEW_CLICKS:
            blocks.append(
                Notice(f"Only {found.clicks} of these rows are clicks: the intervals are rough.", "warning")
            )
    shown = "" if found is None or len(found.fields) <= SHOWN else f"The {SHOWN} most important fields. "
    blocks += [
        drawing(
            "field_importance",
            figures.field_importance,
            f"{shown}A bar is the mean, its line the 95 % interval; at 0 the winner does not use the field.",
            half=True,
        ),
        drawing("pair_importance", figures.pair_importance, _of_pairs(found), half=True),
    ]
    return Section("importance", "Which fields and pairs matter", blocks)


def _told(found: PermutationImportance) -> str:
    return (
        f"Permutation importance is the rise of the winner's logloss ({found.loss.mean:.4f}) when the values of "
        "a field "
        f"are shuffled among validation rows, on {found.repeats} times {found.rows:,} rows. It shows what this model "
        "relies on, not what causes clicks; if two fields carry the same information, each may look unimportant."
    )


def _of_pairs(found: PermutationImportance | None) -> str:
    if found is None or not found.pairs:
        return ""
    chosen, others = len(found.chosen), len(found.pairs) - len(found.chosen)
    of = f"{chosen} pair{'' if chosen == 1 else 's'} that the winner memorizes or factorizes"
    more = f" ({found.unmeasured} more were not measured)" if found.unmeasured else ""
    pairs = f"{others} pair{'' if others == 1 else 's'}"
    beside = f", and {pairs} beside that of its {TOP_FIELDS} most important fields" if others else ""
    return (
        f"Measured: {of}{more}{beside}. Below 0, the two fields carry information only together; above 0, each can "
        "replace the other."
    )

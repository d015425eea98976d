"""The waterfall of a row ends at its logit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autofi.explanation.explanation import Explanation, FieldPart, PairPart
from autofi.plots.explanation import plot_explanation


def explanation(*, pairs: int = 3, trees: float | None = -0.25) -> Explanation:
    fields = (
        FieldPart("<user>", "u1", "known", 3, 0.25, (), own=0.5, contribution=0.75, trees=None),
        FieldPart("item", None, "missing", 0, None, (), own=-2.0, contribution=-2.0, trees=None),
    )
    found = tuple(
        PairPart(("<user>", f"f{number}"), None, None, None, (), contribution=0.125 * (number + 1))
        for number in range(pairs)
    )
    own = sum(part.own for part in fields) + sum(part.contribution for part in found)
    return Explanation(
        row=1234,
        probability=0.25,
        logit=-1.0 + own + (trees or 0.0) + 0.0625,
        average=-1.5,
        baseline=-1.0,
        trees=trees,
        rest=0.0625,
        fields=fields,
        pairs=found,
        streams=(),
        operators={},
    )


@pytest.mark.parametrize("trees", [-0.25, None])
@pytest.mark.parametrize("shown", [2, 4, 99])
def test_its_steps_add_up_to_the_logit(shown: int, trees: float | None) -> None:
    told = explanation(trees=trees)
    (waterfall,) = plot_explanation(told, shown=shown).data
    *steps, total = waterfall.x
    assert sum(steps) == pytest.approx(told.logit)
    assert waterfall.measure[-1] == "total"
    assert total == 0  # Plotly draws what has added up.
    assert waterfall.text[-1] == f"{told.logit:+.3f}"
    others = len(told.parts()) - shown
    assert len(steps) == min(shown, len(told.parts())) + (others > 0) + (trees is not None) + 2


def test_the_largest_parts_come_first_and_names_are_no_markup() -> None:
    drawn = plot_explanation(explanation(), shown=3)
    names = list(drawn.layout.yaxis.ticktext)
    assert names == [
        "baseline", "item", "&lt;user&gt;", "&lt;user&gt; × f2", "2 more", "boosted trees", "together", "logit"
    ]  # fmt: skip
    assert drawn.data[0].customdata[2] == "3 training rows, 25.0% clicked"
    assert drawn.layout.title.text == "Row 1,234: probability 0.2500"


def test_two_bars_may_have_one_name() -> None:
    told = explanation(pairs=0)
    twin = replace(told.fields[0], name="baseline")
    drawn = plot_explanation(replace(told, fields=(twin,)))
    assert len(set(drawn.data[0].y)) == len(drawn.data[0].y)

"""What does not change with the seed has no deviation between seeds, and says so."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from typing import Any

import pytest

from autofi.metrics.over_seeds import over_seeds, paired_over_seeds
from autofi.report.comparison_table import comparison_markdown
from autofi.report.markdown import report_markdown
from autofi.store import ModelRecord, ModelRole
from autofi.text.verdict import alike, mean_and_deviation
from tests.report.test_markdown import RECORD


def seeds(*aucs: float) -> list[ModelRecord]:
    return [
        ModelRecord(
            role=ModelRole.BASELINE,
            name="trees",
            architecture_id="",
            seed=seed,
            refit=False,
            metrics={part: {"auc": auc, "logloss": 1 - auc, "auc_error": 0.01} for part in ("valid", "test")},
            parameters=None,
            table_bytes=10,
            seconds=1.0,
            path=None,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for seed, auc in enumerate(aucs)
    ]


@pytest.mark.parametrize(
    ("aucs", "shown", "same"),
    [
        ((0.8, 0.8, 0.8), "0.8000", True),
        ((0.8, 0.8 + 1e-13, 0.8), "0.8000", True),  # sums in another order
        ((0.8,), "0.8000", False),
        ((0.8, 0.80001), "0.8000 ± <0.0001", False),
        ((0.80, 0.81, 0.82), "0.8100 ± 0.0100", False),
    ],
)
def test_a_deviation_is_told_where_there_is_one(aucs: tuple[float, ...], shown: str, same: bool) -> None:
    model = over_seeds("trees", seeds(*aucs), test_error=0.01)
    assert mean_and_deviation(model["test"]) == shown
    assert model["same_with_every_seed"] == same
    assert (model["test"]["auc_std"] is None) == (same or len(aucs) == 1)
    if not same and len(aucs) > 1:
        assert model["test"]["auc_std"] == pytest.approx(statistics.stdev(aucs))
    # The interval over rows is the same however often the same model was trained.
    low, high = over_seeds("trees", seeds(aucs[0]), test_error=0.01)["test"]["auc_interval"]
    if same:
        assert model["test"]["auc_interval"] == pytest.approx([low, high])
    sentence = "Every seed gives the same result, so there is no deviation between seeds: trees."
    assert alike([model]) == (sentence if same else "")
    told: list[str] = [
        comparison_markdown({"table": [model]}, {}, "file.yaml"),
        report_markdown(RECORD, _summary(model), []),
    ]
    for text in told:
        assert (sentence in text) == same
        assert "± 0.0000" not in text


@pytest.mark.parametrize(("mine", "theirs"), [((0.8,), (0.79,)), ((0.80, 0.82), (0.79, 0.79, 0.76))])
def test_a_difference_has_the_error_of_rows_and_of_seeds(
    mine: tuple[float, ...], theirs: tuple[float, ...]
) -> None:
    found = paired_over_seeds(mine, theirs, row_error=0.004)
    variance = 0.004**2
    for values in (mine, theirs):
        if len(values) > 1:
            variance += statistics.stdev(values) ** 2 / len(values)
    difference = sum(mine) / len(mine) - sum(theirs) / len(theirs)
    assert found.difference == pytest.approx(difference)
    assert found.low == pytest.approx(difference - 1.959964 * variance**0.5)
    assert found.high == pytest.approx(difference + 1.959964 * variance**0.5)


def _summary(model: dict[str, Any]) -> dict[str, Any]:
    return {"study": "mine", "winner": None, "baselines": [model], "comparison": None, "seconds": {}}

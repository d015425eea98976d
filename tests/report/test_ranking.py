"""Ranking figures, thresholds and importances of a report: what the study keeps, number by number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autofi.errors import NothingToShowError
from autofi.metrics.ranking import auc
from autofi.report.findings import Findings
from autofi.report.html_page import page_html
from autofi.report.json_document import report_document
from autofi.report.study_figures import StudyFigures
from autofi.report.threshold_table import thresholds
from tests.report.reported import labels_and_scores, permutation
from tests.report.test_html_page import Read


def test_a_curve_has_the_auc_of_its_model(figures: StudyFigures) -> None:
    labels, scores = labels_and_scores()
    chance, *curves = figures.roc().data
    assert list(chance.x) == list(chance.y) == [0, 1]
    for drawn, (name, own) in zip(curves, scores.items(), strict=True):
        assert drawn.name == f"{name}, AUC {auc(labels, own):.4f}"
        assert (drawn.x[0], drawn.y[0]) == (0.0, 0.0)
        assert (drawn.x[-1], drawn.y[-1]) == (1.0, 1.0)
        # Of two hundred points of four thousand.
        assert np.trapezoid(drawn.y, drawn.x) == pytest.approx(auc(labels, own), abs=2e-3)


def test_what_is_flagged_first_holds_the_clicks_that_it_says(figures: StudyFigures) -> None:
    labels, scores = labels_and_scores()
    *_, winner, _ = figures.lift().data
    for x, y, told in list(zip(winner.x, winner.y, winner.customdata, strict=True))[1::40]:
        above = scores["winner"] >= told[0] * (1 - 1e-5)
        assert x == pytest.approx(above.mean(), abs=1e-3)
        assert y == pytest.approx(labels[above].sum() / labels.sum(), abs=1e-3)
        assert told[2] == pytest.approx(labels[above].mean() / labels.mean(), rel=1e-2)
    _, winner, _ = figures.precision_recall().data
    assert winner.y[-1] == pytest.approx(labels.mean(), abs=1e-5)


def test_thresholds_are_of_the_winner_and_weighed_as_in_training(findings: Findings) -> None:
    labels, scores = labels_and_scores()
    weights = np.random.default_rng(2).integers(0, 3, len(labels)).astype(float)
    held = replace(findings.held_out["test"], weights=weights)
    found = thresholds(replace(findings, held_out={"test": held}))
    assert found is not None
    assert found.base_rate == pytest.approx(np.average(labels, weights=weights))
    assert len(found.rows) == 7
    for row in found.rows:
        above = scores["winner"] >= row.threshold
        assert row.flagged == pytest.approx(weights[above].sum() / weights.sum())
        assert row.precision == pytest.approx(np.average(labels[above], weights=weights[above]))
    page = page_html(replace(findings, held_out={"test": held}))
    told = " ".join(Read(page[page.index('id="ranking"') : page.index('id="importance"')]).texts)
    assert (
        "Measured on 4,000 test rows, with the first seed of each model; rows are weighed as in training."
        in told
    )
    assert f"{found.rows[0].precision:.2%}" in told


def test_importances_are_those_that_the_study_keeps(figures: StudyFigures, findings: Findings) -> None:
    kept = permutation()
    (bars,) = figures.field_importance().data
    assert list(bars.x)[::-1] == pytest.approx([value.mean for value in kept.fields.values()], rel=1e-5)
    assert bars.x[-1] + bars.error_x.array[-1] == pytest.approx(0.06)
    (bars,) = figures.pair_importance().data
    assert list(bars.x)[::-1] == [-0.01, 0.001]
    document = json.loads(json.dumps(report_document(findings)))
    assert document["permutation"] == kept.to_json()
    assert [row["threshold"] for row in document["thresholds"]["rows"]] == sorted(
        (row["threshold"] for row in document["thresholds"]["rows"]), reverse=True
    )


def test_a_study_without_them_says_how_to_get_them(findings: Findings, tmp_path: Path) -> None:
    bare = replace(findings, permutation=None, held_out={})
    for draw in (StudyFigures(bare).field_importance, StudyFigures(bare).pair_importance):
        with pytest.raises(NothingToShowError, match="autofi retrain measures them"):
            draw()
    with pytest.raises(NothingToShowError, match="no predictions of test rows"):
        StudyFigures(bare).roc()
    assert thresholds(bare) is None
    assert report_document(bare)["thresholds"] is None
    assert "autofi retrain measures them" in " ".join(Read(page_html(bare)).texts)


def test_a_winner_that_has_seen_the_rows_is_said_to(findings: Findings) -> None:
    told = page_html(replace(findings, permutation=replace(permutation(), seen=True, clicks=12)))
    assert "it has seen these rows" in told
    assert "Only 12 of these rows are clicks" in told

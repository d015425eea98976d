"""Every figure of a study shows what the study holds, number by number, and says why where it holds nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import autofi
from autofi.errors import NothingToShowError
from autofi.metrics.ranking import auc
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures
from tests.dashboard.studies import names
from tests.report.reported import (
    AUCS,
    BYTES,
    EVIDENCE,
    FIELDS,
    FINALS,
    INHERITED,
    ROWS,
    chosen,
    frequency_codes,
    labels_and_scores,
    write_study,
)

CODES = {"naive": 0, "factorize": 1, "memorize": 2, "memorize+factorize": 3}


def test_the_map_is_that_of_the_winner_and_tells_how_many_of_the_best_agree(figures: StudyFigures) -> None:
    drawn = figures.interaction_map()
    assert drawn.layout.title.text == "Pairs of the winner"
    (heatmap,) = drawn.data
    # The better half of six trials, by AUC: numbers 3, 5 and 1.
    best = [chosen(turn) for turn in (3, 5, 1)]
    for row, place in combinations(range(FIELDS), 2):
        left, right = names(FIELDS)[row], names(FIELDS)[place]
        choice = best[0].choice(left, right)[0]
        assert heatmap.z[row][place] == heatmap.z[place][row] == CODES[choice]
        same = sum(other.choice(left, right)[0] == choice for other in best)
        assert f"chosen so by {same} of the best 3 trials" in heatmap.text[row][place]
    assert "memorize_embedding gained 0.02000 ± 0.00100" in heatmap.text[0][1]
    assert "gained" not in heatmap.text[0][2]


def test_shares_count_the_best_trials_that_use_a_pair(figures: StudyFigures) -> None:
    (heatmap,) = figures.pair_choices().data
    best = [chosen(turn) for turn in (3, 5, 1)]
    for row, place in combinations(range(FIELDS), 2):
        pair = names(FIELDS)[row], names(FIELDS)[place]
        used = [one.choice(*pair)[0] for one in best if one.choice(*pair)[0] != "naive"]
        assert heatmap.z[row][place] == pytest.approx(len(used) / 3)
        told = heatmap.text[row][place]
        assert all(f"{choice} in {used.count(choice)} of 3" in told for choice in used)
        assert used or told == "naive in all 3"


def test_gains_are_those_of_the_pairs_that_were_selected(figures: StudyFigures) -> None:
    (heatmap,) = figures.pair_gains().data
    cells = {(row, place): heatmap.z[row][place] for row, place in combinations(range(FIELDS), 2)}
    found = {cell: value for cell, value in cells.items() if value is not None}
    assert found == {(0, 1): EVIDENCE[0]["gain"], (2, 4): EVIDENCE[2]["gain"]}


def test_models_stand_in_the_order_of_their_test_auc_with_their_intervals(
    figures: StudyFigures, findings: Findings
) -> None:
    (points,) = figures.models().data
    labels, scores = labels_and_scores()
    assert list(points.y) == ["all-naive", "winner"]
    assert list(points.x) == pytest.approx([auc(labels, scores[name]) for name in points.y])
    low, high = findings.summary["winner"]["test"]["auc_interval"]
    assert points.x[1] + points.error_x.array[1] == pytest.approx(high)
    assert points.x[1] - points.error_x.arrayminus[1] == pytest.approx(low)


def test_a_front_holds_the_trials_that_no_other_beats_in_both(figures: StudyFigures) -> None:
    drawn = figures.trade_off("table_bytes")
    dots = {(x, y) for trace in drawn.data for x, y in zip(trace.x, trace.y, strict=True)}
    assert dots == set(zip(BYTES, AUCS, strict=True))
    front = drawn.data[1]
    slow = {
        (cost, gain)
        for cost, gain in dots
        if not any(other != (cost, gain) and other[0] <= cost and other[1] >= gain for other in dots)
    }
    assert set(zip(front.x, front.y, strict=True)) == slow
    assert "autofi export mine --trial 3 -o model" in front.text[list(front.x).index(8_000)]


def test_history_keeps_the_best_value_so_far(figures: StudyFigures) -> None:
    for by_time in (False, True):
        *kinds, _, _, best = figures.history(by_time=by_time).data
        values = {number: y for trace in kinds for number, y in zip(trace.customdata, trace.y, strict=True)}
        assert [values[number] for number in range(len(AUCS))] == list(AUCS)
        assert list(best.y) == [0.71, 0.74, 0.78, 0.78]
    assert list(figures.history().data[-1].x) == [0, 1, 3, 5]


def test_history_has_what_was_trained_again_at_its_trial_or_after_the_last_one(
    figures: StudyFigures, findings: Findings
) -> None:
    *_, finalists, winner, _ = figures.history().data
    assert [tuple(told) for told in finalists.customdata] == [(5, seed) for seed in FINALS]
    assert list(finalists.x) == [5, 5]
    assert list(finalists.y) == list(FINALS.values())
    assert list(winner.x) == [3]
    assert list(winner.y) == [findings.summary["winner"]["valid"]["auc"]]
    *kinds, finalists, winner, _ = figures.history(by_time=True).data
    assert min(*finalists.x, *winner.x) >= max(x for trace in kinds for x in trace.x)


def test_what_was_explored_comes_in_its_order_and_what_is_sure_to_gain_apart(figures: StudyFigures) -> None:
    found = {trace.name: list(zip(trace.x, trace.y, strict=True)) for trace in figures.explored().data}
    assert found == {
        "as selected": [(0, 0.50)],
        "sure to gain": [(1, 0.48)],
        "explored": [(2, 0.49)],
        "best so far": [(0, 0.50), (1, 0.48), (2, 0.48)],
    }


def test_trials_stand_against_the_scores_of_their_choices_those_of_variants_too(
    figures: StudyFigures,
) -> None:
    drawn = figures.inherited()
    (points,) = drawn.data
    assert list(points.x) == [*INHERITED, *INHERITED[:2]]
    alone = [1.1 - found for found in AUCS]
    assert list(points.y) == pytest.approx(alone)
    assert f"rank correlation {spearmanr(points.x, alone).statistic:.2f}" in drawn.layout.title.text


def test_a_calibration_curve_has_every_row_once(figures: StudyFigures) -> None:
    for part in ("valid", "test"):
        exact, *curves = figures.calibration(part).data
        assert list(exact.x) == list(exact.y)
        assert [curve.name for curve in curves] == ["winner", "all-naive"]
        labels, _ = labels_and_scores()
        for curve in curves:
            rows = np.array(curve.customdata)
            assert rows.sum() == ROWS
            assert (rows * np.array(curve.y)).sum() == pytest.approx(labels.sum())


def test_the_network_has_a_box_per_field_and_per_pair(figures: StudyFigures) -> None:
    boxes = [list(trace.text) for trace in figures.network().data if trace.text is not None]
    won = chosen(3)
    assert boxes[0] == names(FIELDS)
    assert boxes[1] == [f"{left} × {right}" for left, right in won.pairs]
    assert boxes[-1] == ["probability"]


def test_bytes_are_told_by_field_by_cross_and_by_what_they_are(figures: StudyFigures) -> None:
    drawn = figures.costs()
    found = {(trace.name, y): x for trace in drawn.data for y, x in zip(trace.y, trace.x, strict=True)}
    assert found == {
        ("trained table", "field 0"): 2_000,
        ("trained table", "field 1"): 1_200,
        ("trained table", "field 0 × field 1"): 3_200,
        ("weights", "head"): 3_600,
        ("trees", "boosted trees"): 1_600,
        ("vocabulary", "field 0"): 900,
    }


def test_gains_by_frequency_are_those_of_the_rows_of_a_bucket(figures: StudyFigures) -> None:
    points = figures.gain_by_frequency().data[0]
    labels, scores = labels_and_scores()
    rarest = frequency_codes().min(axis=1)
    unseen = rarest == 0
    place = list(points.x).index("unseen")
    gained = auc(labels[unseen], scores["winner"][unseen]) - auc(labels[unseen], scores["all-naive"][unseen])
    assert points.y[place] == pytest.approx(gained)
    assert points.customdata[place][0] == unseen.sum()
    (heatmap,) = figures.gain_by_field().data
    assert list(heatmap.y) == names(FIELDS)
    assert (np.array(heatmap.z, dtype=float) > 0).all()


def test_a_rashomon_set_has_its_figures(figures: StudyFigures) -> None:
    for draw in (figures.rashomon_swarm, figures.rashomon_cloud):
        assert all("×" in label for label in draw().layout.yaxis.ticktext)
    assert figures.rashomon_halo("b", "c").layout.title.text == "Halo of b × c"
    assert len(figures.rashomon_halo("a<b>", "b", "c").data) == 4


def test_what_a_study_does_not_hold_is_said(
    figures: StudyFigures, findings: Findings, tmp_path: Path
) -> None:
    unasked = StudyFigures(replace(findings, proposal={}))
    with pytest.raises(NothingToShowError, match=r"choices that inherited weights scored too"):
        unasked.inherited()
    with pytest.raises(NothingToShowError, match=r"No architectures were explored"):
        unasked.explored()
    with pytest.raises(NothingToShowError, match=r"Importances need four trials"):
        figures.importances()
    with pytest.raises(NothingToShowError, match=r"Fewer than two trials have a measured latency"):
        figures.trade_off("latency")
    path = str(tmp_path / "a.db")
    write_study(path, finished=False)
    with_trials = autofi.open_study("mine", path).figures
    with pytest.raises(NothingToShowError, match=r"Nothing was measured on test rows yet"):
        with_trials.models()
    with pytest.raises(NothingToShowError, match=r"no predictions of test rows"):
        with_trials.calibration()
    for draw in (with_trials.costs, with_trials.gain_by_frequency, with_trials.rashomon_swarm):
        with pytest.raises(NothingToShowError):
            draw()
    assert with_trials.interaction_map().layout.title.text == "Pairs of trial 3, the best so far"


def test_names_are_no_markup(figures: StudyFigures, findings: Findings) -> None:
    for draw in (figures.interaction_map, figures.network, figures.models):
        assert "<img" not in draw().to_json()

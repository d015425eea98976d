"""Rungs: the best third goes on, whatever the number of objectives; brackets are dealt by name and number."""

from __future__ import annotations

from itertools import pairwise

import pytest

from autofi.core.option_names import Fidelity
from autofi.errors import ConfigError
from autofi.samplers.successive_halving import (
    RUNGS,
    RungHistory,
    check_fidelity,
    first_rung,
    rungs_of,
    should_continue,
)


def climbs(*values: float) -> list[RungHistory]:
    return [RungHistory(number, {0: (value,)}) for number, value in enumerate(values)]


def test_all_rows_at_once_have_one_rung_and_nothing_stops() -> None:
    assert rungs_of("full") == (1.0,)
    assert should_continue(
        "full", RungHistory(9, {0: (0.1,)}), climbs(0.9, 0.8), directions=["maximize"], study="s"
    )


def test_rungs_are_thirds_and_end_with_all_rows() -> None:
    assert rungs_of("halving") == rungs_of("hyperband") == RUNGS
    assert RUNGS[-1] == 1.0
    assert all(later == pytest.approx(3 * earlier) for earlier, later in pairwise(RUNGS))


@pytest.mark.parametrize("value", [0.55, 0.65, 0.75, 0.85, 0.95])
def test_the_best_third_goes_on(value: float) -> None:
    others = climbs(0.5, 0.6, 0.7, 0.8, 0.9)
    ranked = sorted([0.5, 0.6, 0.7, 0.8, 0.9, value], reverse=True)
    found = should_continue(
        "halving", RungHistory(5, {0: (value,)}), others, directions=["maximize"], study="s"
    )
    assert found == (value in ranked[: len(ranked) // 3])
    turned = [RungHistory(other.number, {0: (-other.rungs[0][0],)}) for other in others]
    assert found == should_continue(
        "halving", RungHistory(5, {0: (-value,)}), turned, directions=["minimize"], study="s"
    )


def test_a_trial_is_compared_on_its_own_rung_only() -> None:
    low, high = climbs(0.9, 0.9, 0.9), [RungHistory(3, {0: (0.95,), 1: (0.6,)})]
    mine = RungHistory(4, {0: (0.95,), 1: (0.7,)})
    assert should_continue("halving", mine, [*low, *high], directions=["maximize"], study="s")


def test_on_the_last_rung_nothing_stops() -> None:
    last = RungHistory(4, {0: (0.9,), 1: (0.7,), 2: (0.1,)})
    assert should_continue("halving", last, climbs(0.5, 0.6), directions=["maximize"], study="s")


def test_a_number_that_nobody_has_climbed_with_changes_nothing() -> None:
    sparse = [RungHistory(3 * number, {0: (0.5 + 0.1 * number,)}) for number in range(5)]
    for value in (0.55, 0.95):
        mine = RungHistory(20, {0: (value,)})
        assert should_continue("halving", mine, sparse, directions=["maximize"], study="s") == (value > 0.9)


def test_what_few_others_beat_goes_on_where_there_are_several_objectives() -> None:
    # AUC up, bytes down: three on the front, three that are beaten by two of them each.
    front = [(0.9, 30.0), (0.8, 20.0), (0.7, 10.0)]
    beaten = [(0.69, 40.0), (0.68, 41.0), (0.67, 42.0)]
    others = [RungHistory(number, {0: values}) for number, values in enumerate([*front, *beaten])]

    def found(values: tuple[float, float]) -> bool:
        mine = RungHistory(6, {0: values})
        return should_continue("halving", mine, others, directions=["maximize", "minimize"], study="s")

    assert found((0.85, 25.0))
    assert not found((0.66, 43.0))


def test_brackets_are_dealt_by_name_and_number_and_some_trials_begin_on_all_rows() -> None:
    dealt = [first_rung("hyperband", number, study="mine") for number in range(40)]
    assert set(dealt) == {0, 1, 2}
    assert dealt == [first_rung("hyperband", number, study="mine") for number in range(40)]
    assert dealt != [first_rung("hyperband", number, study="yours") for number in range(40)]
    assert dealt.count(0) > dealt.count(2)


def test_within_a_bracket_the_others_do_not_count() -> None:
    dealt = {number: first_rung("hyperband", number, study="mine") for number in range(40)}
    lowest = [number for number, rung in dealt.items() if rung == 0]
    elsewhere = [number for number, rung in dealt.items() if rung == 1]
    mine, *peers = lowest[:4]
    others = [RungHistory(number, {0: (0.5,)}) for number in peers]
    better = [RungHistory(number, {0: (0.9,), 1: (0.9,)}) for number in elsewhere]
    climb = RungHistory(mine, {0: (0.6,)})
    assert should_continue("hyperband", climb, [*others, *better], directions=["maximize"], study="mine")


@pytest.mark.parametrize("fidelity", ["full", "halving"])
def test_without_brackets_every_trial_begins_on_the_lowest_rung(fidelity: Fidelity) -> None:
    assert {first_rung(fidelity, number, study="s") for number in range(10)} == {0}


def test_an_unknown_fidelity_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="halving"):
        check_fidelity("halvin")
    assert check_fidelity("hyperband") == "hyperband"

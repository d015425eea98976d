"""The learned order of starts: it is the one of the default space, and greedy by gain per second."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autofi.space.load import load_space
from autofi.space.renamed_keys import start_as_stored
from autofi.strategies.unselected import BEFORE_PROPOSAL, divide_starts
from benchmarks import portfolio
from benchmarks.peers.tables import SOURCES
from benchmarks.portfolio import OUTCOME, POOL, TREES_ALONE, Results, held_out_shares, ordered

FIRST, SECOND, THIRD, *_, LAST = POOL


def test_the_default_space_has_the_learned_order() -> None:
    learned = [start_as_stored(line["start"]) for line in json.loads(OUTCOME.read_text("utf-8"))["order"]]
    free, _ = divide_starts(load_space("default"))
    # Those of published tables come after what was learned.
    assert json.loads(json.dumps(free))[: len(learned)] == learned
    assert len(learned) > BEFORE_PROPOSAL


def test_the_outcome_names_no_real_table() -> None:
    told = OUTCOME.read_text("utf-8")
    assert not [name for name in SOURCES if name in told]


def losses(**found: float) -> dict[str, float]:
    return {TREES_ALONE: 0.5} | dict.fromkeys(POOL, 0.5) | found


def test_next_is_what_gains_most_per_second_over_those_before() -> None:
    # The first gains most in all; the second half of that in a quarter of the time; the third nothing besides.
    tables = {
        "a": losses(**{FIRST: 0.40, SECOND: 0.45, THIRD: 0.46}),
        "b": losses(**{FIRST: 0.40, SECOND: 0.45, THIRD: 0.46}),
    }
    seconds = {table: dict.fromkeys(POOL, 1.0) | {FIRST: 4.0, TREES_ALONE: 9.0} for table in tables}
    assert ordered(tables, seconds) == [SECOND, FIRST]


def test_a_start_that_a_table_has_not_is_neither_a_gain_nor_a_cost_there() -> None:
    tables = {"a": losses(**{FIRST: 0.45, SECOND: 0.40}), "b": losses(**{FIRST: 0.45})}
    seconds = {table: dict.fromkeys((TREES_ALONE, *POOL), 1.0) for table in tables}
    del tables["b"][SECOND], seconds["b"][SECOND]
    # Per second, the first gains (1/2 + 1) / 2 and the second 1.
    assert ordered(tables, seconds) == [SECOND, FIRST]


def test_an_order_is_judged_on_a_table_that_it_was_learned_without() -> None:
    tables = {"a": losses(**{FIRST: 0.40}), "b": losses(**{FIRST: 0.47, SECOND: 0.40})}
    seconds = {table: dict.fromkeys((TREES_ALONE, *POOL), 1.0) for table in tables}
    assert held_out_shares(tables, seconds, {"b"}) == pytest.approx([0.3, 0.3, 0.3])
    assert held_out_shares(tables, seconds, {"a"}) == pytest.approx([0.0, 0.0, 0.0])


def test_lines_are_kept_whole_and_count_when_their_table_is_finished(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    lines = [
        {
            "table": "a",
            "kind": "k",
            "start": name,
            "settings": POOL.get(name, {}),
            "logloss": 0.4,
            "seconds": 2.0,
        }
        for name in (TREES_ALONE, *POOL)
    ]
    for line in lines[:-1]:
        results.add(line)
    assert results.tables() == ({}, {}, {})
    # The beginning of a line that a killed process left is overwritten.
    results.path.write_text(results.path.read_text("utf-8") + '{"table": "a", "sta', encoding="utf-8")
    assert results.lines() == lines[:-1]
    # A start that the table has not counts as finished.
    results.add(lines[-1] | {"logloss": None})
    found, seconds, kinds = results.tables()
    assert (set(found["a"]), set(seconds["a"]), kinds) == (
        {TREES_ALONE, *POOL} - {LAST},
        set(found["a"]),
        {"a": "k"},
    )
    # Of other settings under the same name it is not.
    results.add(lines[-1] | {"table": "b", "settings": {"fields": "all"}})
    assert list(results.tables()[0]) == ["a"]


def test_every_start_of_the_pool_is_one_of_the_default_space() -> None:
    for start in POOL.values():
        given = load_space("default").model_dump() | {"starts": (start,)}
        free, around = divide_starts(portfolio.SearchSpace.model_validate(given))
        assert (len(free), around) == (1, [])

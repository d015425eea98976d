"""The map of pairs and the table of trials: every cell is what was chosen, and the figures stay small."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import combinations

from autofi.plots.interaction_map import MAPPED_FIELDS, grouped, plot_interaction_map
from autofi.plots.trial_table import plot_trial_table
from autofi.records.trial_metrics import rank
from autofi.space.architecture import Architecture
from autofi.store import TrialRecord
from tests.report.test_trial_note import record

CHOICES = ["naive", "factorize", "memorize", "memorize+factorize"]


def wide(fields: int) -> tuple[list[str], Architecture]:
    names = [f"field {number}" for number in range(fields)]
    forms = [(), ("factorize_hadamard",), ("memorize_embedding",), ("factorize_inner", "memorize_statistics")]
    pairs = {pair: forms[number % 4] for number, pair in enumerate(combinations(names, 2))}
    return names, Architecture(fields=dict.fromkeys(names, ("embedding",)), pairs=pairs)


def test_every_cell_is_the_choice_of_its_pair() -> None:
    names, architecture = wide(7)
    (heatmap,) = plot_interaction_map(names, architecture, title="Pairs").data
    assert list(heatmap.x) == list(heatmap.y) == names
    for row, left in enumerate(names):
        for place, right in enumerate(names):
            if row == place:
                assert heatmap.z[row][place] is None
                assert heatmap.text[row][place] == "field: embedding"
                continue
            choice, form = architecture.choice(left, right)
            assert CHOICES[heatmap.z[row][place]] == choice
            assert heatmap.text[row][place] == (f"{choice}: {form}" if form else "naive")


def test_a_field_that_is_left_out_keeps_its_place() -> None:
    architecture = Architecture(fields={"b": ("embedding",)})
    (heatmap,) = plot_interaction_map(["a", "b"], architecture, title="Pairs").data
    assert list(heatmap.x) == ["a", "b"]
    assert heatmap.text[0][0] == "field: left out"


def test_no_map_is_large() -> None:
    names, architecture = wide(39)
    assert len(plot_interaction_map(names, architecture, title="Pairs").to_json()) < 60_000
    names, architecture = wide(3 * MAPPED_FIELDS)
    assert len(plot_interaction_map(names, architecture, title="Pairs").to_json()) < 200_000


def test_fields_of_a_pair_stand_side_by_side_where_they_are_grouped() -> None:
    names = [f"field {number}" for number in range(20)]
    chain = [("field 3", "field 17"), ("field 17", "field 8"), ("field 0", "field 12")]
    found = grouped(names, chain)
    assert sorted(found) == sorted(names)
    place = {name: number for number, name in enumerate(found)}
    assert all(abs(place[left] - place[right]) == 1 for left, right in chain)
    assert {place[name] for pair in chain for name in pair} == set(range(5))


def test_of_many_fields_those_with_most_pairs_are_shown_in_their_order() -> None:
    names = [f"field {number}" for number in range(2 * MAPPED_FIELDS)]
    used = names[1::2]
    architecture = Architecture(
        fields=dict.fromkeys(names, ("embedding",)),
        pairs=dict.fromkeys(zip(used, used[1:] + used[:1], strict=True), ("memorize_embedding",)),
    )
    drawn = plot_interaction_map(names, architecture, title="Pairs")
    assert list(drawn.data[0].x) == used
    assert drawn.layout.title.text == f"Pairs, the {MAPPED_FIELDS} of {len(names)} fields with most pairs"


def test_names_are_no_markup() -> None:
    architecture = Architecture(fields={"<b>x</b>": ("embedding",), "a&b": ("embedding",)})
    (heatmap,) = plot_interaction_map(["<b>x</b>", "a&b"], architecture, title="Pairs").data
    assert list(heatmap.x) == ["&lt;b&gt;x&lt;/b&gt;", "a&amp;b"]


def trials(*, infeasible: Collection[int] = ()) -> list[TrialRecord]:
    values = (0.7, 0.9, None, 0.8, 0.8)
    return [
        replace(record(), number=number, value=value, violations={"auc>=1": float(number in infeasible)})
        for number, value in enumerate(values)
    ]


def test_feasible_trials_come_first_and_best_first() -> None:
    assert [trial.number for trial in rank(trials(), "maximize")] == [1, 3, 4, 0]
    assert [trial.number for trial in rank(trials(infeasible={1, 3}), "maximize")] == [4, 0, 1, 3]
    assert [trial.number for trial in rank(trials(infeasible={0}), "minimize")] == [3, 4, 1, 0]


def test_the_table_holds_them_in_that_order() -> None:
    drawn = plot_trial_table(trials(infeasible={1}), objective="valid AUC", direction="maximize")
    (shown,) = drawn.data
    columns = dict(zip(shown.header["values"], shown.cells["values"], strict=True))
    assert list(columns["trial"]) == ["3", "4", "0", "1"]
    assert list(columns["feasible"]) == ["yes", "yes", "yes", "no"]
    assert list(columns["valid AUC"]) == ["0.80000", "0.80000", "0.70000", "0.90000"]
    assert list(columns["table bytes"]) == ["91,011"] * 4

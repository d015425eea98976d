"""A trial's note: all that was chosen, measured and paid, in words that no name can turn into markup."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from markdown_it import MarkdownIt

from autofi.report.trial_note import trial_note
from autofi.space.architecture import Architecture
from autofi.store import TrialRecord, TrialState
from autofi.text.architecture import LISTED

ARCHITECTURE = Architecture(
    fields={"user": ("embedding",), "item": ("embedding",), "hour": ("embedding", "statistics")},
    pairs={
        ("user", "item"): ("memorize_embedding",),
        ("user", "hour"): ("factorize_hadamard", "memorize_statistics"),
    },
    streams={"cross_network": {"layers": 2}},
)


def record(architecture: Architecture = ARCHITECTURE, **changes: Any) -> TrialRecord:
    attrs = {
        "describe": architecture.describe(),
        "data_fingerprint": "dada",
        "versions": {"torch": "2.13"},
        "table_rows": 1234,
        "flops": 4321,
        "latency": 98.76,
        "evaluations": 9,
        "best_evaluation": 6,
    }
    made = TrialRecord(
        number=3,
        state=TrialState.COMPLETE,
        stage="search",
        architecture_json=json.dumps(architecture.to_json()),
        architecture_id=architecture.id,
        params={"pairs": "selected", "readout.dropout": 0.2},
        seed=7,
        value=0.8,
        values={"auc": 0.8},
        violations={},
        valid={"auc": 0.8, "logloss": 0.4},
        parameters=5678,
        table_bytes=91011,
        seconds=12.34,
        started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        finished=datetime(2026, 1, 2, 3, 4, 18, tzinfo=UTC),
        error=None,
        attrs=attrs,
    )
    return replace(made, **{"attrs": attrs | changes.pop("attrs", {}), **changes})


def rendered(note: str) -> str:
    """As HTML, with the HTML that the note holds left in: a browser's view of it."""
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(note))


def test_it_tells_what_was_chosen_measured_and_paid_and_where_it_comes_from() -> None:
    note = trial_note(record())
    assert note.startswith(f"**{ARCHITECTURE.describe().replace('_', chr(92) + '_')}**".replace("+", "+"))
    assert "- memorize, 1 pair: user × item (embedding)\n" in note
    assert "- memorize+factorize, 1 pair: user × hour (hadamard+statistics)\n" in note
    assert "- all others naive\n" in note
    assert "- embedding, 2 fields: item, user\n" in note
    assert "- embedding + statistics, 1 field: hour\n" in note
    assert "- cross\\_network, layers 2\n" in note
    for row in (
        "| AUC | 0.80000 |",
        "| logloss | 0.40000 |",
        "| best evaluation | 6 of 9 |",
        "| parameters | 5,678 |",
        "| table rows | 1,234 |",
        "| table bytes | 91,011 |",
        "| FLOPs of a row | 4,321 |",
        "| microseconds of a row | 98.8 |",
        "| seconds of training | 12.3 |",
        "| stage | search |",
        "| variant of the proposal | pairs selected |",
        "| seed | 7 |",
        f"| architecture | {ARCHITECTURE.id} |",
        "| data | dada |",
        "| versions | torch 2.13 |",
        "| begun | 2026-01-02 03:04:05 UTC |",
        "| ended | 2026-01-02 03:04:18 UTC |",
    ):
        assert f"{row}\n" in note
    assert "retry" not in note
    assert "| retry of | trial 2 |\n" in trial_note(record(attrs={"retry_of": 2}))


def test_every_section_is_a_table_or_a_list_in_a_browser() -> None:
    html = rendered(trial_note(record()))
    assert html.count("<table>") == 3
    assert html.count("<td>") == 2 * 17
    assert html.count("<li>") == 3 + 2 + 1


def test_a_failed_trial_tells_its_error() -> None:
    failed = record(
        state=TrialState.FAIL,
        value=None,
        valid=None,
        parameters=None,
        table_bytes=None,
        seconds=None,
        error="RuntimeError: the loss is *nan*",
        attrs={"evaluations": None, "table_rows": None, "flops": None, "latency": None},
    )
    note = trial_note(failed)
    assert "**Failed:** RuntimeError: the loss is \\*nan\\*\n" in note
    assert "## Costs" not in note
    assert "## Lineage" in note


def test_boosted_trees_are_told_where_there_are_some() -> None:
    stored = ARCHITECTURE.to_json() | {"boosting": {}}
    note = trial_note(record(architecture=ARCHITECTURE, attrs={"boosted_share": 0.25, "own_auc": 0.79}))
    assert "boosted" not in note
    boosted = replace(
        record(attrs={"boosted_share": 0.25, "own_auc": 0.79}), architecture_json=json.dumps(stored)
    )
    assert "| beside the network | boosted trees, 25% of the logit |\n" in trial_note(boosted)
    assert "| AUC of the network alone | 0.79000 |\n" in trial_note(boosted)


def test_names_cannot_be_markup() -> None:
    nasty = ("<img src=x onerror=alert(1)>", "a|b", "*bold* `code` [link](javascript:1)", "$x$", "two\nlines")
    architecture = Architecture(
        fields=dict.fromkeys(nasty, ("embedding",)),
        pairs=dict.fromkeys(combinations(nasty, 2), ("memorize_embedding",)),
    )
    note = trial_note(record(architecture, attrs={"versions": {"x|y": "<b>1</b>"}}))
    html = rendered(note)
    for tag in ("<img", "<b>", "<em>", "<code>", "<a "):
        assert tag not in html
    assert "$x$" not in note
    assert html.count("<table>") == 3
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_a_wide_table_makes_no_long_note() -> None:
    names = [f"field {number}" for number in range(39)]
    architecture = Architecture(
        fields=dict.fromkeys(names, ("embedding",)),
        pairs=dict.fromkeys(combinations(names, 2), ("memorize_embedding",)),
    )
    note = trial_note(record(architecture))
    assert "memorize, 741 pairs: field 0 × field 1 (embedding)" in note
    assert note.count("×") == LISTED
    assert f" and {741 - LISTED} more\n" in note
    assert len(note) < 4 * 2045


def test_an_architecture_of_another_version_leaves_the_rest_of_the_note() -> None:
    unknown = ARCHITECTURE.to_json()
    unknown["fields"] = {"user": ["an operator of tomorrow"]}
    for stored in ({}, {"pairs": {"user×item": "memorize"}}, unknown):
        note = trial_note(replace(record(), architecture_json=json.dumps(stored)))
        assert "## Pairs" not in note
        assert "| parameters | 5,678 |\n" in note

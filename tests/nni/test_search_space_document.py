"""A space of ours as NNI's search space document, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.errors import SearchSpaceError
from autofi.nni.search_space_document import from_nni, to_document
from autofi.space.builtin import builtin_spaces
from autofi.space.load import load_space
from autofi.space.optuna_distributions import distributions

labels = st.one_of(st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.text(max_size=3), st.none())


def ranges(least: float) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(st.floats(least, 1e3), st.floats(least, 1e3)).map(lambda ends: (min(ends), max(ends)))


parameters: st.SearchStrategy[BaseDistribution] = st.one_of(
    # As Optuna has them: of choices that are equal, such as 1 and True, it keeps both, and finds the first.
    st.lists(labels, min_size=1, max_size=4, unique=True).map(CategoricalDistribution),
    ranges(-1e3).map(lambda ends: FloatDistribution(*ends)),
    ranges(1e-6).map(lambda ends: FloatDistribution(*ends, log=True)),
    st.tuples(st.integers(-5, 5), st.integers(0, 5)).map(lambda pair: IntDistribution(pair[0], sum(pair))),
)


def read(document: dict[str, Any]) -> dict[str, BaseDistribution]:
    """Return what NNI's manual says of a document: the end of `randint` is not drawn."""
    kinds: dict[str, Callable[..., BaseDistribution]] = {
        "choice": lambda *choices: CategoricalDistribution(choices),
        "uniform": FloatDistribution,
        "loguniform": lambda low, high: FloatDistribution(low, high, log=True),
        "randint": lambda low, end: IntDistribution(low, end - 1),
    }
    return {name: kinds[entry["_type"]](*entry["_value"]) for name, entry in document.items()}


@given(st.dictionaries(st.text(min_size=1), parameters, max_size=4))
def test_a_document_says_all_there_is_to_say(found: dict[str, BaseDistribution]) -> None:
    assert read(json.loads(json.dumps(to_document(found)))) == found


@pytest.mark.parametrize("name", builtin_spaces())
def test_every_space_has_a_document(name: str) -> None:
    found = distributions(load_space(name), {})
    document = autofi.nni_space(name)
    assert read(json.loads(json.dumps(document))) == found
    assert document.keys() == load_space(name).parameters().keys()


def test_the_command_line_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nsummary: Mine.\nfields: {forms: [embedding]}\n"
        "head: {name: mlp, hidden: {choices: [[32], [64, 32]]}, dropout: {low: 0.0, high: 0.5, default: 0.2}}\n"
    )
    printed = CliRunner().invoke(app, ["spaces", "--nni", str(path)])
    assert printed.exit_code == 0, printed.output
    assert json.loads(printed.stdout) == {
        "readout.hidden": {"_type": "choice", "_value": ["32", "64-32"]},
        "readout.dropout": {"_type": "uniform", "_value": [0.0, 0.5]},
    }


@pytest.mark.parametrize(
    ("found", "fact"),
    [
        (FloatDistribution(0.0, 1.0, step=0.1), "'a' is FloatDistribution"),
        (IntDistribution(1, 8, log=True), "'a' is IntDistribution"),
    ],
)
def test_what_nni_has_no_type_for_is_refused(found: BaseDistribution, fact: str) -> None:
    with pytest.raises(SearchSpaceError, match=fact):
        to_document({"a": found})


def test_proposals_become_values_of_the_space() -> None:
    found: dict[str, BaseDistribution] = {
        "kind": CategoricalDistribution([True, 1, "1"]),
        "rate": FloatDistribution(1e-4, 1e-1, log=True),
        "layers": IntDistribution(1, 3),
    }
    one = from_nni({"kind": 1, "rate": 0.1 + 2e-17, "layers": 3}, found)
    assert one == {"kind": 1, "rate": 0.1, "layers": 3}
    assert type(one["kind"]) is int
    assert from_nni({"kind": True, "rate": 9e-5, "layers": 1}, found)["kind"] is True
    assert from_nni({"kind": "1", "rate": 9e-5, "layers": 1}, found)["rate"] == 1e-4
    whole = from_nni({"kind": 8}, {"kind": CategoricalDistribution([4.0, 8.0])})
    assert type(whole["kind"]) is float

"""Every space of a published system says its source, and what is not as published."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from autofi.cli.catalog import operators_markdown, spaces_markdown
from autofi.space.builtin import builtin_spaces
from autofi.space.catalog import OperatorInfo, SpaceInfo, list_operators, list_spaces
from autofi.space.load import load_space

SPACES = {space.name: space for space in list_spaces()}
OPERATORS = {operator.name: operator for operator in list_operators()}
#: Systems that AutoFI builds otherwise than their papers, and a word that the difference has to have.
KNOWN = {
    "optinter": "gradient",
    "optfs": "gradient",
    "optfs_field": "gradient",
    "autoint": "residual",
    "fgcnn": "tanh",
    "armnet": "exponents",
    "armnet_plus": "logits",
    "fcn": "gradients",
    "finalmlp": "gates",
    "hiformer": "no public code",
    "qin": "history",
    "unified": "vocabulary",
    "tanglenas": "images",
}


@pytest.mark.parametrize("name", builtin_spaces())
def test_a_space_says_its_source_and_what_differs(name: str) -> None:
    space = SPACES[name]
    assert space.source.startswith("https://")
    assert space.differs.endswith(".")
    assert len(space.differs) >= len("As published.")


@pytest.mark.parametrize(("name", "word"), KNOWN.items())
def test_what_is_known_to_differ_is_said(name: str, word: str) -> None:
    assert SPACES[name].differs != "As published."
    assert word in SPACES[name].differs


def test_words_are_no_choice(tmp_path: Path) -> None:
    """A study is resumed by the fingerprint of its space: better words leave it alone, and so did adding them."""
    document = yaml.safe_load(builtin_spaces()["optfs"].read_text("utf-8"))
    other = tmp_path / "optfs.yaml"
    found = []
    for words in (None, "In other words."):
        document.pop("differs", None)
        document |= {} if words is None else {"differs": words}
        other.write_text(yaml.safe_dump(document), "utf-8")
        found.append(load_space(other))
    assert found[0].fingerprint == found[1].fingerprint == load_space("optfs").fingerprint
    assert found[1].differs == "In other words."


def test_operators_say_it_too() -> None:
    for name in ("gated_embedding", "gated_field"):
        assert "not by gradient" in OPERATORS[name].differs
    assert "history" in OPERATORS["quadratic"].differs
    assert "codes of fitted vocabularies" in OPERATORS["unified_embedding"].differs
    told = operators_markdown([OPERATORS["quadratic"]]).splitlines()[-1]
    assert told.endswith(f"{OPERATORS['quadratic'].summary} ({OPERATORS['quadratic'].differs}) |")


def test_a_table_says_it_beside_the_summary() -> None:
    qin = SPACES["qin"]
    assert spaces_markdown([qin]).splitlines()[-1].endswith(f"| {qin.summary} {qin.differs} |")
    assert {field.name for field in fields(SpaceInfo)} & {field.name for field in fields(OperatorInfo)} >= {
        "source",
        "differs",
    }

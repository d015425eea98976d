"""Spaces in a folder of the user's own have names as the built-in ones do."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofi.api.compare import compare
from autofi.baselines.train import check_baselines
from autofi.cli.catalog import spaces_markdown
from autofi.errors import SearchSpaceError
from autofi.space.builtin import VARIABLE, builtin_spaces, named_spaces
from autofi.space.catalog import list_spaces
from autofi.space.load import load_space

OURS = """
name: ours
summary: What we run today.
fields: {forms: [embedding]}
sizes: {embedding_dim: 2}
streams: {linear: {}, fm: {}}
head: {name: none}
training: {epochs: 1, learning_rate: 0.01}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "models"
    found.mkdir()
    (found / "ours.yaml").write_text(OURS)
    monkeypatch.setenv(VARIABLE, str(found))
    return found


def test_they_stand_behind_the_built_in_ones(folder: Path) -> None:
    assert named_spaces() == {**builtin_spaces(), "ours": folder / "ours.yaml"}
    assert [space.name for space in list_spaces()] == [*builtin_spaces(), "ours"]
    assert spaces_markdown(list_spaces()).splitlines()[-1] == "| `ours` | one point | What we run today. |"
    assert load_space("ours") == load_space(folder / "ours.yaml")


def test_one_with_a_single_point_is_a_baseline(folder: Path) -> None:
    assert check_baselines(["ours", "dnn"]) == ("ours", "dnn")
    (folder / "searched.yaml").write_text(
        OURS.replace("ours", "searched").replace("dim: 2", "dim: {choices: [2, 4]}")
    )
    with pytest.raises(SearchSpaceError, match="No baseline named 'searched'"):
        check_baselines(["searched"])


def test_a_comparison_trains_it_beside_the_known_models(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("name: mine\nseeds: 1\nmodels: [ours, lr]\ntables: {p: {source: 'planted:rows=2000'}}\n")
    compare(file, data="", storage=f"sqlite:///{tmp_path / 'a.db'}")
    report = (tmp_path / "report.md").read_text()
    assert "| ours | 1 |" in report
    assert "| lr | 1 |" in report


@pytest.mark.parametrize(("name", "whose"), [("dnn", "a built-in one"), ("catboost", "boosted trees")])
def test_a_name_means_the_same_everywhere(folder: Path, name: str, whose: str) -> None:
    (folder / f"{name}.yaml").write_text(OURS.replace("ours", name))
    with pytest.raises(SearchSpaceError, match=f"has the name of {whose}, '{name}'; rename it"):
        named_spaces()


def test_the_name_within_is_that_of_the_file(folder: Path) -> None:
    (folder / "ours.yaml").rename(folder / "theirs.yaml")
    with pytest.raises(
        SearchSpaceError, match="key 'name': 'ours' is not the name of its file; set 'theirs'"
    ):
        load_space("theirs")
    assert load_space(folder / "theirs.yaml").name == "ours"


def test_the_folder_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(SearchSpaceError, match="names '.*gone', which is no folder; .* unset it"):
        named_spaces()

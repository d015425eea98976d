"""A file is there as a whole or not at all: what breaks while it is written leaves the old one, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autofi.core.atomic_file import atomic_path


def break_while_writing(target: Path) -> None:
    with atomic_path(target) as partial:
        partial.write_text("half")
        raise ValueError("broke")


@pytest.mark.parametrize("old", ["old", None])
def test_a_block_that_breaks_leaves_what_was_there(tmp_path: Path, old: str | None) -> None:
    target = tmp_path / "target"
    if old is not None:
        target.write_text(old)
    with pytest.raises(ValueError, match="broke"):
        break_while_writing(target)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == ({"target": old} if old else {})


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    with atomic_path(target) as first, atomic_path(target) as second:
        # Two writers are in nobody's way: the last to end wins.
        first.write_text("first")
        second.write_text("second")
        assert target.read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"target": "first"}


@pytest.mark.skipif(os.name == "nt", reason="Windows makes links for administrators only")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, real = tmp_path / "link", tmp_path / "folder" / "real"
    real.parent.mkdir()
    link.symlink_to(real)
    with atomic_path(link) as partial:
        partial.write_text("new")
    assert link.is_symlink() and real.read_text() == "new"
    assert list(real.parent.iterdir()) == [real]

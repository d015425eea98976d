"""A search of a table that does not fit in what rows may take in memory ends, finds as much, and leaves no file."""

from __future__ import annotations

from pathlib import Path

import pytest

import autofi
from autofi.core.memmap import VARIABLE
from autofi.core.progress import SilentProgress
from autofi.training import place_rows as source
from autofi.training.windowed_rows import WindowedRows
from tests.visits import visits

TINY = Path(__file__).parent / "spaces" / "tiny.yaml"


class Notes(SilentProgress):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_search_by_windows_is_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightgbm")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(scratch))
    opened: list[WindowedRows] = []

    def remember(*arguments: object) -> WindowedRows:
        opened.append(WindowedRows(*arguments))
        return opened[-1]

    monkeypatch.setattr(source, "WindowedRows", remember)
    reached = {}
    for limit in ("1GB", "16KB"):
        monkeypatch.setenv(VARIABLE, limit)
        progress = Notes()
        study = autofi.search(
            visits(3000),
            target="click",
            space=TINY,
            study=limit,
            storage=str(tmp_path / "studies.db"),
            seeds=1,
            seed=1,  # sixteen units at so high a rate may all die: one training in eight does, with seed 0
            device="cpu",
            baselines=("dnn", "lightgbm"),
            progress=progress,
        )
        try:
            summary = study.summary()
            reached[limit] = summary["winner"]["test"]["auc"]
            names = [one["name"] for one in summary["baselines"]]
            assert sorted(names) == (["dnn"] if opened else ["dnn", "lightgbm"])
            assert any("do not fit in AUTOFI_MEMORY" in note for note in progress.notes) == bool(opened)
            assert bool(opened) == (limit == "16KB")
            assert [path for path in scratch.rglob("*") if path.is_file()] == []
        finally:
            study.close()
    assert reached["16KB"] == pytest.approx(reached["1GB"], abs=0.03)

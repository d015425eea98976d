"""A preset fills in what no option says, and nothing else."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

import autofi
from autofi.core.progress import SilentProgress
from autofi.engine.presets import DEFAULT_PRESET, PRESETS, Preset, get_preset
from autofi.errors import ConfigError
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import PROPOSAL
from tests.visits import visits


class Noting(SilentProgress):
    """A user that reads the notes and ends the search before the data is encoded."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def phase(self, name: str, total: int | None = None) -> None:
        if name == "encode":
            raise KeyboardInterrupt


def test_fast_trains_few_models_and_no_supernet(tmp_path: Path) -> None:
    table = visits(1500).drop(columns=["hour", "weight", "visit"])
    found = autofi.search(
        table,
        target="click",
        study="mine",
        storage=str(tmp_path / "a.db"),
        preset="fast",
        baselines=["lr"],
        trials=2,
        device="cpu",
    )
    with closing(found) as study:
        settings = study._settings
        assert (settings.strategy, settings.trials, settings.seeds) == ("quick", 2, PRESETS["fast"].seeds)
        assert settings.baselines == ("lr",)
        made = study._handle.stage(PROPOSAL)
        assert made is not None
        assert (made["evidence"], made["exploration"]["scored"]) == ([], [])
        assert len(study._handle.trials()) == 2
    # Only a preset that the user names can promise another strategy.
    for preset, notes in ((None, 0), ("fast", 0), ("good", 1)):
        resumed = Noting()
        with pytest.raises(KeyboardInterrupt):
            autofi.search(
                table,
                target="click",
                study="mine",
                storage=str(tmp_path / "a.db"),
                preset=preset,
                baselines=(),
                progress=resumed,
            )
        assert len(resumed.notes) == notes
        assert all("keeps the strategy quick" in note for note in resumed.notes)


def test_the_default_preset_is_the_default_of_every_option() -> None:
    assert get_preset(DEFAULT_PRESET) == Preset()
    settings = SearchSettings("table", "click")
    assert (settings.strategy, settings.trials, settings.seeds, settings.baselines) == (
        Preset().strategy,
        Preset().trials,
        Preset().seeds,
        Preset().baselines,
    )
    assert PRESETS["fast"].trials < PRESETS[DEFAULT_PRESET].trials < PRESETS["best"].trials


def test_an_unknown_preset_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No preset named 'god': did you mean 'good'"):
        autofi.search("planted", preset="god", storage=str(tmp_path / "a.db"))

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autofi.data.config import READING
from autofi.data.load import open_again, open_data
from autofi.errors import DataError
from autofi.store.search_settings import SearchSettings


@pytest.fixture
def settings(tmp_path: Path) -> SearchSettings:
    generator = np.random.default_rng(0)
    path = tmp_path / "clicks.csv"
    pd.DataFrame({"x": generator.integers(0, 9, 300), "click": generator.integers(0, 2, 300)}).to_csv(path)
    return SearchSettings(str(path), "click")


def test_the_same_data_opens_again(settings: SearchSettings) -> None:
    fingerprint = open_data(settings.source, settings).fingerprint
    again = SearchSettings.from_json(settings.to_json())
    assert open_again(again, study="s", fingerprint=fingerprint).fingerprint == fingerprint


def test_settings_of_earlier_versions_are_of_the_first_reading(settings: SearchSettings) -> None:
    kept = settings.to_json()
    assert kept.pop("reading") == READING == SearchSettings.from_json(settings.to_json()).reading
    assert SearchSettings.from_json(kept) == replace(settings, reading=1)


def test_an_earlier_reading_is_not_called_other_data(settings: SearchSettings) -> None:
    with pytest.raises(DataError, match="was searched on data with"):
        open_again(settings, study="s", fingerprint="0" * 32)
    with pytest.raises(
        DataError, match="searched by an earlier version of AutoFI.*stay usable, but search again"
    ):
        open_again(replace(settings, reading=1), study="s", fingerprint="0" * 32)
    # Where that version came to the same, there is nothing to say.
    fingerprint = open_data(settings.source, settings).fingerprint
    open_again(replace(settings, reading=1), study="s", fingerprint=fingerprint)

"""Where arrays of rows live does not change what they hold, and files of theirs are never left behind."""

from __future__ import annotations

import errno
import os
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from autofi.core.memmap import VARIABLE, empty_rows, memory_limit, release, scratch_folder
from autofi.data.encode import encode
from autofi.data.feature_builder import build_features
from autofi.data.load import open_data
from autofi.errors import ConfigError, DataError
from autofi.readers import open_table
from autofi.store.search_settings import SearchSettings
from tests.data.clicks import COLUMN, FRAME, SCHEMA


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("asked", "size"), [("4GiB", 4 << 30), ("500 MB", 500_000_000), ("1024", 1024)])
def test_the_limit_is_what_the_variable_says(monkeypatch: pytest.MonkeyPatch, asked: str, size: int) -> None:
    monkeypatch.setenv(VARIABLE, asked)
    assert memory_limit() == size


def test_without_the_variable_it_is_a_share_of_the_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert 1 << 20 < memory_limit() < 1 << 50


@pytest.mark.parametrize("asked", ["much", "", "-1 GB"])
def test_a_size_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv(VARIABLE, asked)
    with pytest.raises(ConfigError, match=f"{VARIABLE} is .*, not a size; set it to 4GiB"):
        memory_limit()


@pytest.mark.parametrize("shape", [(50, 3), (50, 3, 2), (0, 3), (50, 0)])
@pytest.mark.parametrize("mapped", [True, False])
def test_values_stay_and_no_file_is_seen(scratch: Path, shape: tuple[int, ...], mapped: bool) -> None:
    assert scratch_folder() == str(scratch)
    array = empty_rows(shape, np.float32, mapped=mapped)
    assert array.shape == shape and array.dtype == np.float32
    assert list(scratch.iterdir()) == []
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    array[:] = values
    release(array, array[3:7], None)
    np.testing.assert_array_equal(array, values)
    if mapped and values.size:
        assert isinstance(array, np.memmap)
        assert all(array[:, column].flags.c_contiguous for column in range(shape[1]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes the space of a file beforehand")
def test_a_full_disk_is_told_before_anything_is_written(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=f"{scratch} has no room .*.No space left on device.; free some"):
        empty_rows((50, 3), np.float32, mapped=True)
    with pytest.raises(DataError, match="has no room for"):
        encode(open_table(FRAME), SCHEMA, split=COLUMN, directory=tmp_path / "arrays", memory_limit=1000)


def test_mapped_features_equal_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = encode(open_table(FRAME), SCHEMA, split=COLUMN)
    pairs = list(combinations(range(4), 2))
    found = []
    for limit in ("1GB", "1KB"):
        monkeypatch.setenv(VARIABLE, limit)
        builder, features = build_features(dataset, pairs)
        assert isinstance(features.crosses, np.memmap) == isinstance(features.statistics, np.memmap)
        assert isinstance(features.statistics, np.memmap) == (limit == "1KB")
        found.append((features, builder))
    (inside, one), (outside, other) = found
    np.testing.assert_array_equal(inside.crosses, outside.crosses)
    np.testing.assert_array_equal(inside.statistics, outside.statistics)
    assert one.log_counts == other.log_counts


def test_a_search_maps_what_is_larger_than_the_limit(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for limit in ("1GB", "1KB"):
        monkeypatch.setenv(VARIABLE, limit)
        dataset = open_data("planted:rows=3000", SearchSettings(None, target="click"))
        assert isinstance(dataset.ids, np.memmap) == (limit == "1KB")
        assert list(scratch.iterdir()) == []
        found.append(dataset)
    assert found[0].fingerprint == found[1].fingerprint
    np.testing.assert_array_equal(found[0].ids, found[1].ids)

"""Rows read by windows: every row once, in an order of the generator's, and nothing else than in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autofi.core.memmap import VARIABLE, empty_rows
from autofi.data.features import Features
from autofi.metrics.ranking import auc
from autofi.model.network import Network
from autofi.operators.base import Sizes
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import TrainingSettings
from autofi.supernet.differentiable import train_by_gradient
from autofi.supernet.path_training import train_by_paths
from autofi.training.fit import fit
from autofi.training.predict import predict
from autofi.training.row_source import Rows, RowSource, steps_in
from autofi.training.windowed_rows import BLOCKS, WindowedRows, read_ahead
from tests.supernet.tables import FIELDS, PAIRS, cell_table, make_supernet, slots_with

TABLE = cell_table(4000, {(0, 1): 1.5, (2, 3): 0.5})
LAYOUT = {"embedding": [(f,) for f in range(FIELDS)], "memorize_embedding": list(PAIRS)}
SETTINGS = TrainingSettings(learning_rate=2e-2, batch_size=100, epochs=3, embedding_l2=0.0, evaluations=2)


def mapped(features: Features) -> Features:
    """The same features in files."""
    assert features.crosses is not None
    ids, crosses = (empty_rows(a.shape, a.dtype, mapped=True) for a in (features.ids, features.crosses))
    ids[:], crosses[:] = features.ids, features.crosses
    return replace(features, ids=ids, crosses=crosses)


def numbered(rows: int, window: int) -> WindowedRows:
    """Rows that hold their own number, and it again as their label, and twice as their weight."""
    ids = empty_rows((rows, 1), np.int32, mapped=True)
    ids[:, 0] = np.arange(rows)
    numbers = torch.arange(rows, dtype=torch.float32)
    features = Features(ids=ids, numbers=np.empty((rows, 0), np.float32))
    return WindowedRows(features, lambda some: {"row": torch.tensor(some.ids)}, numbers, 2 * numbers, window)


def make(*, seed: int = 0) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(LAYOUT, TABLE.shapes, Sizes(4, 4, 4), HeadSizes(hidden=(16,)))


def windowed(network: Network, window: int) -> WindowedRows:
    return WindowedRows(mapped(TABLE.features), network.select, TABLE.labels, None, window)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def read(rows: WindowedRows, periods: Sequence[Sequence[torch.Tensor]], batch_size: int) -> list[int]:
    """Row numbers as they are trained on; checks that everything of a row stays together."""
    found: list[int] = []
    for period in periods:
        batches = list(rows.batches(period, batch_size))
        assert len(batches) == steps_in(period, batch_size)
        for batch in batches:
            assert 0 < len(batch) <= batch_size
            numbers = batch.selected["row"][:, 0]
            assert torch.equal(numbers.float(), batch.labels)
            assert batch.weights is not None and torch.equal(batch.weights, 2 * batch.labels)
            found += numbers.tolist()
    return found


@pytest.mark.parametrize(
    ("count", "window", "periods"), [(1000, 100, 1), (1000, 96, 3), (501, 70, 2), (40, 7, 1), (300, 300, 4)]
)
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_an_epoch_has_every_row_once_and_no_other(
    count: int, window: int, periods: int, share: float
) -> None:
    rows = numbered(count, window)
    index = torch.from_numpy(np.flatnonzero(np.random.default_rng(0).random(count) < share))
    epoch = rows.shuffled(seeded(), index=None if share == 1.0 else index, periods=periods)
    assert len(epoch) == periods
    lengths = [sum(map(len, period)) for period in epoch]
    assert max(lengths) - min(lengths) <= max(1, BLOCKS * len(epoch[0]))
    order = read(rows, epoch, 16)
    assert sorted(order) == index.tolist() != order
    for period in epoch:
        for part in period:
            assert len(part) <= window + BLOCKS
            runs = int((part.sort().values.diff() > 1).sum()) + 1
            assert share < 1.0 or len(epoch[0]) == 1 or runs <= BLOCKS


def test_the_order_is_the_generators() -> None:
    rows = numbered(1000, 100)
    one, again, other = (read(rows, rows.shuffled(seeded(seed)), 16) for seed in (0, 0, 1))
    assert one == again != other
    epochs = seeded()
    assert read(rows, rows.shuffled(epochs), 16) == one != read(rows, rows.shuffled(epochs), 16)


def test_a_part_is_a_view_and_pieces_keep_the_order() -> None:
    rows = numbered(500, 60).part(slice(100, 400))
    index = torch.tensor([7, 3, 299, 3, 0])
    taken = rows.take(index)
    assert taken.selected["row"][:, 0].tolist() == [107, 103, 399, 103, 100] == taken.labels.tolist()
    for index, expected in ((None, range(100, 400)), (torch.arange(5, 250, 2), range(105, 350, 2))):
        pieces = list(rows.pieces(16, index))
        assert max(map(len, pieces)) <= 16
        assert [int(label) for piece in pieces for label in piece.labels] == list(expected)
    assert list(rows.part(slice(0, 0)).pieces(16)) == []
    assert read(rows, rows.part(slice(0, 0)).shuffled(seeded()), 16) == []


def test_one_window_over_everything_trains_as_in_memory() -> None:
    states = []
    for inside in (True, False):
        network = make()
        rows: RowSource = windowed(network, 4000)
        if inside:
            rows = Rows(network.select(TABLE.features), TABLE.labels)
        report = fit(
            network, rows.part(slice(0, 3000)), rows.part(slice(3000, 4000)), SETTINGS, generator=seeded()
        )
        states.append((report.history, *(value.tolist() for value in network.state_dict().values())))
    assert states[0] == states[1]


def test_supernets_train_as_in_memory_too() -> None:
    options = ((), ("memorize_embedding",), ("factorize_hadamard",))
    states = []
    for inside in (True, False):
        for gradient in (True, False):
            supernet = make_supernet(TABLE, slots_with(options))
            rows: RowSource = windowed(supernet, 4000)
            if inside:
                rows = TABLE.rows(supernet)
            settings = {"epochs": 2, "learning_rate": 1e-2, "embedding_l2": 0.0, "batch_size": 300}
            if gradient:
                parts = {"weight_index": torch.arange(3000), "choice_index": torch.arange(3000, 4000)}
                train_by_gradient(supernet, rows, **parts, **settings, generator=seeded())
            else:
                train_by_paths(supernet, rows, index=torch.arange(3000), **settings, generator=seeded())
            states.append([value.tolist() for value in supernet.state_dict().values()])
    assert states[:2] == states[2:]


def test_windows_learn_as_much_and_score_the_same() -> None:
    reached = {}
    for window in (300, 4000):
        network = make()
        rows = windowed(network, window)
        report = fit(
            network, rows.part(slice(0, 3000)), rows.part(slice(3000, 4000)), SETTINGS, generator=seeded()
        )
        reached[window] = report.auc
        inside = Rows(network.select(TABLE.features), TABLE.labels)
        np.testing.assert_allclose(predict(network, rows), predict(network, inside), rtol=1e-6)
    truth = auc(TABLE.labels[3000:].numpy(), TABLE.logits[3000:])
    assert reached[300] > truth - 0.1
    assert reached[300] == pytest.approx(reached[4000], abs=0.02)


def test_the_next_is_read_while_the_present_is_used_and_no_more() -> None:
    begun: list[int] = []

    def double(number: int) -> int:
        begun.append(number)
        return 2 * number

    for place, found in enumerate(read_ahead(double, range(5))):
        assert found == 2 * place
        assert max(begun) <= place + 1
    assert begun == [0, 1, 2, 3, 4]
    assert list(read_ahead(double, [])) == []


def test_what_fails_while_reading_ahead_is_raised() -> None:
    def fail(number: int) -> int:
        if number == 1:
            raise OSError("the disk is gone")
        return number

    found = read_ahead(fail, range(3))
    assert next(found) == 0
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux limits a process's own memory apart from maps"
)
@pytest.mark.parametrize(("limit", "ends"), [("4MB", 0), ("4GB", 1)])
def test_training_needs_no_more_memory_than_its_windows(limit: str, ends: int) -> None:
    program = Path(__file__).with_name("train_in_little_memory.py")
    finished = subprocess.run(
        [sys.executable, program],
        env={**os.environ, VARIABLE: limit},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert finished.returncode == ends, finished.stderr
    assert ends == 0 or "alloc" in finished.stderr

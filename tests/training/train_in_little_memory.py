"""A program that trains on 100 MB of rows and may take 90 MB more than after its first steps: `test_windows`."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import torch

from autofi.core.memmap import empty_rows
from autofi.data.features import Features
from autofi.model.network import Network
from autofi.operators.base import Shapes, Sizes
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import TrainingSettings
from autofi.training.fit import fit
from autofi.training.place_rows import rows_for
from autofi.training.predict import predict

ROWS, FIELDS, CODES = 250_000, 100, 10
MORE = 90 << 20
SETTINGS = TrainingSettings(batch_size=2500, epochs=1)


def data_bytes() -> int:
    """Memory of the process's own: maps of files do not count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))


def main() -> None:
    shapes = Shapes(
        names=tuple(map(str, range(FIELDS))),
        cardinalities=(CODES,) * FIELDS,
        kept=(CODES,) * FIELDS,
        prior=0.5,
    )
    layout = {"embedding": [(field,) for field in range(FIELDS)]}
    network = Network(layout, shapes, Sizes(embedding_dim=1), HeadSizes("linear"))
    generator = np.random.default_rng(0)
    ids = empty_rows((ROWS, FIELDS), np.int32, mapped=True)
    for field in range(FIELDS):
        ids[:, field] = generator.integers(0, CODES, ROWS)
    labels = generator.integers(0, 2, ROWS).astype(np.float32)
    features = Features(ids=ids, numbers=np.empty((ROWS, 0), np.float32))
    for rows in (10_000, ROWS):
        # The first round takes what torch takes once.
        some = rows_for(network, features.rows(slice(0, rows)), labels[:rows])
        fit(network, some, None, SETTINGS, generator=torch.Generator().manual_seed(0))
        assert np.isfinite(predict(network, some)).all()
        resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + MORE, resource.RLIM_INFINITY))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

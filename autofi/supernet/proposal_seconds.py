"""An estimate of the time that a proposal takes, from the sizes of the table and the time of a training."""

from __future__ import annotations

from autofi.data.dataset import EncodedDataset
from autofi.space.search_space import SearchSpace
from autofi.supernet.fold_supernets import ENOUGH_ROWS, FOLDS
from autofi.supernet.screening import BASE_EPOCHS

#: The seconds to screen a pair of one row, and the time of a supernet's epoch with all that is judged by it, in epochs
#: of a trial (`benchmarks/RESULTS.md`).
SCREEN_SECONDS = 6e-7
SUPERNET_EPOCH = 2.5


def proposal_seconds(dataset: EncodedDataset, space: SearchSpace, *, epoch: float) -> float:
    """Return about how long a proposal takes that is made with a screen and supernets.

    Args:
        epoch: The seconds that a trial's network takes for the training rows, once.
    """
    rows = int(dataset.parts["train"].stop)
    valid = dataset.parts["valid"]
    fields = len(dataset.encoder.schema.names)
    pairs = fields * (fields - 1) / 2
    # Where validation rows are few, every fold of the training rows has a supernet that has not seen it.
    passes = 1 if int(valid.stop - valid.start) >= ENOUGH_ROWS else FOLDS - 1
    epochs = BASE_EPOCHS + space.search.epochs * passes * SUPERNET_EPOCH
    return SCREEN_SECONDS * pairs * rows + epochs * epoch

"""An estimate of the time that a proposal takes, from the sizes of the table and the time of a training."""

from __future__ import annotations

from autofi.data.dataset import EncodedDataset
from autofi.space.search_space import SearchSpace
from autofi.supernet.fold_supernets import ENOUGH_ROWS, FOLDS
from autofi.supernet.screening import BASE_EPOCHS
from autofi.supernet.variants import MOST_TARGET_ENCODED

#: The seconds to screen a pair of one row, and the time of a supernet's epoch with all that is judged by it, in epochs
#: of a trial (`benchmarks/RESULTS.md`).
SCREEN_SECONDS = 6e-7
SUPERNET_EPOCH = 2.5


def proposal_seconds(dataset: EncodedDataset, space: SearchSpace, *, epoch: float) -> float:
    """Return about how long the part of a proposal takes that is worth it by itself.

    With many pairs that is the screen: nothing else tells which to encode. Few pairs are all encoded without it,
    and what is new then comes from the supernets.

    Args:
        epoch: The seconds that a trial's network takes for the training rows, once.
    """
    rows, valid = int(dataset.parts["train"].stop), dataset.parts["valid"]
    fields = len(dataset.encoder.schema.names)
    pairs = fields * (fields - 1) // 2
    screen = SCREEN_SECONDS * pairs * rows + BASE_EPOCHS * epoch
    if pairs > MOST_TARGET_ENCODED:
        return screen
    # Where validation rows are few, every fold of the training rows has a supernet that has not seen it.
    passes = 1 if int(valid.stop - valid.start) >= ENOUGH_ROWS else FOLDS - 1
    return screen + space.search.epochs * passes * SUPERNET_EPOCH * epoch

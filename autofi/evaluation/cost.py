"""The cost of a trained network: its size, its operations and its latency."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from autofi.data.encoded_rows import EncodedRows
from autofi.data.feature_builder import FeatureBuilder
from autofi.data.features import Features
from autofi.evaluation.preprocessing_bytes import fitted_bytes
from autofi.model.network import BOOSTED, Network

#: Seconds of calls before timing starts, seconds of a round, and seconds between two rounds.
WARM_UP, ROUND, PAUSE = 0.05, 0.05, 0.1
#: Calls per block; the median of a block counts.
BLOCK = 5
#: The rounds that must come within AGREE times the least of all, and the most rounds.
AGREEING, MOST_ROUNDS = 5, 25
AGREE = 1.05


@dataclass(frozen=True)
class Costs:
    """The costs of one network, including the boosted trees that have a weight in it.

    Attributes:
        parameters: Parameters of the network.
        table_bytes: Bytes that its fields and pairs add to a bundle: lookup tables, vocabularies, crosses, target
            encodings, positions in shared and gated tables, and boosted trees; dense weights count as parameters only.
        fitted_bytes: The part of `table_bytes` that is not trained.
        flops: Operations for one row; see `count_flops`.
        latency: Microseconds for one row; see `measure_latency`. None if not asked for.
    """

    parameters: int
    table_bytes: int
    fitted_bytes: int
    flops: int
    latency: float | None = None

    def figures(self) -> dict[str, float]:
        """Return the measured costs by the names of objectives."""
        found: dict[str, float] = {
            "parameters": self.parameters,
            "table_bytes": self.table_bytes,
            "flops": self.flops,
        }
        return found if self.latency is None else found | {"latency": self.latency}


def measure_costs(network: Network, builder: FeatureBuilder, *, latency: bool = False) -> Costs:
    """Return the costs of a trained network and its feature builder, on a row whose values are all missing.

    No cost depends on the values: every look-up reads a row of its table whatever the code is. Lists of values are as
    long as the longest that is read. With `latency` it takes a second longer, or four on a busy machine.
    """
    trees = builder.boosted if network.boosted else None
    fitted = fitted_bytes(network, builder)
    features = builder.of_rows(_missing_row(builder))
    return Costs(
        parameters=network.num_parameters(),
        table_bytes=network.table_bytes() + fitted + (0 if trees is None else trees.nbytes),
        fitted_bytes=fitted,
        flops=count_flops(network, features),
        latency=measure_latency(network, builder, features) if latency else None,
    )


def count_flops(network: Network, features: Features) -> int:
    """Return the operations of the network's matrix products for one row, counting multiplications and additions.

    The count is that of `torch.utils.flop_counter`: linear layers, batched products, convolutions and attention. It
    leaves out look-ups, sums, element-by-element products, and comparisons in boosted trees: a factorization machine,
    which is computed from sums and squares, has 0, as does a logistic regression.
    """
    selected = _on_device(network, features)
    # Inference mode is off, because the counter hooks into the graph of a parameter that a module is called with.
    with _evaluating(network), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(selected)
    return int(counter.get_total_flops()) // len(features)


def measure_latency(network: Network, builder: FeatureBuilder, features: Features) -> float:
    """Return the microseconds of one call in evaluation mode, for one row, on one thread of the processor.

    The row is already encoded as tensors. Boosted trees that have a weight are called too, with the look-ups of their
    target encodings. A network on a GPU is measured through a copy on the processor.

    After WARM_UP seconds of calls come rounds of ROUND seconds with a PAUSE between them, where blocks of BLOCK calls
    are timed call by call; the result is the least median of all blocks. Other processes may delay some calls, which a
    median leaves out, or whole blocks, the least of which is not affected, or everything for some tenths of a second:
    so measuring continues until AGREEING rounds agree, or for MOST_ROUNDS. On a machine that is never idle the result
    is still too high, for example while several trainings run at once; do not compare results of two machines.
    """
    if network.device.type != "cpu":
        network = copy.deepcopy(network).cpu()
    selected = network.select(features)
    trees = builder.boosted if network.boosted else None

    def call() -> None:
        if trees is not None:
            logits = trees.transform(features.ids, features.numbers, threads=1)
            selected[BOOSTED] = torch.from_numpy(logits)
        network(selected)

    with _one_thread(), _evaluating(network), torch.inference_mode():
        _least_block(call, WARM_UP)
        rounds = [_least_block(call, ROUND)]
        while len(rounds) < MOST_ROUNDS and sum(least <= AGREE * min(rounds) for least in rounds) < AGREEING:
            time.sleep(PAUSE)
            rounds.append(_least_block(call, ROUND))
    return 1e6 * min(rounds)


def _least_block(call: Callable[[], None], seconds: float) -> float:
    """Return the least median of blocks of calls within this many seconds, with at least one block."""
    end = time.perf_counter() + seconds
    least = statistics.median(_seconds(call) for _ in range(BLOCK))
    while time.perf_counter() < end:
        least = min(least, statistics.median(_seconds(call) for _ in range(BLOCK)))
    return least


def _seconds(call: Callable[[], None]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _missing_row(builder: FeatureBuilder) -> EncodedRows:
    encoder = builder.encoder
    return EncodedRows(
        ids=np.zeros((1, len(encoder.cardinalities)), dtype=np.int32),
        numbers=np.full((1, len(encoder.number_fields)), np.nan, dtype=np.float32),
        bags={name: np.zeros((1, width), dtype=np.int32) for name, width in encoder.bag_widths.items()},
    )


def _on_device(network: Network, features: Features) -> dict[str, torch.Tensor]:
    return {name: tensor.to(network.device) for name, tensor in network.select(features).items()}


@contextmanager
def _evaluating(network: Network) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

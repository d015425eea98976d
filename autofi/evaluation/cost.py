"""What a trained network costs to keep and to run."""

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

#: Seconds of calls before anything is timed, of those in a round, and between two rounds.
WARM_UP, ROUND, PAUSE = 0.05, 0.05, 0.1
#: Calls of a block, of which the median counts.
BLOCK = 5
#: Rounds that have to come to no more than AGREE times the least of all, and rounds at most.
AGREEING, MOST_ROUNDS = 5, 25
AGREE = 1.05


@dataclass(frozen=True)
class Costs:
    """Of one network, with the boosted trees that have a weight in it.

    parameters   trained numbers of the network
    table_bytes  bytes that its fields and pairs add to a bundle: lookup tables, vocabularies, crosses, target
                 statistics, places in shared and gated tables, and boosted trees; dense weights are parameters alone
    fitted_bytes those of `table_bytes` that are not trained
    flops        of one row: see `count_flops`
    latency      microseconds of one row: see `measure_latency`; None where it was not asked for
    """

    parameters: int
    table_bytes: int
    fitted_bytes: int
    flops: int
    latency: float | None = None

    def figures(self) -> dict[str, float]:
        """What was measured, by the names of objectives."""
        found: dict[str, float] = {
            "parameters": self.parameters,
            "table_bytes": self.table_bytes,
            "flops": self.flops,
        }
        return found if self.latency is None else found | {"latency": self.latency}


def measure_costs(network: Network, builder: FeatureBuilder, *, latency: bool = False) -> Costs:
    """The costs of a trained network and the builder of its features, on a row whose values are all missing.

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
    """Operations of the matrix products that the network makes of one row: a multiplication and an addition each.

    As `torch.utils.flop_counter` counts them: linear layers, batched products, convolutions and attention. Look-ups,
    sums and element-by-element products are not counted, nor are comparisons in boosted trees: a factorization
    machine, which is computed from sums and squares, comes to 0, as does a logistic regression.
    """
    selected = _on_device(network, features)
    # Not in inference mode: the counter hooks into the graph of a parameter that a module is called with.
    with _evaluating(network), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(selected)
    return int(counter.get_total_flops()) // len(features)


def measure_latency(network: Network, builder: FeatureBuilder, features: Features) -> float:
    """Microseconds of one call of the network in evaluation mode, on one thread of the processor, for one row.

    The row is encoded already and lies in tensors. Boosted trees that have a weight are called too, on columns that
    were looked up already. A network on a GPU is measured by a copy of it on the processor.

    After WARM_UP seconds of calls come rounds of ROUND seconds with a PAUSE between them, where blocks of BLOCK calls
    are timed call by call; what counts is the least median of all blocks. What another process takes lengthens some
    calls, which a median leaves out, or whole blocks, of which the least is free, or everything for some tenths of a
    second: so it goes on until AGREEING rounds have come to the same, or for MOST_ROUNDS. A machine that is never quiet
    still measures too much, as it may where several trainings run at once; figures of two machines do not compare.
    """
    if network.device.type != "cpu":
        network = copy.deepcopy(network).cpu()
    selected = network.select(features)
    trees = builder.boosted if network.boosted else None

    def call() -> None:
        if trees is not None:
            selected[BOOSTED] = torch.from_numpy(trees.transform(features, threads=1))
        network(selected)

    with _one_thread(), _evaluating(network), torch.inference_mode():
        _least_block(call, WARM_UP)
        rounds = [_least_block(call, ROUND)]
        while len(rounds) < MOST_ROUNDS and sum(least <= AGREE * min(rounds) for least in rounds) < AGREEING:
            time.sleep(PAUSE)
            rounds.append(_least_block(call, ROUND))
    return 1e6 * min(rounds)


def _least_block(call: Callable[[], None], seconds: float) -> float:
    """The least median of blocks of calls for so many seconds, and at least one block."""
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

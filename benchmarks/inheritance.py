"""Do inherited weights rank architectures as training from scratch does? `python -m benchmarks.inheritance TABLE`.

Random architectures of a space (forms of fields, options of the open pairs, a set of streams) are scored on held-out
rows by the weights of a supernet that was trained by paths, and each is then trained from fresh weights. Minutes on a
table of tens of thousands of rows, an hour on one of hundreds of thousands.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau, spearmanr

from autofi.core.device import pick_device
from autofi.core.progress import SilentProgress
from autofi.data.load import open_data
from autofi.data.schema_overrides import SchemaOverrides
from autofi.evaluation.workbench import Workbench
from autofi.metrics.ranking import auc, logloss
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.resolve import resolve
from autofi.store.search_settings import SearchSettings
from autofi.supernet.context import ProposalContext
from autofi.supernet.fold_supernets import train_path_supernets
from autofi.supernet.slots import build_slots, streams_of
from autofi.supernet.supernet import Slot, chosen
from benchmarks.paired import machine

#: Share of the open pairs that an architecture leaves naive.
NAIVE_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class Sample:
    """A random architecture: an option per slot and a set of streams."""

    options: tuple[int, ...]
    streams: int | None
    architecture: Architecture


def main(
    table: Annotated[str, typer.Argument(help="A file or a generated source.")],
    target: Annotated[str | None, typer.Option(help="The column of clicks.")] = None,
    split_column: Annotated[str | None, typer.Option(help="Column that names every row's part.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Column to leave out. Repeatable.")] = None,
    space: Annotated[str, typer.Option(help="A space of several points.")] = "default",
    architectures: Annotated[int, typer.Option(help="How many are drawn.")] = 24,
    epochs: Annotated[int, typer.Option(help="Epochs of a training from scratch at most.")] = 8,
    supernet_epochs: Annotated[int, typer.Option(help="Epochs of the supernet.")] = 6,
    sampling: Annotated[str, typer.Option(help="uniform, fair or sandwich.")] = "uniform",
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
) -> None:
    """Print both scores of every architecture, and their rank correlations."""
    console = Console(width=160)
    chosen_space = load_space(space)
    search = chosen_space.search.model_copy(update={"epochs": supernet_epochs, "sampling": sampling})
    chosen_space = chosen_space.model_copy(update={"search": search, "products": None})
    overrides = SchemaOverrides(ignore=tuple(ignore or ()), split_column=split_column)
    settings = SearchSettings(table, target=target, overrides=overrides.model_dump(exclude_defaults=True))
    dataset, device = open_data(table, settings), pick_device("auto")
    run = ProposalContext(dataset, chosen_space, seed, SilentProgress(), device, np.random.default_rng(seed))
    begun = time.monotonic()
    offer = build_slots(run)
    slots, streams = offer.slots, streams_of(run, offer)
    supernets = train_path_supernets(run, offer, streams)
    seconds = time.monotonic() - begun
    console.print(
        f"Supernet over {len(slots)} slots and {len(streams)} sets of streams: {len(supernets.folds)} of "
        f"{supernet_epochs} epochs, {sampling} paths, {seconds:.0f} s; judged by {len(supernets.truth):,} rows"
    )
    bench = Workbench(dataset, device=device, seed=seed)
    bench.prepare(list(offer.screened.opened))
    found = Table(title=f"{table}: at most {epochs} epochs from scratch, seed {seed}", caption=machine())
    for heading in ("inherited AUC", "logloss", "ms", "from scratch AUC", "logloss", "s", "architecture"):
        found.add_column(heading, justify="left" if heading == "architecture" else "right")
    scores = []
    for sample in draw(run, slots, streams, architectures, epochs):
        begun = time.monotonic()
        guessed = supernets.inherited(chosen(slots, sample.options), sample.streams)
        milliseconds = 1000 * (time.monotonic() - begun)
        report = bench.train(sample.architecture, seed=seed).report
        inherited = auc(supernets.truth, guessed), logloss(supernets.truth, guessed)
        scores.append((*inherited, report.auc, report.logloss))
        cells = [f"{value:.5f}" for value in scores[-1]]
        found.add_row(
            *cells[:2],
            f"{milliseconds:.0f}",
            *cells[2:],
            f"{report.seconds:.0f}",
            sample.architecture.describe(),
        )
    console.print(found)
    inherited_auc, inherited_loss, scratch_auc, scratch_loss = np.array(scores).T
    for what, one, other in (
        ("AUC", inherited_auc, scratch_auc),
        ("logloss", inherited_loss, scratch_loss),
    ):
        console.print(
            f"{what}: Spearman {spearmanr(one, other).statistic:.3f} {_interval(one, other)}, "
            f"Kendall {kendalltau(one, other).statistic:.3f}"
        )


def draw(
    run: ProposalContext, slots: Sequence[Slot], streams: Sequence[object], count: int, epochs: int
) -> list[Sample]:
    """Different random architectures, everything that is not drawn at the space's defaults."""
    names, generator = tuple(run.dataset.encoder.schema.names), np.random.default_rng(run.seed + 1)
    found: dict[str, Sample] = {}
    while len(found) < count:
        options = [
            0
            if len(slot.column) == 2 and generator.random() < NAIVE_SHARE
            else int(generator.integers(len(slot.options)))
            for slot in slots
        ]
        number = int(generator.integers(len(streams))) if streams else None
        forms = [slot.options[option] for slot, option in zip(slots, options, strict=True)]
        layout = list(zip((tuple(names[f] for f in slot.column) for slot in slots), forms, strict=True))
        architecture = resolve(
            run.space,
            fields={column[0]: chosen_forms for column, chosen_forms in layout if len(column) == 1},
            pairs={(column[0], column[1]): f for column, f in layout if len(column) == 2 and f},
            parameters={} if number is None else {"streams": streams[number]},
        )
        training = dataclasses.replace(architecture.training, epochs=epochs)
        architecture = dataclasses.replace(architecture, training=training)
        found[architecture.id] = Sample(tuple(options), number, architecture)
    return list(found.values())


def _interval(one: np.ndarray, other: np.ndarray) -> str:
    """Of Spearman's coefficient: 95 % of samples of the architectures, with replacement."""
    generator = np.random.default_rng(0)
    drawn = [generator.integers(len(one), size=len(one)) for _ in range(2000)]
    values = [spearmanr(one[index], other[index]).statistic for index in drawn]
    low, high = np.nanquantile(values, [0.025, 0.975])
    return f"[{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    typer.run(main)

"""Whether interaction scores find what was planted: ranks of planted pairs, and halos of pairs that do not interact.

`python -m benchmarks.rashomon --seeds 20` generates a table per seed, with pairs drawn by it, trains one architecture
that knows nothing of them (every field an embedding, every pair factorized and its target statistics) and scores it on
validation rows. `--models N --fields F` measures how long N models of F fields take instead.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations

import numpy as np
import torch

from autofi.core.progress import SilentProgress
from autofi.data.load import open_data
from autofi.data.planted import PlantedSpec, PlantedTable, generate
from autofi.evaluation.workbench import Workbench
from autofi.metrics.ranking import logloss
from autofi.rashomon.explore import ExploringSettings, OpenedModel, explore_models
from autofi.rashomon.halo import Halo, Widths
from autofi.rashomon.result import RashomonSet
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import TrainingSettings
from autofi.store.search_settings import SearchSettings

#: Values of each of the fields that a wider table has beside the usual eight.
WIDER = (20, 40)
TRAINING = TrainingSettings(
    learning_rate=0.003, embedding_l2=3e-4, batch_size=1024, epochs=40, patience=3, decay=0.5
)


def architecture(names: tuple[str, ...]) -> Architecture:
    """Every field and every pair, each the same."""
    return Architecture(
        fields=dict.fromkeys(names, ("embedding",)),
        pairs=dict.fromkeys(combinations(names, 2), ("factorize_hadamard", "memorize_statistics")),
        head=HeadSizes(hidden=(128, 64), dropout=0.2),
        training=TRAINING,
    )


def bench_of(table: PlantedTable, seed: int) -> Workbench:
    """The table, encoded."""
    data = open_data(table.table, SearchSettings(None, "click", seed=seed))
    return Workbench(data, device=torch.device("cpu"), seed=seed)


def trained(bench: Workbench, seeds: range) -> list[OpenedModel]:
    """The architecture with every seed, the best by validation first."""
    labels = bench.dataset.labels[bench.dataset.parts["valid"]]
    models = []
    for seed in seeds:
        found = bench.train(architecture(bench.names), seed=seed)
        loss = logloss(labels, found.predictions["valid"])
        models.append(
            OpenedModel(f"seed {seed}", "winner", found.architecture.id, found.network, found.builder, loss)
        )
    return sorted(models, key=lambda model: model.loss)


def explored(bench: Workbench, models: list[OpenedModel], settings: ExploringSettings) -> RashomonSet:
    """The set of these models."""
    rows = bench.dataset.rows("valid")
    return explore_models(models, rows, settings, best=models[0].loss, progress=SilentProgress())


def settings_of(args: argparse.Namespace) -> ExploringSettings:
    """As the command line has them."""
    return ExploringSettings(
        eps=args.eps,
        rows=args.rows,
        repeats=args.repeats,
        measure=args.measure,
        counterpart=args.counterpart,
        triples=0,
        masks=not args.no_masks,
    )


def ranking(args: argparse.Namespace) -> None:
    """A line per generator seed, and how many seeds rank every planted pair above every other."""
    settings = settings_of(args)
    first, apart, halos = 0, [], []
    for seed in range(args.first, args.first + args.seeds):
        table = generate(PlantedSpec.random(seed))
        bench = bench_of(table, seed)
        began = time.perf_counter()
        models = trained(bench, range(args.trainings))
        middle = time.perf_counter()
        found = explored(bench, models, settings)
        ended = time.perf_counter()
        kinds = {frozenset(pair): kind for pair, kind in table.truth.items()}
        planted = [abs(cloud.mean) for cloud in found.pairs if kinds[frozenset(cloud.names)] != "naive"]
        noise = [abs(cloud.mean) for cloud in found.pairs if kinds[frozenset(cloud.names)] == "naive"]
        first += min(planted) > max(noise)
        apart.append(min(planted) / max(noise))
        mine = [(kinds[frozenset(halo.names)] != "naive", halo, found.bands) for halo in found.halos]
        halos += mine
        print(
            f"seed {seed}: planted {min(planted):.5f}..{max(planted):.5f}, noise at most {max(noise):.5f} "
            f"({min(planted) / max(noise):.1f} times), {len(found.trained)} of {len(models)} models in the set; "
            f"{_halos('noise', mine, False)}; {_halos('planted', mine, True)}; "
            f"training {middle - began:.0f} s, scores {ended - middle:.0f} s",
            flush=True,
        )
    print(f"every planted pair above every noise pair: {first} of {args.seeds} seeds")
    print(f"smallest planted over largest noise score: least {min(apart):.2f}, median {np.median(apart):.2f}")
    print(f"{_halos('noise', halos, False)}\n{_halos('planted', halos, True)}")


def _halos(name: str, halos: list[tuple[bool, Halo, Widths]], planted: bool) -> str:
    if not halos:
        return f"no {name} halos"
    chosen = [(halo, bands) for kind, halo, bands in halos if kind is planted]
    far = [halo.deviation for halo, _ in chosen]
    exact = [halo.on_circle() for halo, _ in chosen]
    banded = [halo.on_circle(bands) for halo, bands in chosen]
    return (
        f"{name} halos: of the points {np.mean(exact):.1%} on the circle within their interval, {np.mean(banded):.1%} "
        f"on its band; with all points on the band {np.mean([share == 1.0 for share in banded]):.1%} of halos; "
        f"farthest point {np.median(far):.3f} of the radius (median), {min(far):.3f} to {max(far):.3f}"
    )


def speed(args: argparse.Namespace) -> None:
    """How long many models take that are the same network, each opened and read anew."""
    wider = PlantedSpec().cardinalities + WIDER[: args.fields - 8]
    names = PlantedSpec().names + tuple(f"more_{number}" for number in range(len(wider) - 8))
    table = generate(PlantedSpec(cardinalities=wider[: args.fields], names=names[: args.fields]))
    bench = bench_of(table, 0)
    (model,) = trained(bench, range(1))
    settings = settings_of(args)
    wall, cpu = time.perf_counter(), time.process_time()
    found = explored(bench, [model, *(_other(model, number) for number in range(args.models - 1))], settings)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{len(found.trained)} models, {len(found.models) - len(found.trained)} masked ones, {len(found.pairs)} pairs, "
        f"{len(found.halos)} halos, {found.repeats} x {found.rows} rows, {torch.get_num_threads()} threads: "
        f"{wall:.0f} s, {cpu:.0f} s of a core"
    )


def _other(model: OpenedModel, number: int) -> OpenedModel:
    return OpenedModel(f"copy {number}", "trial", "", model.network, model.builder, model.loss)


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first generator seed")
    parser.add_argument("--trainings", type=int, default=3, help="seeds of the architecture per table")
    parser.add_argument("--no-masks", action="store_true", help="leave masked models and halos out")
    parser.add_argument("--models", type=int, help="measure the time of so many models")
    parser.add_argument("--fields", type=int, default=10)
    parser.add_argument("--eps", type=float, default=0.05)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", default="logloss")
    parser.add_argument("--counterpart", default="logits")
    args = parser.parse_args()
    (speed if args.models else ranking)(args)


if __name__ == "__main__":
    main()

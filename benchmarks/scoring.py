"""Scoring architectures by a supernet's weights: `python -m benchmarks.scoring`.

Every pair of fields is left out, memorized or multiplied. The peer is what a straightforward supernet does: a forward
pass in float32 through every candidate, with a mask. Embeddings are 20 wide, vectors of pairs 10, crosses capped.
`--fields 10 --rows 50000` is the size of Frappe (45 pairs), the default that of Criteo and Avazu (741 pairs).
"""

from __future__ import annotations

import itertools
import time
from itertools import combinations
from typing import Annotated

import numpy as np
import torch
import typer
from scipy.stats import spearmanr
from torch import Tensor

from autofi.data.crosses import Crosses
from autofi.data.features import Features
from autofi.operators.base import Shapes, Sizes
from autofi.space.head_config import HeadSizes
from autofi.supernet.inherited_scoring import Options, Scorer
from autofi.supernet.path_training import train_by_paths
from autofi.supernet.supernet import Slot, Supernet
from autofi.training.precision import fast_products
from autofi.training.predict import SCORING_ROWS
from autofi.training.row_source import Rows
from benchmarks.paired import alternate, print_timings
from benchmarks.tables import FIELDS, cardinalities, wide_codes

OPTIONS = ((), ("memorize_embedding",), ("factorize_hadamard",))
SIZES = Sizes(embedding_dim=20, cross_dim=10, factor_dim=10)
MOST_CROSS_ROWS = 2_000_000
CHANGED_PAIRS = 5
#: Architectures whose loglosses are compared with those of the masked forward pass.
COMPARED = 10


def main(
    fields: Annotated[int, typer.Option(help="Fields; every pair of them has options.")] = FIELDS,
    rows: Annotated[int, typer.Option(help="Rows that judge.")] = 8_192,
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "700,700,700,700,700",
    train_rows: Annotated[int, typer.Option(help="Rows the supernet is trained on.")] = 100_000,
    epochs: Annotated[int, typer.Option(help="Epochs of training by random paths.")] = 1,
    block_rows: Annotated[int, typer.Option(help="Rows of a block.")] = 512,
    budget: Annotated[float, typer.Option(help="GB the scorer may keep.")] = 4.0,
    rounds: Annotated[int, typer.Option(help="Timed rounds of every way of scoring.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the supernet, its paths and the architectures.")] = 0,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
) -> None:
    """Print seconds an architecture in every way and agreement with the peer."""
    torch.set_num_threads(threads)
    widths = tuple(int(width) for width in hidden.split(","))
    supernet, held_out = trained(fields, train_rows, rows, widths, epochs, seed)
    scorer = Scorer(
        supernet,
        held_out,
        generator=torch.Generator().manual_seed(seed),
        budget=int(budget * 2**30),
        block_rows=block_rows,
    )
    score(scorer, supernet, np.random.default_rng(seed), rounds)


def trained(
    fields: int, train_rows: int, rows: int, hidden: tuple[int, ...], epochs: int, seed: int
) -> tuple[Supernet, Rows]:
    """A supernet that has seen the first rows, and the others."""
    codes, clicks = wide_codes(train_rows + rows, fields=fields)
    sizes = cardinalities(fields)
    pairs = tuple(combinations(range(fields), 2))
    crosses = Crosses.fit(codes[:train_rows], sizes, pairs, min_count=2, max_rows=MOST_CROSS_ROWS)
    shapes = Shapes(
        names=tuple(f"f{field:02d}" for field in range(fields)),
        cardinalities=tuple(sizes),
        kept=tuple(sizes),
        cross_rows=dict(zip(pairs, crosses.sizes, strict=True)),
        prior=float(clicks.mean()),
    )
    slots = [Slot((field,), (("embedding",),)) for field in range(fields)]
    torch.manual_seed(seed)
    supernet = Supernet(
        [*slots, *(Slot(pair, OPTIONS) for pair in pairs)], shapes, SIZES, HeadSizes(hidden=hidden)
    )
    features = Features(
        ids=codes,
        numbers=np.empty((len(codes), 0), np.float32),
        pairs=pairs,
        crosses=crosses.transform(codes),
    )
    table = Rows(supernet.select(features), torch.from_numpy(clicks.astype(np.float32)))
    begun = time.perf_counter()
    train_by_paths(
        supernet,
        table,
        index=torch.arange(train_rows),
        epochs=epochs,
        learning_rate=1e-3,
        embedding_l2=1e-5,
        batch_size=1024,
        generator=torch.Generator().manual_seed(seed),
    )
    print(
        f"{fields} fields, {len(pairs)} pairs, {sum(crosses.sizes):,} cross rows, hidden {hidden}; "
        f"trained {epochs} epochs on {train_rows:,} rows in {time.perf_counter() - begun:.0f} s"
    )
    return supernet, table.part(slice(train_rows, None))


def random_options(supernet: Supernet, rng: np.random.Generator) -> Options:
    """An option for every slot, each as likely."""
    return tuple(int(rng.integers(len(slot.options))) for slot in supernet.choices)


def mutated(supernet: Supernet, options: Options, rng: np.random.Generator) -> Options:
    """The same architecture with another option at a few pairs."""
    changed = list(options)
    pairs = [row for row, slot in enumerate(supernet.choices) if len(slot.options) > 1]
    for row in rng.choice(pairs, CHANGED_PAIRS, replace=False):
        changed[row] = (changed[row] + int(rng.integers(1, len(OPTIONS)))) % len(OPTIONS)
    return tuple(changed)


def score(scorer: Scorer, supernet: Supernet, rng: np.random.Generator, rounds: int) -> None:
    """Seconds for one architecture by masked forward pass, by a scorer, and as a child of a known one."""
    known = [random_options(supernet, rng) for _ in range(COMPARED)]
    parent = known[0]
    children = [mutated(supernet, parent, rng) for _ in range(COMPARED)]
    scorer.remember(parent)
    turn = {name: itertools.cycle(drawn) for name, drawn in (("new", known[1:]), ("child", children))}
    ways = {
        "masked forward, float32": lambda: masked_losses(
            supernet, scorer.rows, next(turn["new"]), fast=False
        ),
        "masked forward, as trained": lambda: masked_losses(
            supernet, scorer.rows, next(turn["new"]), fast=True
        ),
        "scorer": lambda: scorer.score(next(turn["new"])),
        f"scorer, {CHANGED_PAIRS} pairs changed": lambda: scorer.score(next(turn["child"])),
    }
    timings = alternate(ways, rounds=rounds)
    print_timings(f"One architecture on {len(scorer):,} rows", timings)
    for timing in timings[1:]:
        print(f"{timing.name}: {timings[0].median / timing.median:.1f} times as fast as the first")
    drawn = [*known, *children]
    exact = torch.stack([masked_losses(supernet, scorer.rows, options, fast=False) for options in drawn])
    found = scorer.losses(drawn)
    means, own = exact.double().mean(1), found.double().mean(1)
    print(
        f"against the masked forward in float32 over {len(drawn)} architectures: "
        f"a row's loss differs by {float((exact - found).abs().mean()):.1e} on average, "
        f"logloss by at most {float((means - own).abs().max()):.1e} (they lie {float(means.std()):.1e} apart), "
        f"rank correlation {spearmanr(means, own).statistic:.5f}"
    )


@torch.no_grad()
def masked_losses(supernet: Supernet, rows: Rows, options: Options, *, fast: bool) -> Tensor:
    """Logloss of every row by the whole supernet with everything else multiplied by zero."""
    path = torch.tensor([options])
    logits = []
    for start in range(0, len(rows), SCORING_ROWS):
        part = rows.part(slice(start, start + SCORING_ROWS))
        mask = {name: weights[0] for name, weights in supernet.path_mask(path, 1).items()}
        if fast:
            with fast_products(rows.labels.device):
                logits.append(supernet(part.selected, mask).float())
        else:
            logits.append(supernet(part.selected, mask))
    return torch.nn.functional.binary_cross_entropy_with_logits(
        torch.cat(logits), rows.labels, reduction="none"
    )


if __name__ == "__main__":
    typer.run(main)

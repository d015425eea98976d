"""The order of the first trials, learned on many tables: `python -m benchmarks.portfolio`.

Every start of a pool is trained once on every table: generated ones of many kinds, and the real ones of a folder. Only
training and validation rows are read, never test rows. Then starts are ordered greedily: next is the one with the
largest gain in validation logloss per CPU second over what those before it reach. Gains are relative to the range of
their table, from boosted trees alone to the best of the pool. Every kind of table is left out in turn, to tell how an
order does that was learned without it. Finished trainings are kept and not repeated. The outcome is `portfolio.json`,
which names no real table; its order belongs into `search_spaces/default.yaml`, which a test compares.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from autofi.core.atomic_file import atomic_path
from autofi.data.dataset import EncodedDataset
from autofi.data.load import open_data
from autofi.data.planted import PlantedSpec
from autofi.data.schema_overrides import SchemaOverrides
from autofi.evaluation.workbench import Workbench
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.store.search_settings import SearchSettings
from autofi.strategies.unselected import unselected_proposal, unselected_starts
from benchmarks.peer import ENVIRONMENTS
from benchmarks.peers.generated import GENERATED, LABEL, SPLIT, Generated, planted
from benchmarks.peers.runs import ROOT
from benchmarks.peers.tables import SOURCES, open_table

OUTCOME = Path(__file__).with_suffix(".json")
#: The most rows of a table, and the CPU seconds after which a training ends.
ROWS, SECONDS = 20_000, 12.0
#: The name of boosted trees alone, from which gains are counted.
TREES_ALONE = "trees alone"
#: A range smaller than this is mostly noise: gains count as shares of so many nats then.
LEAST_RANGE = 5e-4
#: Starts whose share of the attainable gain is told.
TOLD = (1, 2, 3)

_FEW, _ALL = {"pairs": "naive"}, {"pairs": "all_target_encoded"}
_SLOW = {"head.batch_norm": True, "training.learning_rate": 0.001}
_LARGE = {
    "fields": "embeddings", "pairs": "naive", "head.hidden": [400, 400, 400], "min_count": 1, **_SLOW,
}  # fmt: skip
_CROSSES = {
    "linear_layers": 4, "exponential_layers": 3, "linear_dropout": 0.1, "exponential_dropout": 0.1, "batch_norm": True,
}  # fmt: skip
POOL: Mapping[str, Mapping[str, Any]] = {
    "all forms": {"fields": "all", **_FEW},
    "all forms, slow": {"fields": "all", **_FEW, **_SLOW},
    "all forms, strong L2": {"fields": "all", **_FEW, "head.dropout": 0.5, "training.embedding_l2": 0.05},
    "all forms, two cross layers": {
        "fields": "all", **_FEW, "streams": {"cross_network": {"layers": 2}}, "training.embedding_l2": 0.01,
    },
    "target encodings of pairs": {"fields": "all", **_ALL},
    "target encodings of pairs, slow": {"fields": "all", **_ALL, **_SLOW},
    "target encodings of pairs, slow, one network": {
        "fields": "all", **_ALL, **_SLOW, "head.ensemble": 1, "training.embedding_l2": 0.005,
    },
    "target encodings of pairs, no embeddings": {"fields": "codes", **_ALL, **_SLOW},
    "products of pairs": {"fields": "all", "pairs": "all_factorized", "training.embedding_l2": 0.01},
    "embeddings of dense pairs": {"fields": "all", "pairs": "all_memorized"},
    "embeddings of dense pairs, strong L2": {
        "fields": "all", "pairs": "all_memorized", "training.embedding_l2": 0.01,
    },
    "embeddings": {"fields": "embeddings", **_FEW},
    "embeddings, factorization machine": {
        "fields": "embeddings", **_FEW, "streams": {"fm": {}, "linear": {}}, "training.embedding_l2": 0.003,
    },
    "large, strong L2": {
        **_LARGE, "head.ensemble": 1, "training.embedding_l2": 0.05, "training.batch_size": 4096,
    },
    "large, crosses": {
        **_LARGE, "head.ensemble": 1, "training.embedding_l2": 0.01, "training.batch_size": 4096,
        "streams": {"fused_crosses": _CROSSES},
    },
    "large, ensemble, strongest L2": {**_LARGE, "training.embedding_l2": 0.1},
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A generated table: rows by number and seed; the kind tells which tables are left out together."""

    make: Callable[[int, int], Generated]
    kind: str
    rows: int
    seed: int


def _dense(rows: int, seed: int) -> Generated:
    """Small fields only; cells of three pairs have an effect, each with hundreds of rows."""
    return planted(
        PlantedSpec(
            rows=rows, seed=seed, cardinalities=(7, 24, 12, 5, 30, 9, 16, 40), memorize_pairs=((0, 1), (2, 4), (5, 7)),
            factorize_pairs=(), memorize=0.8, main=0.4, names=tuple("abcdefgh"),
        )
    )  # fmt: skip


def _popular(rows: int, seed: int) -> Generated:
    """Products of short vectors of fields whose cells have a few rows each."""
    return planted(
        PlantedSpec(
            rows=rows, seed=seed, cardinalities=(150, 90, 40, 12, 6), memorize_pairs=(),
            factorize_pairs=((0, 1), (1, 2)), rank=2, factorize=1.4, skew=0.6,
            names=("user", "item", "shop", "age", "country"),
        )
    )  # fmt: skip


def _single(rows: int, seed: int) -> Generated:
    """Every field by itself, some of thousands of values; no pair matters."""
    return planted(
        PlantedSpec(
            rows=rows, seed=seed, cardinalities=(3000, 800, 60, 20, 10, 400), memorize_pairs=(), factorize_pairs=(),
            main=0.8, skew=0.9, names=("id", "page", "site", "hour", "device", "city"),
        )
    )  # fmt: skip


TABLES: Mapping[str, Kind] = {
    f"{kind} {seed}": Kind(make, kind, rows, seed)
    for kind, make, rows, seeds in (
        ("planted pairs", GENERATED["planted_pairs"][0], ROWS, (10,)),
        ("low rank", GENERATED["low_rank"][0], ROWS, (10,)),
        ("thresholds", GENERATED["thresholds"][0], 15_000, (10,)),
        ("access log", GENERATED["access_log"][0], ROWS, (10,)),
        ("drift", GENERATED["drift"][0], ROWS, (10,)),
        ("few matter", GENERATED["few_matter"][0], 12_000, (10,)),
        ("dense", _dense, 15_000, (10,)),
        ("popular", _popular, 15_000, (10,)),
        ("single", _single, 8_000, (10,)),
    )
    for seed in seeds
}


def main(
    data: Annotated[Path, typer.Option(help="Folder of the real tables, a folder each.")] = ROOT
    / "../shared/data",
    results: Annotated[Path, typer.Option(help="File of what is finished, a JSON line each.")] = ENVIRONMENTS
    / "portfolio.jsonl",
    report: Annotated[bool, typer.Option("--report", help="Order what is finished; train nothing.")] = False,
    most_seconds: Annotated[float, typer.Option(help="Begin no training after so many seconds.")] = 3600.0,
) -> None:
    """Train what is missing, and write the outcome."""
    kept = Results(results)
    if not report:
        fill(kept, data, time.monotonic() + most_seconds)
    losses, seconds, kinds = kept.tables()
    order = ordered(losses, seconds)
    shares = {
        kind: held_out_shares(losses, seconds, {table for table in losses if kinds[table] == kind})
        for kind in dict.fromkeys(kinds.values())
    }
    typer.echo("\n".join(f"{place}. {name}: {POOL[name]}" for place, name in enumerate(order, start=1)))
    for kind, found in shares.items():
        typer.echo(f"{kind}: " + ", ".join(f"{share:.0%}" for share in found))
    with atomic_path(OUTCOME) as part:
        part.write_text(
            json.dumps(
                {
                    "command": "python -m benchmarks.portfolio",
                    "date": datetime.now(UTC).date().isoformat(),
                    "commit": commit(),
                    "most_rows": ROWS,
                    "most_seconds": SECONDS,
                    "tables": {
                        kind: list(kinds.values()).count(kind) for kind in dict.fromkeys(kinds.values())
                    },
                    "order": [{"name": name, "start": POOL[name]} for name in order],
                    "left_out": [name for name in POOL if name not in order],
                    "shares_of_tables_left_out": shares,
                    "mean_shares": [
                        round(float(share), 3) for share in np.mean(list(shares.values()), axis=0)
                    ],
                },
                indent=1,
            )
            + "\n",
            encoding="utf-8",
        )


class Results:
    """A file with a JSON line per finished training."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def lines(self) -> list[dict[str, Any]]:
        """Return the finished trainings; a line that a killed process left unfinished is none."""
        text = self.path.read_text("utf-8") if self.path.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def add(self, line: Mapping[str, Any]) -> None:
        text = self.path.read_text("utf-8") if self.path.exists() else ""
        with self.path.open("r+" if text else "w", encoding="utf-8") as stream:
            stream.seek(len(text[: text.rfind("\n") + 1].encode()))
            stream.truncate()
            stream.write(json.dumps(line) + "\n")

    def tables(self) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]], dict[str, str]]:
        """Return logloss and CPU seconds by table and start, and the kind of every table that is finished.

        A start that the data has no variants for is left out.
        """
        every = {(line["table"], line["start"]): line for line in self.lines() if is_current(line)}
        finished = {table for table, _ in every if all((table, name) in every for name in POOL)}
        losses: dict[str, dict[str, float]] = {}
        seconds: dict[str, dict[str, float]] = {}
        kinds: dict[str, str] = {}
        for line in every.values():
            if line["table"] in finished and line["logloss"] is not None:
                losses.setdefault(line["table"], {})[line["start"]] = line["logloss"]
                seconds.setdefault(line["table"], {})[line["start"]] = line["seconds"]
                kinds[line["table"]] = line["kind"]
        return losses, seconds, kinds


def is_current(line: Mapping[str, Any]) -> bool:
    """Return True if a result is of a start as the pool has it."""
    return bool(line["settings"] == POOL.get(line["start"], {}))


def fill(results: Results, data: Path, until: float) -> None:
    """Train every start of the pool that has no result, table after table."""
    done = {(line["table"], line["start"]) for line in results.lines() if is_current(line)}
    for table, (kind, open_parts) in sources(data).items():
        missing = [name for name in (TREES_ALONE, *POOL) if (table, name) not in done]
        if not missing or time.monotonic() > until:
            continue
        dataset = open_parts()
        space = load_space("default")
        bench = Workbench(dataset, device=torch.device("cpu"), seed=0)
        starts = {name: _start(dataset, space, name) for name in POOL}
        trees = next(start.without_network() for start in starts.values() if start is not None)
        for name in missing:
            architecture = trees if name == TREES_ALONE else starts[name]
            line = {"table": table, "kind": kind, "start": name, "settings": POOL.get(name, {})}
            if architecture is None:
                results.add(line | {"logloss": None})
                continue
            if time.monotonic() > until:
                return
            begun = time.process_time()
            report = bench.train(architecture, seed=0, most_seconds=SECONDS).report
            taken = time.process_time() - begun
            typer.echo(f"{table}: {name}: {report.auc:.4f}, {report.logloss:.4f}, {taken:.1f} s")
            results.add(
                line
                | {
                    "logloss": report.logloss,
                    "auc": report.auc,
                    "seconds": taken,
                    "trees": report.boosted_share,
                }
            )


def sources(data: Path) -> dict[str, tuple[str, Callable[[], EncodedDataset]]]:
    """Return the kind of every table, and how it is opened, without its test rows."""

    def generated(table: Kind) -> EncodedDataset:
        frame = table.make(table.rows, table.seed).frame
        return _encoded(frame, frame[SPLIT].to_numpy(), {})

    def real(name: str) -> EncodedDataset:
        table = open_table(name, data=data, rows=ROWS)
        return _encoded(table.frame, table.frame[SPLIT].to_numpy(), table.multi_valued)

    found: dict[str, tuple[str, Callable[[], EncodedDataset]]] = {
        name: (table.kind, lambda table=table: generated(table)) for name, table in TABLES.items()
    }
    for name, source in SOURCES.items():
        if (data / source.folder / "data.parquet").exists():
            found[name] = (f"real {len(found) - len(TABLES) + 1}", lambda name=name: real(name))
    return found


def _encoded(frame: Any, parts: NDArray[Any], multi_valued: Mapping[str, str]) -> EncodedDataset:
    train, valid = (frame.loc[parts == part].drop(columns=[SPLIT]) for part in ("train", "valid"))
    overrides = SchemaOverrides(multi_valued=dict(multi_valued)).to_json()
    return open_data(train, SearchSettings(source=None, target=LABEL, overrides=overrides), valid=valid)


def _start(dataset: EncodedDataset, space: SearchSpace, name: str) -> Architecture | None:
    """Return a start's architecture; None if the data has not the variant that it names."""
    alone = SearchSpace.model_validate(space.model_dump() | {"starts": (POOL[name],)})
    found = unselected_starts(alone, unselected_proposal(dataset, alone))
    return found[0][1] if found else None


def ordered(
    losses: Mapping[str, Mapping[str, float]], seconds: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """Return the starts of the pool that gain anything, in greedy order of gain per second.

    Args:
        losses: Validation logloss by table and start, with that of the trees alone.
        seconds: CPU seconds likewise; they count in means of their table.
    """
    reached = {table: found[TREES_ALONE] for table, found in losses.items()}
    cost = {
        table: np.mean([found[name] for name in found if name in POOL]) for table, found in seconds.items()
    }
    order: list[str] = []
    while True:
        best, most = "", 0.0
        for name in POOL:
            if name in order:
                continue
            there = [table for table in losses if name in losses[table]]
            gain = sum(_share(losses[table], reached[table], losses[table][name]) for table in there)
            price = sum(seconds[table][name] / cost[table] for table in there)
            if gain > 0 and gain / price > most:
                best, most = name, gain / price
        if not best:
            return order
        order.append(best)
        reached = {table: min(loss, losses[table].get(best, loss)) for table, loss in reached.items()}


def held_out_shares(
    losses: Mapping[str, Mapping[str, float]],
    seconds: Mapping[str, Mapping[str, float]],
    tables: Collection[str],
) -> list[float]:
    """Return the mean share of the attainable gain on some tables after 1, 2, 3 starts of an order learned without."""
    rest = {table: found for table, found in losses.items() if table not in tables}
    order = ordered(rest, {table: seconds[table] for table in rest})
    return [
        round(float(np.mean([_attained(losses[table], order, most) for table in tables])), 3) for most in TOLD
    ]


def _attained(losses: Mapping[str, float], order: Sequence[str], most: int) -> float:
    """Return the share of a table's gain after the first starts that it has."""
    tried = [losses[name] for name in order if name in losses][:most]
    best = min(losses.values())
    if losses[TREES_ALONE] - best <= 0:
        return 1.0
    return _share(losses, losses[TREES_ALONE], min(tried)) if tried else 0.0


def _share(losses: Mapping[str, float], before: float, after: float) -> float:
    """Return the gain of going from one logloss to another as a share of the table's range."""
    return max(before - after, 0.0) / max(losses[TREES_ALONE] - min(losses.values()), LEAST_RANGE)


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    typer.run(main)

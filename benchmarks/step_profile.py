"""Where a training step's time goes: `python -m benchmarks.step_profile`, two minutes on one thread.

DCNv2 on 39 fields, and the supernet over their 741 pairs. Floors are the step's own products at the pace this machine
multiplies at, measured in the same process.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile, record_function

from autofi.training.sparse_adam import RowAdam
from benchmarks.paired import machine
from benchmarks.search_step import write_search
from benchmarks.tables import encoded_parts
from benchmarks.workers.autofi_worker import Own
from benchmarks.workers.search_worker import Search

#: What an operation is called in the profile, by the beginning of its name.
KINDS = {
    "matrix products": (
        "aten::mm",
        "aten::addmm",
        "aten::bmm",
        "aten::linear",
        "aten::mkldnn",
        "aten::baddbmm",
    ),
    "look-ups and mixtures": (
        "aten::embedding",
        "aten::index",
        "aten::gather",
        "_Mixture",
        "_MixtureBackward",
    ),
    "optimizer": ("Optimizer.", "aten::_fused_adam", "rows:"),
    "elementwise": (
        "aten::mul",
        "aten::add",
        "aten::sub",
        "aten::sum",
        "aten::clamp",
        "aten::threshold",
        "aten::native_b",
    ),
    "copies and casts": (
        "aten::copy_",
        "aten::_to_copy",
        "aten::cat",
        "aten::split",
        "aten::fill_",
        "aten::zero_",
    ),
}


def main(
    rows: Annotated[int, typer.Option(help="Rows of the generated table.")] = 200_000,
    steps: Annotated[int, typer.Option(help="Steps in the profile.")] = 10,
    min_count: Annotated[int, typer.Option(help="Rows of a cell that gets a row of its own.")] = 10,
) -> None:
    """Print the share of products, look-ups, optimizer and the rest in a step of each."""
    torch.set_num_threads(1)
    _tell_row_adam_apart()
    with tempfile.TemporaryDirectory() as work:
        sizes = encoded_parts(Path(work), rows, test_rows=1000)
        request = {"work": work, "threads": 1, "seed": 0}
        dcn = Own({**request, "model": "dcnv2", "cardinalities": sizes, "dim": 16, "batch_size": 4096})
        _print("DCNv2, 39 fields, batch 4096", dcn.steps, steps)
        cells = write_search(Path(work) / "search.npz", 39, rows, min_count, stored=2000 * steps)
        search = Search({**request, "batch_size": 2000, "hidden": [700] * 5})
        _print(f"supernet, 741 pairs, {cells:,} cross rows, batch 2000", search.steps, steps)


def _print(title: str, take: Callable[[int], object], steps: int) -> None:
    take(3)
    begun = time.perf_counter()
    take(steps)
    step = (time.perf_counter() - begun) / steps
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as seen:
        take(steps)
    spent: dict[str, float] = defaultdict(float)
    flops = 0.0
    for event in seen.key_averages():
        spent[_kind(event.key)] += event.self_cpu_time_total / steps / 1e6
        flops += event.flops / steps
    total = sum(spent.values())
    table = Table(title=f"{title}: {1e3 * step:.0f} ms a step", caption=machine())
    for heading in ("part", "ms", "share"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for kind, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        table.add_row(kind, f"{1e3 * seconds:.1f}", f"{seconds / total:.0%}")
    floor = flops / _pace()
    table.add_row(
        "floor: its products at this machine's pace", f"{1e3 * floor:.1f}", f"{floor / step:.0%} of a step"
    )
    Console().print(table)


def _kind(name: str) -> str:
    return next((kind for kind, starts in KINDS.items() if name.startswith(starts)), "rest")


def _pace() -> float:
    """Floating-point operations a second of one bfloat16 product of the shape that dominates."""
    left, right = torch.randn(4096, 624).bfloat16(), torch.randn(400, 624).bfloat16()
    times = []
    for _ in range(12):
        begun = time.perf_counter()
        torch.nn.functional.linear(left, right)
        times.append(time.perf_counter() - begun)
    return 2 * 4096 * 624 * 400 / float(np.median(times))


def _tell_row_adam_apart() -> None:
    """Name RowAdam's compiled loops in the profile, which sees torch's operations only."""
    for method in ("step", "catch_up", "catch_up_all"):
        setattr(RowAdam, method, _named(f"rows: {method}", getattr(RowAdam, method)))


def _named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def named(*given: Any) -> Any:
        with record_function(name):
            return function(*given)

    return named


if __name__ == "__main__":
    typer.run(main)

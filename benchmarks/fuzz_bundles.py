"""Damaged bundles: `python -m benchmarks.fuzz_bundles DIR --cases 1000`.

A third is damaged and nothing else: each must be refused. The others are sealed again, as by somebody who knows how the
manifest is made: what still loads must score rows without a crash, what does not must say so in one line.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table as OptunaDashboardAttributes

from autofi.cli.output import console

SECONDS = 120
RUNTIMES = ("onnx", "torch", "pt2")


def main(
    bundle: Annotated[Path, typer.Argument(help="Folder of a small bundle in all forms.")],
    cases: Annotated[int, typer.Option(help="How many.")] = 1000,
    first: Annotated[int, typer.Option(help="Number of the first, which decides what is done to it.")] = 0,
) -> None:
    """Print what became of the damaged bundles; exit code 1 for a crash, a hang or a wrong answer."""
    found: Counter[str] = Counter()
    pool = _pool()
    for number in range(first, first + cases):
        try:
            outcome = pool.submit(case, bundle, number).result(timeout=SECONDS)
        except BrokenProcessPool:
            outcome, pool = f"CRASH in case {number}", _pool()
        except TimeoutError:
            outcome = f"HANG in case {number}"
            pool.shutdown(wait=False, cancel_futures=True)
            pool = _pool()
        found[outcome] += 1
    pool.shutdown()
    shown = OptunaDashboardAttributes("what became of it", "bundles")
    for outcome, count in found.most_common():
        shown.add_row(outcome, str(count))
    console().print(shown)
    if any(outcome.isupper() or outcome.split()[0].isupper() for outcome in found):
        raise typer.Exit(1)


def case(bundle: Path, number: int) -> str:
    """Damage a copy, load it and score rows."""
    import autofi
    from autofi.bundle.manifest import MANIFEST, describe
    from autofi.errors import AutoFIError

    generator = np.random.default_rng(number)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(bundle, Path(temporary) / "model"))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        sealed = number % 3 > 0
        if sealed:
            files.remove(folder / MANIFEST)
        path = files[generator.integers(len(files))]
        before = path.read_bytes()
        name, damage = DAMAGES[generator.integers(len(DAMAGES))]
        damage(path, generator)
        changed = not path.exists() or path.read_bytes() != before
        if sealed:
            (folder / MANIFEST).unlink()
            (folder / MANIFEST).write_bytes(describe(folder, autofi="0").render())
        try:
            runtime = str(generator.choice(RUNTIMES))
            predictor = autofi.load(folder, runtime=runtime, trust=True)  # type: ignore[arg-type]
            scores = predictor.predict_proba(_rows(bundle))
        except AutoFIError as error:
            return "refused in one line" if "\n" not in str(error) else f"WORDY: {str(error)[:80]}"
        except Exception as error:
            return f"TRACEBACK in case {number}: {name} of {path.name}: {type(error).__name__}: {str(error)[:100]}"
        if changed and not sealed:
            return f"ACCEPTED in case {number}: {name} of {path.name}"
        if not ((scores >= 0) & (scores <= 1)).all():
            return "scored, but some scores are no probability (sealed again)"
        return "scored (sealed again, or the damage changed nothing)"


def _rows(bundle: Path) -> object:
    import pyarrow as pa

    request = json.loads((bundle / "sample_request.json").read_text())
    return pa.table({tensor["name"]: pa.array(tensor["data"]) for tensor in request["inputs"]})


def _flip(path: Path, generator: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    for place in generator.integers(0, len(data), generator.integers(1, 20)):
        data[place] ^= 1 << int(generator.integers(8))
    path.write_bytes(data)


def _truncate(path: Path, generator: np.random.Generator) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: generator.integers(len(data))])


def _append(path: Path, generator: np.random.Generator) -> None:
    path.write_bytes(path.read_bytes() + generator.bytes(int(generator.integers(1, 100))))


def _noise(path: Path, generator: np.random.Generator) -> None:
    path.write_bytes(generator.bytes(path.stat().st_size))


def _zeros(path: Path, generator: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    start = int(generator.integers(len(data)))
    data[start : start + 256] = bytes(min(256, len(data) - start))
    path.write_bytes(data)


def _delete(path: Path, generator: np.random.Generator) -> None:
    path.unlink()


def _empty(path: Path, generator: np.random.Generator) -> None:
    path.write_bytes(b"")


def _edit(path: Path, generator: np.random.Generator) -> None:
    """A value of a JSON document becomes another; other files are flipped."""
    try:
        document = json.loads(path.read_bytes())
    except ValueError:
        _flip(path, generator)
        return
    place, key = _somewhere(document, generator)
    if place is None:
        document = None
    else:
        wrong = [None, -1, 10**30, "x", [], {}, True, 1.5, ""]
        place[key] = wrong[generator.integers(len(wrong))]
    path.write_text(json.dumps(document))


def _somewhere(document: object, generator: np.random.Generator) -> tuple[object, object]:
    place, key = None, None
    while isinstance(document, (dict, list)) and document and (place is None or generator.random() < 0.8):
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        place, key = document, keys[generator.integers(len(keys))]
        document = document[key]
    return place, key


DAMAGES: tuple[tuple[str, Callable[[Path, np.random.Generator], None]], ...] = (
    ("flip", _flip),
    ("truncate", _truncate),
    ("append", _append),
    ("noise", _noise),
    ("zeros", _zeros),
    ("delete", _delete),
    ("empty", _empty),
    ("edit", _edit),
    ("edit", _edit),
)


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


if __name__ == "__main__":
    typer.run(main)

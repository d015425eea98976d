"""Raw row → probability by every runtime of a bundle, on a table made worse on purpose: `python -m benchmarks.parity`.

Columns are shuffled and another is added; of the values some are missing, unseen or extreme, and some lists are empty.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import pyarrow as pa
import typer
from numpy.typing import NDArray
from rich.table import Table as OptunaDashboardAttributes

import autofi
from autofi.cli.output import console
from autofi.data.schema import Field, FieldKind
from autofi.readers import open_table
from autofi.values.arrow_values import as_tokens, canonical_strings
from benchmarks.served import HOST, served

RUNTIMES = ("torch", "onnx", "pt2")
SHARE = 0.05
REQUEST_ROWS = 1000
EXTREME = (1e300, -1e300, 1e-300, 5e-324, 0.0, -0.0, np.inf, -np.inf, 2.0**53 + 2, 1.7976931348623157e308)
UNSEEN = (
    "never seen",
    "1e999",
    "-1e-999",
    "NaN",
    "inf",
    "0x10",
    " 7 ",
    "7.0",
    "é\u0301",
    "x" * 1000,
    "|",
    "\x00",
)


def main(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle in all forms.")],
    data: Annotated[str, typer.Argument(help="The table that it was made from.")],
    rows: Annotated[int, typer.Option(help="Rows.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the damage.")] = 0,
    server: Annotated[bool, typer.Option(help="Ask a server, too.")] = True,
) -> None:
    """Print the largest difference of every runtime from the network in torch."""
    predictors = {runtime: autofi.load(bundle, runtime=runtime, trust=True) for runtime in RUNTIMES}
    table = worse(read(data, predictors["torch"].schema.names, rows), predictors["torch"].schema.fields, seed)
    shown = OptunaDashboardAttributes("runtime", "rows", "largest difference", "rows/s")
    expected = None
    for runtime, predictor in predictors.items():
        start = time.perf_counter()
        found = predictor.predict_proba(table)
        seconds = time.perf_counter() - start
        expected = found if expected is None else expected
        apart = np.abs(found - expected).max()
        shown.add_row(runtime, f"{len(found):,}", f"{apart:.2g}", f"{len(found) / seconds:,.0f}")
    if server:
        assert expected is not None
        start = time.perf_counter()
        asked, found = through_server(bundle, table)
        seconds = time.perf_counter() - start
        apart = np.abs(found - expected[asked]).max()
        shown.add_row("server", f"{len(found):,}", f"{apart:.2g}", f"{len(found) / seconds:,.0f}")
    console().print(shown)


def through_server(bundle: Path, table: pa.Table) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which rows JSON can say (it has no infinities), and the answers of `autofi serve` to them."""
    sayable = np.ones(table.num_rows, dtype=bool)
    for column in table.columns:
        if pa.types.is_floating(column.type):
            sayable &= ~np.isinf(column.to_numpy())
    rows = table.filter(pa.array(sayable))
    found = []
    with served(bundle) as port, httpx.Client(timeout=60) as client:
        for start in range(0, rows.num_rows, REQUEST_ROWS):
            body = {"rows": rows.slice(start, REQUEST_ROWS).to_pylist()}
            answer = client.post(f"http://{HOST}:{port}/predict", json=body)
            found.append(answer.raise_for_status().json()["probabilities"])
    return sayable, np.concatenate(found)


def read(data: str, names: tuple[str, ...], rows: int) -> pa.Table:
    """The first rows of a table, over again where it has fewer."""
    batches, held = [], 0
    for batch in open_table(data).batches(names, most=rows):
        batches.append(batch)
        held += batch.num_rows
        if held >= rows:
            break
    table = pa.Table.from_batches(batches).combine_chunks()
    return table.take(pa.array(np.arange(rows) % table.num_rows))


def worse(table: pa.Table, fields: tuple[Field, ...], seed: int) -> pa.Table:
    """The same rows with damage in every column."""
    generator = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {"another": pa.array(np.arange(table.num_rows))}
    for field in fields:
        columns[field.name] = _damaged(table.column(field.name), field, generator)
    order = generator.permutation(list(columns))
    return pa.table({name: columns[name] for name in order})


def _damaged(column: pa.ChunkedArray, field: Field, generator: np.random.Generator) -> pa.Array:
    rows = len(column)
    touched = generator.random(rows)
    if field.kind is FieldKind.NUMERIC:
        numbers = column.combine_chunks().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).copy()
        numbers[touched < SHARE] = np.nan
        extreme = (touched >= SHARE) & (touched < 2 * SHARE)
        numbers[extreme] = generator.choice(EXTREME, int(extreme.sum()))
        return pa.array(numbers, from_pandas=True)
    if field.kind is FieldKind.MULTI_VALUED and field.separator is None:
        lists = as_tokens(column, None).to_pylist()
        return pa.array(
            [[] if share < SHARE else tokens for share, tokens in zip(touched, lists, strict=True)]
        )
    texts = np.array(canonical_strings(column).to_pylist(), dtype=object)
    texts[touched < SHARE] = None
    unseen = (touched >= SHARE) & (touched < 2 * SHARE)
    texts[unseen] = generator.choice(UNSEEN, int(unseen.sum()))
    return pa.array(texts, type=pa.string())


if __name__ == "__main__":
    typer.run(main)

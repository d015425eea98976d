"""Vocabularies and codes of a wide Parquet file: `python -m benchmarks.encoding`, some minutes on 2 cores.

pandas reads the file and factorizes every column, which gives codes in the order of appearance and nothing else.
AutoFI reads it, splits it, learns vocabularies with their counts from training rows, and encodes all rows.
FuxiCTR is given the rows in three files and told their columns; it learns vocabularies from the first, and writes the
codes of all as Parquet.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from autofi.data.encode import encode
from autofi.data.schema_inference import infer_schema
from autofi.readers import open_table
from benchmarks.paired import alternate, print_timings
from benchmarks.peer import ENVIRONMENT, peer_python
from benchmarks.tables import FIELDS, parquet_parts, wide_parquet
from benchmarks.workers.process import WORKERS, Worker


def main(
    rows: Annotated[int, typer.Option(help="Rows of the generated table.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(help="Timed rounds of pandas and AutoFI.")] = 5,
    peer_rounds: Annotated[int, typer.Option(help="Timed rounds of FuxiCTR; 0 leaves it out.")] = 1,
    folder: Annotated[Path | None, typer.Option(help="Where the table is kept between runs.")] = None,
    environment: Annotated[Path, typer.Option(help="Where FuxiCTR's environment is kept.")] = ENVIRONMENT,
) -> None:
    """Print seconds of pandas and AutoFI, alternating, then of FuxiCTR and AutoFI, alternating."""
    cores = os.sched_getaffinity(0)
    title = f"{rows:,} rows x {FIELDS} fields from Parquet, {len(cores)} cores"
    with tempfile.TemporaryDirectory() as temporary:
        path = wide_parquet(folder or Path(temporary), rows)
        schema = infer_schema(open_table(path), target="click").schema

        def factorize() -> None:
            frame = pd.read_parquet(path)
            for name in frame.columns[1:]:
                pd.factorize(frame[name])

        def whole() -> None:
            encode(open_table(path), infer_schema(open_table(path), target="click").schema)

        ways = {
            "pandas factorize": factorize,
            "AutoFI infer": lambda: infer_schema(open_table(path), target="click"),
            "AutoFI encode": lambda: encode(open_table(path), schema),
        }
        print_timings(title, alternate(ways, rounds=rounds))
        if not peer_rounds:
            return
        peer = peer_python(environment.absolute())
        worker = Worker([str(peer), str(WORKERS / "fuxictr_encoding.py")], cores)
        parts = parquet_parts(path, Path(temporary))
        worker.ask(do="make", parts=parts, fields=list(schema.names))
        peers = {
            "FuxiCTR": lambda: worker.ask(do="steps", count=1),
            "AutoFI encode": lambda: encode(open_table(path), schema),
            "AutoFI infer and encode": whole,
        }
        print_timings(title, alternate(peers, rounds=peer_rounds))
        worker.close()


if __name__ == "__main__":
    typer.run(main)

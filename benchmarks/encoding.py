"""Vocabularies and codes of a wide Parquet file: `python -m benchmarks.encoding`, some minutes on 2 cores.

pandas reads the file and factorizes every column, which gives codes in the order of appearance and nothing else.
AutoFI reads it, splits it, learns vocabularies with their counts from training rows, and encodes all rows.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from autofi.data.encode import encode
from autofi.data.inference import infer_schema
from autofi.data.reading import open_table
from benchmarks.paired import alternate, print_timings
from benchmarks.tables import FIELDS, wide_parquet


def main(
    rows: Annotated[int, typer.Option(help="Rows of the generated table.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(help="Timed rounds of every way.")] = 3,
    folder: Annotated[Path | None, typer.Option(help="Where the table is kept between runs.")] = None,
) -> None:
    """Print seconds of pandas and of AutoFI, alternating."""
    with tempfile.TemporaryDirectory() as temporary:
        path = wide_parquet(folder or Path(temporary), rows)
        schema = infer_schema(open_table(path), target="click").schema

        def factorize() -> None:
            frame = pd.read_parquet(path)
            for name in frame.columns[1:]:
                pd.factorize(frame[name])

        ways = {
            "pandas factorize": factorize,
            "AutoFI infer": lambda: infer_schema(open_table(path), target="click"),
            "AutoFI encode": lambda: encode(open_table(path), schema),
        }
        print_timings(f"{rows:,} rows x {FIELDS} fields from Parquet", alternate(ways, rounds=rounds))


if __name__ == "__main__":
    typer.run(main)

"""FuxiCTR's own preprocessing of Parquet files, driven by `talk`; run by the Python of its own environment.

What its `build_dataset` does but for Ray, which hands batches of rows to processes of its own: on the one or two cores
of a benchmark that takes longer than the work itself.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from fuxictr.preprocess import FeatureProcessor

sys.path.insert(0, str(Path(__file__).parent))
from talk import serve

MIN_COUNT = 2
#: As many rows as it hands to a process at a time.
BATCH_ROWS = 100_000


class Preprocessing:
    """Vocabularies of every field, as categories, and the codes of all rows as Parquet; a step does all of it."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.parts = request["parts"]
        self.fields = request["fields"]

    def steps(self, count: int) -> None:
        for _ in range(count):
            with tempfile.TemporaryDirectory() as folder:
                self._preprocess(Path(folder))

    def _preprocess(self, folder: Path) -> None:
        processor = FeatureProcessor(
            feature_cols=[{"name": self.fields, "active": True, "dtype": "str", "type": "categorical"}],
            label_col={"name": "click", "dtype": "float"},
            dataset_id="wide",
            data_root=str(folder),
        )
        frames = {
            part: processor.preprocess(processor.read_data(path, data_format="parquet"))
            for part, path in self.parts.items()
        }
        processor.fit(frames["train"], min_categr_count=MIN_COUNT)
        for part, frame in frames.items():
            batches = [
                processor.transform({name: batch[name].to_numpy() for name in batch.columns})
                for batch in frame.collect().iter_slices(BATCH_ROWS)
            ]
            encoded = pd.concat([pd.DataFrame(dict(batch)) for batch in batches])
            encoded.to_parquet(folder / "wide" / f"{part}.parquet")


if __name__ == "__main__":
    serve(Preprocessing)

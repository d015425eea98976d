"""Keeps a study of the current database schema for good: `python -m tests.store.make_version_asset`, once per schema.

`versions/NNNN/`, named by the revision of the database's tables, holds what a user has after a small search: the
table, the space, the database and the study's folder; beside them what AutoFI said of it when it was made:
`show.json`, the summary; `probabilities.json`, the scores that the exported winner gave the test rows;
`architectures.json`, an architecture of every named space by its id; `spaces.json`, these spaces by their fingerprints.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

import autofi
from autofi.core.bounded_yaml import read_yaml
from autofi.core.device import pick_device
from autofi.data.load import open_again
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import Workbench
from autofi.space.builtin import named_spaces
from autofi.space.load import load_named_spaces
from autofi.store import StudyHandle, StudyStore, resolve_storage
from autofi.store.search_settings import SearchSettings

VERSIONS = Path(__file__).parent / "versions"
STUDY, STORAGE = "kept", "autofi.db"
TABLE, TEST_TABLE, SPACE = "clicks.csv", "test.csv", "space.yaml"
SUMMARY, PROBABILITIES = "show.json", "probabilities.json"
ARCHITECTURES, SPACES = "architectures.json", "spaces.json"
ROWS, TEST_ROWS = 2400, 300
TRIALS = 3
BASELINES = ("lr", "lightgbm")
#: Some of every section, by the names that its keys had in 0.1.0.
SPACE_TEXT = """\
name: kept
summary: A little of everything that a study can hold.
fields: {forms: [embedding, bag, piecewise_linear, statistics], search: true}
pairs:
  options: [[], [factorize_hadamard], [memorize_statistics], [memorize_embedding]]
sizes: {embedding_dim: 4, cross_dim: 2, factor_dim: {choices: [2, 4]}}
readout:
  name: mlp
  hidden: {choices: [[8], [16]]}
  dropout: {low: 0.0, high: 0.2, default: 0.1}
  members: {choices: [2, 1]}
streams:
  choices:
    - {cross_network: {layers: 1}}
    - {}
boosting: {leaves: 6, learning_rate: 0.2}
min_count: {choices: [2, 1]}
training: {learning_rate: {low: 0.005, high: 0.05, log: true, default: 0.02}, batch_size: 128, epochs: 4, patience: 2}
search: {method: paths, epochs: 1, batch_size: 256, explore: 8}
starts:
  - {fields: all, pairs: rates, readout.members: 1}
"""


def make_table(rows: int, *, seed: int) -> pa.Table:
    """Every kind of field, with missing values; two fields are memorized, two factorize."""
    generator = np.random.default_rng(seed)
    user, item = generator.integers(0, 12, rows), generator.integers(0, 9, rows)
    effects = np.random.default_rng(0)
    cells = effects.normal(size=(12, 9))
    price = generator.lognormal(size=rows).round(2)
    when = np.datetime64("2026-01-01T00:00:00", "s") + generator.integers(0, 30 * 86400, rows)
    # Steps in the price, which trees find soonest.
    logits = cells[user, item] + 1.5 * np.sign(np.sin(4.0 * np.log(price))) - 0.5
    return pa.table(
        {
            "user": user,
            "item": [f"item_{code}" for code in item],
            "price": pa.array(price, mask=generator.random(rows) < 0.1),
            "when": pa.array(when),
            "tags": [
                "|".join(generator.choice(list("abcd"), size)) for size in generator.integers(0, 3, rows)
            ],
            "weight": generator.choice([0.5, 1.0, 2.0], rows),
            "click": (generator.random(rows) < 1.0 / (1.0 + np.exp(-logits))).astype(np.int8),
        }
    )


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """The study remembers its table as it was named: relative to where the search ran."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def search(*, trials: int) -> autofi.Study:
    """The study of the working folder, begun or resumed."""
    return autofi.search(
        TABLE,
        target="click",
        test=TEST_TABLE,
        space=SPACE,
        study=STUDY,
        storage=STORAGE,
        trials=trials,
        seeds=1,
        device="cpu",
        baselines=BASELINES,
        overrides=autofi.SchemaOverrides(
            categorical=("user",), multi_valued={"tags": "|"}, weight="weight", missing=("none",)
        ),
    )


def summary_of(study: autofi.Study) -> dict[str, Any]:
    """The summary as JSON has it, without where its database lies."""
    summary: dict[str, Any] = json.loads(json.dumps(study.summary()))
    return {key: value for key, value in summary.items() if key != "storage"}


@contextmanager
def opened() -> Iterator[StudyHandle]:
    """The study of the working folder, as the database has it."""
    with StudyStore(resolve_storage(STORAGE)) as store:
        yield store.open(STUDY)


def open_workbench() -> Workbench:
    """The data of the study, read again; its fingerprint is checked."""
    with opened() as study:
        settings = SearchSettings.from_json(study.record.settings)
        dataset = open_again(settings, study=STUDY, fingerprint=study.record.data_fingerprint)
    return Workbench(dataset, device=pick_device("cpu"), seed=settings.seed)


def write(name: str, value: Any) -> None:
    Path(name).write_text(json.dumps(value, indent=1) + "\n")


def write_expected(study: autofi.Study) -> None:
    """Return the output of this version for the study and its parts."""
    write(SUMMARY, summary_of(study))
    exported = study.export("exported", forms=("torch",))
    write(PROBABILITIES, autofi.load(exported).predict_proba(TEST_TABLE).tolist())
    shutil.rmtree(exported)
    bench = open_workbench()
    made = [baseline(name, bench) for name in named_spaces()]
    write(ARCHITECTURES, {one.id: one.to_json() for one in made})
    write(
        SPACES,
        {space.fingerprint: read_yaml(named_spaces()[name]) for name, space in load_named_spaces().items()},
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, working_in(Path(scratch)):
        pyarrow.csv.write_csv(make_table(ROWS, seed=1), TABLE)
        pyarrow.csv.write_csv(make_table(TEST_ROWS, seed=2), TEST_TABLE)
        Path(SPACE).write_text(SPACE_TEXT)
        study = search(trials=TRIALS)
        write_expected(study)
        study.close()
        with closing(sqlite3.connect(STORAGE)) as database:
            # The exported folder is gone, and it lay on the machine where this ran.
            database.execute("DELETE FROM autofi_export")
            (revision,) = database.execute("SELECT version_num FROM autofi_alembic_version").fetchone()
            database.commit()
            # One file, as small as it can be.
            database.execute("PRAGMA journal_mode = DELETE")
            database.execute("VACUUM")
        shutil.copytree(scratch, VERSIONS / revision)


if __name__ == "__main__":
    main()

"""Rows that are scored are compared with those of training, alike in every runtime, and told where they are far off."""

from __future__ import annotations

import json
import math
import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner

import autofi
from autofi.bundle.count_training_profile import profile_training
from autofi.bundle.load import load
from autofi.bundle.manifest import describe, read_manifest
from autofi.bundle.predictor import Predictor
from autofi.bundle.skew import (
    FIRST_ROWS,
    ONE_BATCH_IN,
    FieldSkew,
    SkewCounts,
    SkewWarning,
    far_off,
    percent,
    told_line,
    wilson,
)
from autofi.bundle.training_profile import (
    MOST_VALUES,
    FieldProfile,
    KnownValues,
    NumberRange,
    Share,
    TrainingProfile,
    hash_texts,
    read_training_profile,
)
from autofi.cli.app import app
from autofi.data.encode import encode
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.errors import ExportError
from autofi.export.export import export_bundle
from autofi.readers import open_table
from autofi.values.value_types import Reading, ValueType
from tests.export.models import Model, make_table

TRAINED = make_table(6000, seed=1)
FIELDS = ("city", "hour", "price", "tags")


@pytest.fixture(scope="module")
def profiled(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profiled") / "model"
    model.write(folder, profiled=True)
    return folder


@pytest.fixture
def bundle(profiled: Path, tmp_path: Path) -> Path:
    """A bundle of the test's own."""
    return Path(shutil.copytree(profiled, tmp_path / "model"))


@pytest.fixture(scope="module")
def released(profiled: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    folder = tmp_path_factory.mktemp("released")
    for form in ("onnx", "torch"):
        export_bundle(profiled, folder / form, forms=(form,))  # type: ignore[arg-type]
    return {form: load(folder / form) for form in ("onnx", "torch")}


def changed(**columns: Any) -> pd.DataFrame:
    return make_table(500, seed=11).to_pandas().assign(**columns)


def counted(predictor: Predictor, table: Any) -> dict[str, dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkewWarning)
        predictor.predict_proba(table)
    found = predictor.skew()
    assert found is not None
    return {field["name"]: field for field in found.to_json()["fields"]}


def test_the_profile_is_what_the_rows_of_training_say() -> None:
    schema = infer_schema(
        open_table(TRAINED), target="click", overrides=SchemaOverrides(multi_valued={"tags": "|"})
    ).schema
    train, valid = TRAINED.slice(0, 4000).to_pandas(), TRAINED.slice(4000, 1000).to_pandas()
    valid.loc[:49, "city"], valid.loc[:19, "price"], valid.loc[:9, "tags"] = "Atlantis", 1e9, "a|zz|b"
    parts = (
        pa.Table.from_pandas(part, preserve_index=False) for part in (valid, TRAINED.slice(5000).to_pandas())
    )
    dataset = encode(
        open_table(pa.Table.from_pandas(train, preserve_index=False)),
        schema,
        **{name: open_table(part) for name, part in zip(("valid", "test"), parts, strict=True)},  # type: ignore[arg-type]
    )
    profile = profile_training(dataset)
    of = {field.name: field for field in profile.fields}
    assert (profile.training_rows, profile.validation_rows) == (4000, 1000)
    for name in ("city", "hour"):
        known = set(train[name].dropna().astype(str))
        there = valid[name].dropna().astype(str)
        assert of[name].missing == Share(int(train[name].isna().sum()), 4000)
        assert of[name].unseen == Share(int((~there.isin(known)).sum()), len(there))
    tokens = [token for text in valid["tags"].dropna() for token in text.split("|") if token]
    assert of["tags"].unseen == Share(10, len(tokens))
    numbers, prices = of["price"].numbers, train["price"].dropna()
    assert numbers is not None
    assert (numbers.lowest, numbers.highest) == (prices.min(), prices.max())
    for share, number in numbers.quantiles.items():
        # Quantiles are read off positions among 33 borders.
        assert (prices <= number).mean() == pytest.approx(share, abs=0.02)
    low, high = numbers.usual
    judged = valid["price"].dropna()
    assert numbers.rare == Share(int(((judged < low) | (judged > high)).sum()), len(judged))


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_counts_are_those_of_the_rows(released: dict[str, Predictor], runtime: str) -> None:
    rows = changed()
    rows.loc[:99, "city"] = "Atlantis"
    rows.loc[100:149, "city"] = None
    rows.loc[:9, "price"] = [-1.0, 1e9] * 5
    rows.loc[:4, "tags"] = "a|zz"
    found = counted(released[runtime], rows)
    assert found["city"]["unseen"]["share"] == 100 / (500 - rows["city"].isna().sum())
    assert found["city"]["missing"]["share"] == rows["city"].isna().sum() / 500
    tokens = [token for text in rows["tags"].dropna() for token in text.split("|") if token]
    assert found["tags"]["unseen"] == {
        "share": 5 / len(tokens),
        "of": len(tokens),
        "training": found["tags"]["unseen"]["training"],
    }
    assert found["price"]["outside"]["share"] >= 10 / rows["price"].notna().sum()


def test_every_runtime_and_format_counts_alike(released: dict[str, Predictor], tmp_path: Path) -> None:
    rows = changed(city="Atlantis")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), tmp_path / "rows.parquet")
    found = [
        counted(predictor, source)
        for predictor in released.values()
        for source in (rows, tmp_path / "rows.csv", tmp_path / "rows.parquet")
    ]
    assert all(other == found[0] for other in found)


FAR: Mapping[str, tuple[dict[str, Any], str]] = {
    "unseen": ({"city": "Atlantis"}, r"city: 100 % unseen, 0 % in training"),
    "missing": ({"hour": None}, r"hour: 100 % missing, \S+ % in training"),
    "range": ({"price": 1e7}, r"price: 100 % outside \S+ to \S+, \S+ % in training"),
    "tokens": ({"tags": "x|y"}, r"tags: 100 % unseen, 0 % in training"),
}


@pytest.mark.parametrize("case", FAR)
def test_what_is_far_off_is_told_in_one_line(
    released: dict[str, Predictor], case: str, tmp_path: Path
) -> None:
    columns, told = FAR[case]
    rows = changed(**columns)
    for predictor in released.values():
        for score in (
            predictor.predict_proba,
            predictor.evaluate,
            lambda table, each=predictor: each.predict_file(table, tmp_path / "scores.csv"),
        ):
            with pytest.warns(SkewWarning, match=told) as caught:
                score(rows)
            assert len(caught) == 1
            assert "\n" not in str(caught[0].message) and "1 of " in str(caught[0].message)
            assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (ValueType.TIME, "100 % outside 2024-01-01 to 2024-01-31T12:00:01, 0 % in training"),
        (ValueType.NUMBER, "100 % outside 1.704e+09 to 1.707e+09, 0 % in training"),
    ],
)
def test_times_are_told_as_such(values: ValueType, told: str) -> None:
    first, last = (pd.Timestamp(text).timestamp() for text in ("2024-01-01", "2024-01-31T12:00:01.4"))
    none, every = Share(0, 1000), Share(1000, 1000)
    trained = FieldProfile("at", none, None, None, NumberRange(first, last, {0.01: first, 0.99: last}, none))
    skew = FieldSkew("at", none, None, every, every, trained, Reading(values))
    assert skew.told == (told,)


def test_nothing_is_told_of_rows_like_those_of_training_nor_of_few(released: dict[str, Predictor]) -> None:
    rows = changed()
    for predictor in released.values():
        predictor.predict_proba(rows)
        few = rows.head(3).assign(city=["Atlantis", rows["city"][1], rows["city"][2]])
        predictor.predict_proba(few)
        predictor.predict_proba(few.head(1).assign(hour=None, price=1e9))
        found = predictor.skew()
        assert found is not None and (found.rows, found.line) == (1, None)


def test_a_bundle_without_a_profile_is_not_compared(bundle: Path) -> None:
    for name in ("training_profile.json", "training_values.parquet", "manifest.json"):
        (bundle / name).unlink()
    (bundle / "manifest.json").write_bytes(describe(bundle, autofi="0.1.0").render())
    predictor = load(bundle)
    predictor.predict_proba(changed(city="Atlantis"))
    assert predictor.skew() is None and predictor.skew_counts() is None


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "[" * 100_000,
        lambda text: "7",
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace('"kept": ', '"kept": 9'),
        lambda text: text.replace('"kept": ', '"kept": -'),
        lambda text: text.replace('"bound": ', '"bound": -'),
        lambda text: text.replace('"highest": ', '"highest": 1e999, "was": '),
        lambda text: text.replace('"missing": [', '"missing": [null,'),
        lambda text: text.replace('"training_rows": ', '"training_rows": "x", "was": '),
        lambda text: text.replace('"training_rows": ', '"training_rows": 1.5, "was": '),
        lambda text: text.replace('"training_rows": ', '"training_rows": true, "was": '),
        lambda text: text.replace('"training_rows": ', '"training_rows": 1e999, "was": '),
        lambda text: text.replace('"bound": ', '"bound": NaN, "was": '),
        lambda text: text.replace('"missing": [', f'"missing": [0, 1{"0" * 400}], "was": ['),
        lambda text: text.replace('"missing": [', '"missing": [Infinity, Infinity], "was": ['),
        lambda text: text.replace('"lowest": ', f'"lowest": -1{"0" * 400}, "was": '),
        lambda text: text.replace('"lowest": ', '"lowest": 1e308, "was": '),
        lambda text: text.replace('"quantiles": ', '"quantiles": [1], "was": '),
        lambda text: text.replace('"name": "city"', '"name": ["city"]'),
        lambda text: text.replace('"name": "city"', '"name": "\\ud800"'),
        lambda text: text.replace('"name": "city"', '"name": "hour"'),
        lambda text: text.replace('"format": 1', f'"format": "{"x" * 100_000}"'),
        lambda text: '{"format": 1, "fields": 3}',
        lambda text: '{"format": 1, "fields": [null]}',
    ],
)
def test_a_crafted_profile_is_refused_in_one_line(bundle: Path, edit: Any) -> None:
    path = bundle / "training_profile.json"
    path.write_text(edit(path.read_text()))
    (bundle / "manifest.json").unlink()
    (bundle / "manifest.json").write_bytes(describe(bundle, autofi="0.1.0").render())
    with pytest.raises(ExportError, match=r"training_profile\.json") as refused:
        load(bundle)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 900


@pytest.mark.parametrize(
    ("told", "table", "options"),
    [
        ("holds", pa.table({"hash": [1, 2]}), {}),
        ("holds", pa.table({"other": pa.array([1], pa.uint32())}), {}),
        ("holds", pa.Table.from_arrays([pa.array([1], pa.uint32())] * 2, names=["hash", "hash"]), {}),
        ("without a hash", pa.table({"hash": pa.nulls(40, pa.uint32())}), {}),
        # Of zeros a few bytes make gigabytes, packed or not.
        ("8,000,000 hashes", pa.table({"hash": np.zeros(8_000_000, np.uint32)}), {"use_dictionary": True}),
        ("compressed", pa.table({"hash": np.zeros(40, np.uint32)}), {"compression": "zstd"}),
    ],
)
def test_crafted_values_are_refused(bundle: Path, told: str, table: pa.Table, options: Any) -> None:
    pq.write_table(table, bundle / "training_values.parquet", **{"compression": "none"} | options)
    (bundle / "manifest.json").unlink()
    (bundle / "manifest.json").write_bytes(describe(bundle, autofi="0.1.0").render())
    with pytest.raises(ExportError, match=f"training profile.*{told}"):
        load(bundle)


def test_a_profile_is_read_as_it_was_written(bundle: Path, tmp_path: Path) -> None:
    profile = read_training_profile(bundle, read_manifest(bundle))
    assert profile is not None
    profile.write(tmp_path)
    for name in ("training_profile.json", "training_values.parquet"):
        assert (tmp_path / name).read_bytes() == (bundle / name).read_bytes()
    assert {
        field["name"] for field in json.loads((tmp_path / "training_profile.json").read_text())["fields"]
    } >= {*FIELDS}


def test_of_very_many_values_a_random_part_is_compared() -> None:
    known = KnownValues.of([hash_texts([str(number) for number in range(2 * MOST_VALUES)])])
    assert len(known.hashes) == MOST_VALUES
    assert known.hashes.nbytes == 4 * MOST_VALUES
    seen, fresh = ([f"{mark}{number}" for number in range(1000, 11_000)] for mark in ("", "new "))
    compared, found = known.compare(seen)
    assert found[compared].all() and compared.mean() == pytest.approx(0.5, abs=0.02)
    compared, found = known.compare(fresh)
    assert found[compared].mean() < 0.002 and compared.mean() == pytest.approx(0.5, abs=0.02)


def test_long_tables_are_sampled_by_batches(released: dict[str, Predictor]) -> None:
    counts = released["onnx"].skew_counts()
    assert isinstance(counts, SkewCounts)
    batch = pa.RecordBatch.from_pandas(changed(), preserve_index=False)
    taken = [counts.add(batch) for _ in range(FIRST_ROWS // 500 + 1 + 3 * ONE_BATCH_IN)]
    first = FIRST_ROWS // 500 + 1
    assert all(taken[:first])
    assert taken[first:] == [number % ONE_BATCH_IN == 0 for number in range(1, 3 * ONE_BATCH_IN + 1)]
    found = counts.skew("the rows")
    assert (found.rows, found.counted) == (500 * len(taken), 500 * sum(taken))


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_is_the_interval_of_its_definition(count: int, of: int) -> None:
    """Its ends are the shares from which the share found is exactly so many standard errors away."""
    share = Share(min(count, of), of)
    low, high = wilson(share, 2.0)
    assert 0.0 <= low <= share.value + 1e-12 and share.value <= high + 1e-12 and high <= 1.0
    for end in (low, high):
        if 1e-12 < end < 1 - 1e-12:
            error = math.sqrt(end * (1 - end) / of)
            assert abs(share.value - end) == pytest.approx(2.0 * error, rel=1e-6)


@pytest.mark.parametrize(
    ("share", "before", "far"),
    [
        (Share(1, 3), Share(2, 1000), False),  # few rows
        (Share(9, 9), Share(2, 1000), False),
        (Share(10, 10), Share(2, 1000), True),
        (Share(50, 1000), Share(2, 1000), False),  # beyond chance, and still not far
        (Share(300, 1000), Share(2, 1000), True),
        (Share(30, 100), Share(2, 1000), False),  # far, and not beyond chance
        (Share(1000, 1000), Share(950, 1000), True),  # all of them
        (Share(990, 1000), Share(950, 1000), False),
        (Share(600, 1000), Share(500, 1000), False),
        (Share(850, 1000), Share(500, 1000), True),
        (Share(0, 1000), Share(500, 1000), False),  # less is not far
        (Share(100, 100), Share(0, 0), False),  # nothing to compare with
    ],
)
def test_far_off_is_beyond_chance_and_by_twenty_points(share: Share, before: Share, far: bool) -> None:
    assert far_off(share, before) is far


def test_shares_are_not_rounded_to_none_or_all() -> None:
    shares = [
        Share(0, 9),
        Share(1, 1_000_000),
        Share(2, 1000),
        Share(1, 3),
        Share(999_999, 1_000_000),
        Share(4, 4),
    ]
    assert [percent(share) for share in shares] == [
        "0 %",
        "under 0.01 %",
        "0.2 %",
        "33.3 %",
        "99.9 %",
        "100 %",
    ]


def test_the_category_is_public(released: dict[str, Predictor]) -> None:
    assert autofi.SkewWarning is SkewWarning
    with warnings.catch_warnings():
        warnings.simplefilter("error", autofi.SkewWarning)
        with pytest.raises(autofi.SkewWarning):
            released["onnx"].predict_proba(changed(city="Atlantis"))


def test_an_empty_profile_compares_nothing(released: dict[str, Predictor]) -> None:
    counts = SkewCounts(TrainingProfile(10, 10, ()), released["onnx"].schema)
    assert counts.add(pa.RecordBatch.from_pandas(changed(), preserve_index=False))
    assert counts.skew("rows").fields == () and np.isnan(Share(0, 0).value)


def test_names_do_not_break_the_line() -> None:
    assert told_line("a\nb.csv", {"x\ny": ["100 % missing, 0 % in training"]}, 3) == (
        "a b.csv is far from the training rows in 1 of 3 fields: x y: 100 % missing, 0 % in training"
    )
    told = told_line("a.csv", {"\x1b[2J\x9b": ["100 % missing, 0 % in training"]}, 3)
    assert told is not None and "\\x1b[2J\\x9b: 100 %" in told and told.isprintable()
    many = told_line("a.csv", {str(number): ["100 % unseen, 0 % in training"] for number in range(9)}, 9)
    assert many is not None and many.endswith("4: 100 % unseen, 0 % in training; and 4 more")
    assert told_line("a.csv", {}, 3) is None


def test_the_command_line_tells_it_on_standard_error_and_in_json(profiled: Path, tmp_path: Path) -> None:
    changed(city="Atlantis").to_csv(tmp_path / "far.csv", index=False)
    changed().to_csv(tmp_path / "near.csv", index=False)
    for name, far in (("far", True), ("near", False)):
        rows, scores = str(tmp_path / f"{name}.csv"), str(tmp_path / "scores.csv")
        for asked in (["predict", str(profiled), rows, "-o", scores], ["evaluate", str(profiled), rows]):
            ran = CliRunner().invoke(app, [*asked, "--json", "-q"])
            answer = json.loads(ran.stdout)
            assert (ran.exit_code, answer["rows"]) == (0, 500)
            assert ("skew" in answer) is far
            if far:
                (line,) = ran.stderr.splitlines()
                assert line == f"autofi: warning: {answer['skew']['told']}"
                assert re.search(r"in 1 of \d+ fields: city: 100 % unseen, 0 % in training$", line)
            else:
                assert ran.stderr == ""

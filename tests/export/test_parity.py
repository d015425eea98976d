"""Any table, any architecture, any row: ONNX Runtime gives what torch gives."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st

import autofi
from autofi.bundle.bundle import write_bundle
from autofi.data.boosted_trees import Boosting
from autofi.data.encode import encode
from autofi.data.feature_builder import build_features
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.export.export import export_bundle
from autofi.model.build import build_network, shapes_of
from autofi.operators.base import Sizes
from autofi.operators.registry import operators
from autofi.readers import open_table
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes
from tests.export.models import grown_trees

ROWS = 300
TEXTS = st.text(min_size=1, max_size=6)
#: Rows to score are drawn from what training had and from all there is.
ANY_NUMBER = st.one_of(st.none(), st.floats(), st.integers(-(2**62), 2**62).map(float))
ANY_TEXT = st.one_of(st.none(), st.text(max_size=8), ANY_NUMBER.map(str))
KINDS = {
    "texts": TEXTS,
    "ids": st.integers(-3, 40),
    "numbers": st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    "lists": st.lists(st.sampled_from("abcdef"), max_size=4).map("|".join),
}
STREAMS = ({}, {"linear": {}}, {"cross_network": {"layers": 1}, "fm": {}})


def column(draw: Any, kind: str) -> list[Any]:
    values = draw(st.lists(KINDS[kind], min_size=3, max_size=25, unique=True))
    seed = draw(st.integers(0, 2**16))
    generator = np.random.default_rng(seed)
    found = [values[place] for place in generator.zipf(1.5, ROWS) % len(values)]
    return [
        None if share < 0.1 else value for share, value in zip(generator.random(ROWS), found, strict=True)
    ]


def scored(draw: Any, kind: str, training: list[Any], rows: int) -> list[Any]:
    strange = {
        "texts": ANY_TEXT,
        "ids": ANY_TEXT,
        "numbers": ANY_NUMBER,
        "lists": st.lists(st.one_of(st.sampled_from("abcdefz"), st.just("")), max_size=9).map("|".join),
    }[kind]
    drawn = draw(st.lists(st.one_of(strange, st.sampled_from(training)), min_size=rows, max_size=rows))
    return [value if value is None or kind == "numbers" else str(value) for value in drawn]


@pytest.mark.slow
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_any_model_scores_any_rows_alike_in_onnx_runtime_and_torch(data: st.DataObject) -> None:
    draw = data.draw
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=2, max_size=5))
    names = [f"{kind} {number}" for number, kind in enumerate(kinds)]
    columns = {name: column(draw, kind) for name, kind in zip(names, kinds, strict=True)}
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    table = open_table(pa.table({**columns, "click": generator.integers(0, 2, ROWS)}))
    overrides = SchemaOverrides(
        categorical=[name for name in names if name.startswith(("texts", "ids"))],
        numeric=[name for name in names if name.startswith("numbers")],
        multi_valued={name: "|" for name in names if name.startswith("lists")},
    )
    dataset = encode(table, infer_schema(table, target="click", overrides=overrides).schema)
    fields = dataset.encoder.schema.names
    pairs = [(left, right) for right in range(len(fields)) for left in range(right)]
    builder, _ = build_features(dataset, pairs, min_count=1)
    boosting = Boosting(leaves=draw(st.sampled_from([0, 4])))
    if boosting:
        places = len(fields) + len(dataset.encoder.number_fields)
        triples = list(combinations(range(places), 3))[:3]
        crosses = [cross for cross in (*combinations(range(places), 2), *triples) if draw(st.booleans())]
        builder = replace(builder, boosted=grown_trees(dataset, boosting, crosses, threads=1))
    min_count, cross_min_count = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    shapes = shapes_of(builder, min_count=min_count, cross_min_count=cross_min_count)

    def forms(slot: tuple[int, ...], least: int) -> tuple[str, ...]:
        known = [
            n for n, kind in operators().items() if kind.arity == len(slot) and kind.applies(slot, shapes)
        ]
        return tuple(draw(st.lists(st.sampled_from(known), min_size=least, max_size=3, unique=True)))

    of_fields = {name: forms((place,), 0) for place, name in enumerate(fields)}
    of_fields[fields[0]] = ("embedding",)
    of_pairs = {(fields[left], fields[right]): forms((left, right), 0) for left, right in pairs}
    architecture = Architecture(
        fields={name: chosen for name, chosen in of_fields.items() if chosen},
        pairs={pair: chosen for pair, chosen in of_pairs.items() if chosen},
        sizes=Sizes(embedding_dim=4, cross_dim=2, factor_dim=2),
        boosting=boosting,
        head=HeadSizes(hidden=(8,), ensemble=draw(st.sampled_from([1, 3]))),
        streams=draw(st.sampled_from(STREAMS)),
        min_count=min_count,
        cross_min_count=cross_min_count,
    )
    network = build_network(architecture, builder, seed=1)
    with torch.no_grad():
        for value in network.parameters():
            value += 0.3 * torch.randn(value.shape, generator=torch.Generator().manual_seed(2))
        if network.boosted_weights is not None:
            network.boosted_weights.copy_(torch.tensor([0.6, 0.5, -0.4]))
    rows = draw(st.integers(1, 40))
    unseen = {
        name: pa.array(
            scored(draw, kind, columns[name], rows), pa.float64() if kind == "numbers" else pa.string()
        )
        for name, kind in zip(names, kinds, strict=True)
    }
    with tempfile.TemporaryDirectory() as folder:
        plain, model = Path(folder) / "plain", Path(folder) / "model"
        write_bundle(
            plain, architecture=architecture, builder=builder, network=network.eval(), metrics={}, origin={}
        )
        export_bundle(plain, model, forms=("onnx", "torch"))
        by_onnx, by_torch = (
            autofi.load(model, runtime=runtime).predict_proba(pa.table(unseen))
            for runtime in ("onnx", "torch")
        )
    np.testing.assert_allclose(by_onnx, by_torch, rtol=0, atol=1e-5)

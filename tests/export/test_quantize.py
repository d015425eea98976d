"""A quantized form of a bundle is smaller, gives nearly the same probabilities, and says by how much they differ."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

import autofi
from autofi.bundle.bundle import Bundle
from autofi.bundle.files import QUANTIZATIONS, Quantization
from autofi.bundle.inputs import GraphInput
from autofi.bundle.load import load
from autofi.bundle.network_inputs import read_fields
from autofi.bundle.network_reads import reads_of
from autofi.bundle.onnx_scorer import OnnxScorer
from autofi.cli.app import app
from autofi.errors import ConfigError, ExportError
from autofi.export.export import export_bundle
from autofi.export.onnx_file import save_onnx
from autofi.export.onnx_quantize import LEAST_NUMBERS, quantized
from autofi.export.onnx_raw_model import raw_model
from autofi.export.quantize import Quantized, replace_by_quantized
from autofi.export.random_rows import probe_rows
from tests.visits import visits

SMALL = Path(__file__).parent / "versions" / "v1" / "bundle"
TINY = Path(__file__).parents[1] / "spaces" / "tiny.yaml"


@pytest.fixture(scope="session")
def inputs(loaded: Bundle) -> tuple[GraphInput, ...]:
    return read_fields(loaded.builder, reads_of(loaded.network, loaded.builder))


@pytest.fixture(scope="session")
def plain(loaded: Bundle, exported: onnx.ModelProto) -> onnx.ModelProto:
    return raw_model(loaded.builder, reads_of(loaded.network, loaded.builder), exported)


@pytest.fixture(scope="session", params=QUANTIZATIONS)
def small(request: pytest.FixtureRequest, loaded: Bundle, exported: onnx.ModelProto) -> onnx.ModelProto:
    """With the kind as its producer's name."""
    found = raw_model(
        loaded.builder, reads_of(loaded.network, loaded.builder), quantized(exported, request.param)
    )
    found.producer_name = request.param
    return found


def kind_of(small: onnx.ModelProto) -> Quantization:
    return next(kind for kind in QUANTIZATIONS if kind == small.producer_name)


def drawn(loaded: Bundle, inputs: tuple[GraphInput, ...], rows: int = 2000) -> pa.RecordBatch:
    fields = {field.field.name: field for field in loaded.builder.encoder.fields}
    return probe_rows([fields[given.name] for given in inputs], rows)


def scores(path: Path, inputs: tuple[GraphInput, ...], rows: pa.RecordBatch) -> np.ndarray:
    return OnnxScorer(path, inputs).probabilities(rows, source="rows", first_row=0)


def test_what_is_measured_is_what_the_two_models_give(
    loaded: Bundle,
    inputs: tuple[GraphInput, ...],
    plain: onnx.ModelProto,
    small: onnx.ModelProto,
    tmp_path: Path,
) -> None:
    save_onnx(plain, tmp_path / "model.onnx")
    rows = drawn(loaded, inputs)
    exact = scores(tmp_path / "model.onnx", inputs, rows)
    assert exact.std() > 0.2 and np.unique(exact.round(6)).size > 1000
    found = replace_by_quantized(tmp_path, small, kind_of(small), loaded.builder.encoder, inputs)
    apart = np.abs(scores(tmp_path / "model.onnx", inputs, rows) - exact)
    assert (found.largest_difference, found.mean_difference) == (apart.max(), apart.mean())
    assert found.bytes == (tmp_path / "model.onnx").stat().st_size
    assert found.bytes_float32 == plain.ByteSize()
    assert found.kind == kind_of(small)
    largest, mean = {"fp16": (0.002, 0.0005), "int8": (0.03, 0.005)}[found.kind]
    assert 0 < found.mean_difference < mean
    assert found.largest_difference < largest


def test_a_model_shrinks_by_what_its_arrays_say(
    exported: onnx.ModelProto, plain: onnx.ModelProto, small: onnx.ModelProto
) -> None:
    saved = 0
    for one in exported.graph.initializer:
        array = numpy_helper.to_array(one)
        if array.dtype == np.float32 and array.ndim > 1 and array.size >= LEAST_NUMBERS:
            # Scales of weights are few beside their numbers; those of a table are as many as its rows.
            scales = 4 * len(array) if one.name.endswith(".table") else 0
            half = 2 * array.size
            saved += 4 * array.size - (half if kind_of(small) == "fp16" else min(half, array.size + scales))
    assert plain.ByteSize() - small.ByteSize() == pytest.approx(saved, rel=0.02)
    assert small.ByteSize() < plain.ByteSize() * {"fp16": 0.56, "int8": 0.34}[kind_of(small)]


def nameless(array: onnx.TensorProto) -> bytes:
    found = onnx.TensorProto()
    found.CopyFrom(array)
    found.ClearField("name")
    return found.SerializeToString()


def written(model: onnx.ModelProto) -> Counter[bytes]:
    """Every array of a model: those it holds, and those of its nodes, which are tables of codes and trees."""
    of_nodes = (
        attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t")
    )
    return Counter(map(nameless, (*model.graph.initializer, *of_nodes)))


def test_counts_clicks_and_trees_are_the_same_bit_by_bit(
    loaded: Bundle, exported: onnx.ModelProto, plain: onnx.ModelProto, small: onnx.ModelProto
) -> None:
    # What one of them has and the other has not are arrays of the network.
    for one, other, network in (
        (plain, small, exported),
        (small, plain, quantized(exported, kind_of(small))),
    ):
        own = Counter(map(nameless, network.graph.initializer))
        assert written(one) - written(other) <= own
    statistics = loaded.builder.statistics
    values = [np.stack([cells.counts, cells.clicks], axis=1) for cells in statistics.cells]
    expected = np.concatenate([*values, np.zeros((1, 2))]).astype(np.float32)
    assert any(
        numpy_helper.to_array(onnx.TensorProto.FromString(found)).tobytes() == expected.tobytes()
        for found in written(small)
    )
    trees = [node for node in small.graph.node if node.op_type.startswith("TreeEnsemble")]
    assert len(trees) == 1
    # Counts that a network itself shrinks its embedding by are a vector.
    kept = {one.name: one for one in exported.graph.initializer if one.name.endswith(".counts")}
    assert kept
    changed = {one.name: one for one in quantized(exported, kind_of(small)).graph.initializer}
    assert all(changed[name] == one for name, one in kept.items())


@pytest.mark.parametrize("factor", [0.0, np.nan])
def test_a_model_that_gives_other_probabilities_is_refused(
    loaded: Bundle,
    inputs: tuple[GraphInput, ...],
    exported: onnx.ModelProto,
    plain: onnx.ModelProto,
    tmp_path: Path,
    factor: float,
) -> None:
    other = onnx.ModelProto.FromString(exported.SerializeToString())
    for array in other.graph.initializer:
        if array.data_type == onnx.TensorProto.FLOAT and len(array.dims) > 1:
            array.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(array) * np.float32(factor), array.name)
            )
    save_onnx(plain, tmp_path / "model.onnx")
    wrong = raw_model(loaded.builder, reads_of(loaded.network, loaded.builder), other)
    told = r"with int8 differ .* by \S+ on average over 2,000 drawn rows, more than 0\.02; leave .* fp16"
    with pytest.raises(ExportError, match="are not finite" if np.isnan(factor) else told):
        replace_by_quantized(tmp_path, wrong, "int8", loaded.builder.encoder, inputs)


# Of a bundle that is small enough for the threshold of large arrays to be lowered.


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autofi.export.onnx_quantize.LEAST_NUMBERS", 64)
        export_bundle(SMALL, folder / "int8", forms=("onnx", "torch"), quantize="int8")
    export_bundle(SMALL, folder / "plain", forms=("onnx",))
    return folder


def test_a_bundle_tells_what_quantizing_changed(released: Path) -> None:
    told = json.loads((released / "int8" / "metrics.json").read_text())["metrics"]
    found = Quantized(**told["quantized"])
    small, plain = load(released / "int8"), load(released / "plain")
    assert {name: value for name, value in told.items() if name != "quantized"} == plain.metrics
    table = pa.csv.read_csv(SMALL.parent / "rows.csv")
    apart = np.abs(small.predict_proba(table) - plain.predict_proba(table))
    assert 0 < apart.max() <= 2 * found.largest_difference < 0.04
    assert 0 < found.mean_difference < found.largest_difference
    sizes = [(released / name / "model.onnx").stat().st_size for name in ("int8", "plain")]
    assert [found.bytes, found.bytes_float32] == sizes
    assert sizes[0] < sizes[1]
    card = (released / "int8" / "MODEL_CARD.md").read_text()
    assert f"| mean difference of probability | {found.mean_difference:.6f} |" in card
    assert f"| its bytes | {found.bytes:,} |" in card
    assert "## Quantized" not in (released / "plain" / "MODEL_CARD.md").read_text()


def test_other_forms_of_the_bundle_are_float32(released: Path) -> None:
    table = pa.csv.read_csv(SMALL.parent / "rows.csv")
    torch, plain = load(released / "int8", runtime="torch"), load(released / "plain")
    np.testing.assert_allclose(torch.predict_proba(table), plain.predict_proba(table), rtol=0, atol=1e-5)
    weights = "weights.safetensors"
    assert (released / "int8" / weights).read_bytes() == (SMALL / weights).read_bytes()


def test_the_answer_to_the_sample_is_that_of_the_quantized_model(released: Path) -> None:
    answers = [
        np.array(json.loads((released / name / "sample_response.json").read_text())["outputs"][0]["data"])
        for name in ("int8", "plain")
    ]
    apart = np.abs(answers[0] - answers[1])
    assert 0 < apart.max() < 0.02


def test_a_bundle_of_it_that_is_not_quantized_does_not_say_so(released: Path, tmp_path: Path) -> None:
    export_bundle(released / "int8", tmp_path / "again", forms=("torch",))
    assert "quantized" not in load(tmp_path / "again").metrics
    assert "quantized" in load(released / "int8", runtime="torch").metrics


def test_a_refused_quantization_leaves_the_bundle_that_was_there(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autofi.export.onnx_quantize.LEAST_NUMBERS", 64)
    monkeypatch.setattr("autofi.export.quantize.LARGEST_MEAN", 1e-9)
    target = tmp_path / "model"
    shutil.copytree(released / "plain", target)
    with pytest.raises(
        ExportError, match="with fp16 differ .* over 2,000 drawn rows, .*; leave --quantize out"
    ):
        export_bundle(SMALL, target, forms=("onnx",), quantize="fp16")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (target / "manifest.json").read_bytes() == (released / "plain" / "manifest.json").read_bytes()


def test_a_quantization_needs_the_form_it_is_of(tmp_path: Path) -> None:
    told = "The quantization 'int8' needs the form onnx, but the forms are pt2, torch; add onnx to --format"
    with pytest.raises(ConfigError, match=told):
        export_bundle(SMALL, tmp_path / "model", forms=("pt2", "torch"), quantize="int8")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_a_quantized_bundle_or_says_what_is_wrong(tmp_path: Path) -> None:
    storage = str(tmp_path / "a.db")
    study = autofi.search(
        visits(3000),
        target="click",
        space=TINY,
        study="mine",
        storage=storage,
        trials=1,
        seeds=1,
        baselines=("lr",),
        device="cpu",
    )
    study.close()
    command = ["export", "mine", "-o", str(tmp_path / "model"), "--storage", storage, "--format"]
    for words, told in (
        (("onnx", "--quantize", "int4"), "'int4' is not a quantization; did you mean 'int8'?"),
        (
            ("torch", "--quantize", "int8"),
            "'int8' needs the form onnx, but the forms are torch; add onnx to --format",
        ),
    ):
        refused = CliRunner(env={"COLUMNS": "300"}).invoke(app, [*command, *words])
        assert refused.exit_code == 2
        assert told in refused.stderr
        assert not (tmp_path / "model").exists()
    done = CliRunner().invoke(app, [*command, "onnx", "--quantize", "fp16"])
    assert done.exit_code == 0, done.output
    found = load(tmp_path / "model").metrics["quantized"]
    assert isinstance(found, dict)
    assert found["kind"] == "fp16"
    assert found["mean_difference"] < 0.001

"""A bundle in every form gives raw rows the probabilities of the network it was made from."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import autofi
from autofi.bundle.bundle import load_bundle
from autofi.bundle.files import FORMS, forms_of
from autofi.bundle.manifest import describe
from autofi.cli.app import app
from autofi.errors import ConfigError, ExportError
from autofi.export import export as release, onnx_file
from autofi.export.export import export_bundle
from autofi.metrics.calibrators import Isotonic, Platt
from tests.export.models import Model, make_unseen
from tests.export.test_calibrated_bundle import Found

UNSEEN = make_unseen(3000)
SMALL = Path(__file__).parent / "versions" / "v1" / "bundle"
RUNTIMES = ("onnx", "torch", "pt2")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("rows", [1, 65, 3000])
def test_every_runtime_gives_the_networks_probabilities(
    model: Model, released: Path, runtime: release.Form, rows: int
) -> None:
    table = UNSEEN.slice(0, rows)
    found = autofi.load(released, runtime=runtime, trust=True).predict_proba(table)
    assert found.dtype == np.float64 and found.shape == (rows,)
    np.testing.assert_allclose(found, model.probabilities(UNSEEN)[:rows], rtol=0, atol=1e-5)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_type_of_a_column_changes_what_its_values_mean(released: Path, runtime: release.Form) -> None:
    predictor = autofi.load(released, runtime=runtime, trust=True)
    hours = [3, None, 17, 99]
    rows = UNSEEN.slice(0, 4)
    place = rows.schema.get_field_index("hour")
    as_it_comes = [
        pa.array(hours),
        pa.array([3.0, np.nan, 17.0, 99.0]),
        pa.array(["3", "", "17", "99"]),
        pa.array(["3", None, "17", "99"]).dictionary_encode(),
        pa.array(hours, pa.uint8()),
    ]
    found = [predictor.predict_proba(rows.set_column(place, "hour", column)) for column in as_it_comes]
    assert np.ptp(np.array(found), axis=0).max() == 0
    assert len({*found[0].tolist()}) > 1


def test_lists_and_texts_of_their_values_are_the_same(released: Path) -> None:
    predictor = autofi.load(released, runtime="onnx")
    texts = ["a|b", "", None, "never|a", "|a||b|"]
    lists = [["a", "b"], [], None, ["never", "a"], ["", "a", None, "b"]]
    rows = UNSEEN.slice(0, 5)
    place = rows.schema.get_field_index("tags")
    kinds = [pa.array(texts), pa.array(lists, pa.list_(pa.string()))]
    by_text, by_list = (predictor.predict_proba(rows.set_column(place, "tags", kind)) for kind in kinds)
    np.testing.assert_array_equal(by_text, by_list)


def test_the_sample_is_answered_as_it_says(released: Path) -> None:
    request = json.loads((released / "sample_request.json").read_text())
    answer = json.loads((released / "sample_response.json").read_text())
    columns = {tensor["name"]: pa.array(tensor["data"]) for tensor in request["inputs"]}
    found = autofi.load(released).predict_proba(pa.table(columns))
    np.testing.assert_allclose(found, answer["outputs"][0]["data"], rtol=0, atol=1e-5)


def test_nothing_in_it_is_a_pickle(released: Path) -> None:
    # Every pickle since protocol 2 begins so; a zip could hold more of them.
    magic = b"\x80"
    for path in released.rglob("*"):
        if path.is_dir():
            continue
        assert not path.read_bytes().startswith(magic), path
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for entry in archive.namelist():
                    data = archive.read(entry)
                    assert not entry.endswith((".pkl", ".pickle")), entry
                    assert not (entry.startswith("model/data/sample_inputs") and data), entry
                    assert b"cbuiltins" not in data and not data.startswith(b"PK"), entry


def test_a_program_that_would_be_unpickled_is_refused(released: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(released, tmp_path / "model"))
    with (
        zipfile.ZipFile(released / "model.pt2") as read,
        zipfile.ZipFile(folder / "model.pt2", "w") as written,
    ):
        for entry in read.namelist():
            written.writestr(entry, b"\x80\x02." if "sample_inputs" in entry else read.read(entry))
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_bytes(describe(folder, autofi="0").render())
    with pytest.raises(ExportError, match="holds a pickle"):
        autofi.load(folder, runtime="pt2", trust=True)


def test_an_archive_of_torch_is_loaded_by_an_explicit_word_only(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "autofi.bundle.torch_archive.load_program", lambda path: pytest.fail(f"{path} was loaded")
    )
    with pytest.raises(ExportError, match="use onnx or torch.*add --trust-pt2 \\(trust=True\\)"):
        autofi.load(released, runtime="pt2")
    pq.write_table(UNSEEN.slice(0, 5), tmp_path / "rows.parquet")
    for command in (["predict", "-o", str(tmp_path / "scores.csv")], ["evaluate"]):
        words = [command[0], str(released), str(tmp_path / "rows.parquet"), *command[1:], "--runtime", "pt2"]
        refused = CliRunner().invoke(app, words)
        assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
        assert "may be any code" in refused.stderr
    assert not (tmp_path / "scores.csv").exists()
    monkeypatch.undo()
    words = ["predict", str(released), str(tmp_path / "rows.parquet"), "-o", str(tmp_path / "scores.csv")]
    trusted = CliRunner().invoke(app, [*words, "--runtime", "pt2", "--trust-pt2", "--quiet"])
    assert trusted.exit_code == 0, trusted.stderr
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 6
    assert "--trust-pt2" in (released / "MODEL_CARD.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_form_alone_is_all_that_its_runtime_needs(
    written: Path, released: Path, tmp_path: Path, form: release.Form
) -> None:
    export_bundle(written, tmp_path / "model", forms=(form,))
    found = autofi.load(tmp_path / "model", runtime=form, trust=True).predict_proba(UNSEEN)
    np.testing.assert_array_equal(
        found, autofi.load(released, runtime=form, trust=True).predict_proba(UNSEEN)
    )
    held = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"schema.json", "MODEL_CARD.md", "sample_request.json", "MLmodel", "metrics.json"} <= held
    missing = {"onnx": "pt2", "torch": "onnx", "pt2": "onnx"}[form]
    with pytest.raises(
        ExportError, match=rf"not hold the form {missing}, only .*; export it with --format {missing}"
    ):
        autofi.load(tmp_path / "model", runtime=missing)


@pytest.mark.slow
@pytest.mark.parametrize(
    "calibration",
    [
        Platt(slope=0.6, intercept=-0.8),
        Isotonic(logits=(-2.0, -0.5, -0.25, 3.0), probabilities=(0.01, 0.2, 0.3, 0.3)),
    ],
)
def test_a_calibration_is_the_last_step_of_every_form(
    written: Path, released: Path, tmp_path: Path, calibration: Platt | Isotonic
) -> None:
    export_bundle(
        written, tmp_path / "model", calibrated=Found(calibration, {"calibration": {"method": "x"}})
    )
    plain = autofi.load(released, runtime="torch").predict_proba(UNSEEN)
    expected = calibration.apply(np.log(plain) - np.log1p(-plain))
    for runtime in RUNTIMES:
        found = autofi.load(tmp_path / "model", runtime=runtime, trust=True).predict_proba(UNSEEN)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert autofi.load(tmp_path / "model").metrics["calibration"] == {"method": "x"}


@pytest.mark.slow
def test_a_large_model_has_its_numbers_in_a_file_beside_it(
    written: Path, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST_PROTOBUF", 3_000_000)
    export_bundle(written, tmp_path / "model", forms=("onnx",))
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "model").iterdir()}
    assert sizes["model.onnx.data"] > 5 * sizes["model.onnx"]
    found = autofi.load(tmp_path / "model").predict_proba(UNSEEN)
    np.testing.assert_array_equal(found, autofi.load(released, runtime="onnx").predict_proba(UNSEEN))
    data = tmp_path / "model" / "model.onnx.data"
    assert data.stat().st_mode == data.with_name("model.onnx").stat().st_mode
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(ExportError, match=r"model\.onnx\.data"):
        autofi.load(tmp_path / "model")


def test_a_form_that_differs_from_the_network_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*arguments: object) -> onnx.ModelProto:
        model = whole(*arguments)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2:
                tensor.CopyFrom(
                    onnx.numpy_helper.from_array(2 * onnx.numpy_helper.to_array(tensor), tensor.name)
                )
        return model

    whole = release.raw_model
    monkeypatch.setattr(release, "raw_model", wrong)
    with pytest.raises(ExportError, match="the form onnx differ .* on the sample"):
        export_bundle(SMALL, tmp_path / "model", forms=("onnx",))
    assert not list(tmp_path.iterdir())


def test_only_what_the_architecture_reads_is_in_the_graph(model: Model, tmp_path: Path) -> None:
    from dataclasses import replace

    from autofi.model.build import build_network
    from autofi.space.architecture import Architecture

    architecture = Architecture(fields={"city": ("embedding",)}, min_count=70)
    network = build_network(architecture, model.builder, seed=0)
    Model(architecture, replace(model.builder, boosted=None), network.eval()).write(tmp_path / "plain")
    export_bundle(tmp_path / "plain", tmp_path / "model")
    predictor = autofi.load(tmp_path / "model", runtime="onnx")
    assert predictor.schema.names == ("city",)
    graph = onnx.load(tmp_path / "model" / "model.onnx")
    assert [given.name for given in graph.graph.input] == ["city"]
    values = load_bundle(tmp_path / "model").builder.encoder.fields[1].codes.values
    (encoder,) = (node for node in graph.graph.node if node.op_type == "LabelEncoder")
    keys = next(attribute.strings for attribute in encoder.attribute if attribute.name == "keys_strings")
    kept = network.operators["embedding"].slot_rows[0] - 2
    assert [key.decode() for key in keys] == ["", *values.to_pylist()[:kept]] and kept < len(values)
    rows = pa.table({"city": UNSEEN["city"]})
    by_torch = autofi.load(tmp_path / "model", runtime="torch").predict_proba(rows)
    np.testing.assert_allclose(predictor.predict_proba(rows), by_torch, rtol=0, atol=1e-6)


def test_the_card_tells_what_was_measured_and_chosen(released: Path) -> None:
    card = (released / "MODEL_CARD.md").read_text()
    assert "| validation | 0.75000 | 0.50000 |" in card
    assert "## Pairs" in card and "## Limits" in card and "s3cret" not in card
    for name in autofi.load(released).schema.names:
        assert f"`{name}`" in card


def test_forms_are_named_and_none_is_no_form() -> None:
    assert forms_of(["torch", "onnx", "onnx"]) == ("onnx", "torch")
    with pytest.raises(ConfigError, match="did you mean 'onnx'"):
        forms_of(["onx"])
    with pytest.raises(ConfigError, match="No form of the bundle is named"):
        forms_of([])

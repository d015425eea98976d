"""A bundle of an ensemble: every form gives the weighted mean, and crafted files are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import autofi
from autofi.bundle.bundle import load_bundle
from autofi.bundle.files import ENSEMBLE, FORMS
from autofi.bundle.load import Runtime
from autofi.bundle.manifest import MANIFEST, describe
from autofi.cli.app import app
from autofi.errors import ExportError
from autofi.explanation.explain import explain
from autofi.export.export import export_bundle
from autofi.readers import open_table
from autofi.space.architecture import Architecture
from tests.export.ensembles import ARCHITECTURES, WEIGHTS, EnsembleModel, make_ensemble
from tests.export.models import make_table, make_unseen


@pytest.fixture(scope="module")
def model() -> EnsembleModel:
    return make_ensemble()


@pytest.fixture(scope="module")
def written(model: EnsembleModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble") / "written"
    model.write(folder)
    return folder


@pytest.fixture(scope="module")
def released(written: Path) -> Path:
    """The ensemble in every form; no test changes it."""
    folder = written.parent / "released"
    export_bundle(written, folder)
    return folder


@pytest.mark.parametrize("runtime", FORMS)
def test_every_form_gives_the_weighted_mean(runtime: Runtime, released: Path, model: EnsembleModel) -> None:
    rows = make_unseen(500)
    found = autofi.load(released, runtime=runtime, trust=True).predict_proba(rows)
    np.testing.assert_allclose(found, model.probabilities(rows), atol=1e-5)


def test_the_architecture_of_the_bundle_is_that_of_its_best_network(released: Path) -> None:
    predictor = autofi.load(released)
    assert predictor.architecture == Architecture.from_json(ARCHITECTURES[0].to_json())
    assert load_bundle(released).architectures == ARCHITECTURES


def test_preprocessing_is_there_once_and_holds_what_members_read(
    released: Path, model: EnsembleModel
) -> None:
    bundle = load_bundle(released)
    places = {name: place for place, name in enumerate(bundle.builder.encoder.schema.names)}
    crosses = {
        tuple(sorted((places[left], places[right])))
        for left, right in (("site", "ad"), ("device", "category"))
    }
    assert set(bundle.builder.crosses.pairs) == crosses
    nodes = onnx.load(released / "model.onnx").graph.node
    assert sum(node.op_type.startswith("TreeEnsemble") for node in nodes) == 1
    looked_up = [
        (*node.input, *(attribute.SerializeToString() for attribute in node.attribute))
        for node in nodes
        if node.op_type == "LabelEncoder"
    ]
    assert len(looked_up) == len(set(looked_up)) > 0


def test_the_card_lists_the_members(released: Path) -> None:
    card = (released / "MODEL_CARD.md").read_text("utf-8")
    assert "An ensemble of 3 networks" in card
    for weight in WEIGHTS:
        assert f"| {weight:.1%} |" in card


def test_quantized_form_is_close(written: Path, model: EnsembleModel, tmp_path: Path) -> None:
    export_bundle(written, tmp_path / "small", forms=("onnx",), quantize="int8")
    rows = make_unseen(300)
    found = autofi.load(tmp_path / "small").predict_proba(rows)
    assert np.abs(found - model.probabilities(rows)).mean() < 0.02


def test_explanations_add_up(released: Path, model: EnsembleModel) -> None:
    rows = make_table(6, seed=5)
    found = explain(released, rows)
    wanted = model.probabilities(rows)
    for each, probability in zip(found, wanted, strict=True):
        assert each.probability == pytest.approx(probability, abs=1e-5)
        own = sum(field.own for field in each.fields) + sum(pair.contribution for pair in each.pairs)
        assert each.baseline + own + (each.trees or 0.0) + each.rest == pytest.approx(each.logit, abs=1e-5)
    names = {pair.name for pair in found[0].pairs}
    assert {"site × ad", "device × category"} <= names


def test_a_part_adds_what_the_ensemble_loses_without_it(released: Path, model: EnsembleModel) -> None:
    """Site × ad is memorized by the first member alone, and there by one table, whose zeros are its absence."""
    rows = make_table(8, seed=6)
    found = explain(released, rows)
    bundle = load_bundle(released)
    (encoded,) = bundle.builder.encoder.transform(open_table(rows))
    selected = bundle.network.select(bundle.builder.of_rows(encoded))
    whole = bundle.network(selected)
    for table in bundle.network.networks()["0."].operators["memorize_embedding"].parameters():
        table.zero_()
    lost = whole - bundle.network(selected)
    for row, each in enumerate(found):
        (part,) = [pair for pair in each.pairs if pair.name == "site × ad"]
        assert part.contribution == pytest.approx(float(lost[row]), abs=1e-5)
    assert float(lost.abs().max()) > 0.01


# Files that somebody made up.


def edited(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    path = folder / ENSEMBLE
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).write_bytes(describe(folder, autofi="0").render())
    return folder


def set_weight(value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["members"][0].update(weight=value)


CRAFTED: dict[str, Callable[[dict[str, Any]], None]] = {
    "another format": lambda document: document.update(format=2),
    "no members": lambda document: document.update(members=[]),
    "no list": lambda document: document.update(members={"0": 1}),
    "too many members": lambda document: document.update(members=document["members"] * 30),
    "a member that is a number": lambda document: document["members"].__setitem__(0, 7),
    "a member too few": lambda document: document["members"].pop(),
    "a weight that is a text": set_weight("0.5"),
    "a negative weight": set_weight(-0.5),
    "an infinite weight": set_weight(1e999),
    "weights of another sum": set_weight(0.9),
    "no seed": lambda document: document["members"][1].pop("seed"),
    "members in another order": lambda document: document["members"].reverse(),
    "a huge member": lambda document: document["members"][1]["architecture"]["sizes"].update(
        embedding_dim=1 << 30
    ),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_is_refused_in_one_line(name: str, written: Path, tmp_path: Path) -> None:
    folder = edited(Path(copytree(written, tmp_path / "model")), CRAFTED[name])
    with pytest.raises(ExportError) as error:
        load_bundle(folder)
    assert "\n" not in str(error.value) and len(str(error.value)) < 900


def test_the_command_refuses_a_crafted_file(written: Path, tmp_path: Path) -> None:
    folder = edited(Path(copytree(written, tmp_path / "model")), set_weight(0.9))
    (tmp_path / "rows.csv").write_text("site\na\n")
    ran = CliRunner().invoke(
        app, ["explain", str(folder), str(tmp_path / "rows.csv"), "-o", str(tmp_path / "out.json")]
    )
    assert ran.exit_code == 2, ran.output
    assert len(ran.stderr.splitlines()) == 1 and ENSEMBLE not in ran.stdout

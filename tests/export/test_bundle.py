"""A bundle is loaded as it was written or not at all."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autofi.bundle.bundle import load_bundle
from autofi.bundle.load import load
from autofi.core.atomic_folder import replaced_folder
from autofi.errors import ExportError
from autofi.export.export import export_bundle
from autofi.model.build import build_network, used_builder
from autofi.operators.registry import operators, vector_operators
from autofi.space.architecture import Architecture
from tests.export.models import Model, make_unseen, seal

FILES = (
    "architecture.json",
    "manifest.json",
    "metrics.json",
    "preprocessing/boosting.json",
    "preprocessing/boosting/statistics.json",
    "preprocessing/boosting/statistics.npz",
    "preprocessing/crosses.json",
    "preprocessing/crosses.npz",
    "preprocessing/encoder.json",
    "preprocessing/log_counts.npz",
    "preprocessing/schema.json",
    "preprocessing/statistics.json",
    "preprocessing/statistics.npz",
    "preprocessing/vocabulary.parquet",
    "weights.safetensors",
)


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_model_under_test_has_every_operator(model: Model) -> None:
    assert set(model.network.operators) == set(operators())


def test_a_loaded_bundle_is_what_was_written(model: Model, written: Path) -> None:
    loaded = load_bundle(written)
    assert loaded.architecture == model.architecture
    assert not loaded.network.training
    assert not any(parameter.requires_grad for parameter in loaded.network.parameters())
    before, after = model.network.state_dict(), loaded.network.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert loaded.metrics == {"valid": {"auc": 0.75, "logloss": 0.5}, "refit": None}
    assert loaded.origin["study"] == "mine"
    assert loaded.origin["versions"].keys() >= {"autofi", "python", "torch"}
    assert tuple(sorted(files(written))) == FILES


def test_boosted_trees_without_a_weight_are_left_out(model: Model, tmp_path: Path) -> None:
    network = copy.deepcopy(model.network)
    assert network.boosted_weights is not None
    network.boosted_weights.copy_(torch.tensor([1.0, 0.0, 0.0]))
    replace(model, network=network).write(tmp_path / "model")
    assert "preprocessing/boosting.json" not in files(tmp_path / "model")
    table = make_unseen(50)
    alone = replace(model, network=network, builder=replace(model.builder, boosted=None))
    found = load(tmp_path / "model").predict_proba(table)
    np.testing.assert_allclose(found, alone.probabilities(table), atol=1e-6)
    assert np.abs(found - model.probabilities(table)).max() > 1e-3


def test_a_bundle_holds_no_password(written: Path) -> None:
    assert load_bundle(written).origin["source"] == "postgresql://me:***@host/ads"
    assert not any(b"s3cret" in content for content in files(written).values())


def test_only_what_the_architecture_uses_is_kept(model: Model, written: Path) -> None:
    loaded = load_bundle(written)
    names = model.builder.encoder.schema.names
    layout = model.architecture.layout(names)
    assert list(loaded.builder.crosses.pairs) == layout["memorize_embedding"]
    read = [*layout["statistics"], *layout["memorize_statistics"]]
    assert list(loaded.builder.statistics.columns) == list(dict.fromkeys(read))
    assert len(loaded.builder.crosses.pairs) < len(model.builder.crosses.pairs)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["truncate", "flip", "delete", "empty"])
def test_a_damaged_file_is_refused_by_name(bundle: Path, name: str, damage: str) -> None:
    path = bundle / name
    content = bytearray(path.read_bytes())
    if damage == "delete":
        path.unlink()
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2 if damage == "truncate" else 0])
    with pytest.raises(ExportError, match=name):
        load_bundle(bundle)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".json")])
def test_a_file_edited_by_hand_is_refused(bundle: Path, name: str) -> None:
    path = bundle / name
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    with pytest.raises(ExportError, match=f"{name}.*export the bundle again"):
        load_bundle(bundle)


def test_every_flipped_byte_of_the_manifest_is_noticed(bundle: Path) -> None:
    path = bundle / "manifest.json"
    content = path.read_bytes()
    for position in range(0, len(content), 7):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ExportError):
            load_bundle(bundle)


def test_a_newer_format_asks_for_an_upgrade(bundle: Path) -> None:
    seal(bundle, version=99, autofi="9.0")
    with pytest.raises(ExportError, match="version 99, written by AutoFI 9.0, .*; upgrade AutoFI"):
        load_bundle(bundle)


def test_a_manifest_never_leads_out_of_its_folder(bundle: Path) -> None:
    seal(bundle, files={"../secret": {"bytes": 0, "xxh3_128": ""}})
    with pytest.raises(ExportError, match="outside the bundle"):
        load_bundle(bundle)


def test_intact_files_that_do_not_fit_together_are_refused(model: Model, bundle: Path) -> None:
    """As another architecture in a bundle whose manifest was made anew: shapes differ."""
    document = model.architecture.to_json()
    document["sizes"]["embedding_dim"] += 2
    content = json.dumps(document).encode()
    (bundle / "architecture.json").write_bytes(content)
    from autofi.bundle.manifest import describe

    (bundle / "manifest.json").unlink()
    manifest = describe(bundle, autofi="0")
    (bundle / "manifest.json").write_bytes(manifest.render())
    with pytest.raises(ExportError, match=r"weights\.safetensors.*size mismatch"):
        load_bundle(bundle)


def test_what_is_no_bundle_is_refused_with_a_way_out(bundle: Path) -> None:
    with pytest.raises(ExportError, match="did you mean 'model'"):
        load_bundle(bundle.parent / "modle")
    with pytest.raises(ExportError, match="nor does its parent"):
        load_bundle(bundle / "no" / "model")
    with pytest.raises(ExportError, match="is a file"):
        load_bundle(bundle / "metrics.json")
    with pytest.raises(ExportError, match="'autofi export' wrote"):
        load_bundle(bundle / "preprocessing")
    (bundle / "manifest.json").write_text('{"format": "npm"}')
    with pytest.raises(ExportError, match="another program"):
        load_bundle(bundle)


def test_an_old_bundle_is_replaced_and_nothing_else_is(model: Model, bundle: Path) -> None:
    model.write(bundle, version="new")
    assert load_bundle(bundle).metrics == {"version": "new"}
    (bundle / "notes.txt").write_text("keep me")
    with pytest.raises(ExportError, match=r"notes\.txt.*would delete"):
        model.write(bundle, version="newer")
    for target in (bundle / "preprocessing", bundle / "notes.txt"):
        before = files(bundle)
        with pytest.raises(ExportError):
            model.write(target)
        assert files(bundle) == before
    empty = bundle.parent / "empty"
    empty.mkdir()
    model.write(empty, version="new")
    model.write(bundle.parent / "deep" / "er", version="new")
    assert load_bundle(empty).metrics == load_bundle(bundle.parent / "deep" / "er").metrics
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["deep", "empty", "model"]


def test_a_link_to_a_bundle_stays_a_link(model: Model, bundle: Path) -> None:
    link = bundle.parent / "current"
    link.symlink_to(bundle)
    model.write(link, version="new")
    assert link.is_symlink()
    assert load_bundle(bundle).metrics == {"version": "new"}


def test_another_network_than_the_architectures_is_refused(model: Model, tmp_path: Path) -> None:
    names = model.builder.encoder.schema.names
    layout = model.architecture.layout(names)
    read_by_streams = {name: layout[name] for name in sorted(vector_operators())}
    smaller = model.network.keep({name: slots[:1] for name, slots in layout.items()} | read_by_streams)
    other = Model(model.architecture, model.builder, smaller)
    with pytest.raises(ExportError, match="it differs in"):
        other.write(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_bundle_and_nothing_beside_it(model: Model, bundle: Path) -> None:
    with pytest.raises(TypeError):
        model.write(bundle, version=object())
    assert load_bundle(bundle).metrics["refit"] is None
    assert list(bundle.parent.iterdir()) == [bundle]


def test_a_copy_is_the_same_and_a_damaged_source_is_not_copied(model: Model, bundle: Path) -> None:
    target = bundle.parent / "copy"
    export_bundle(bundle, target, forms=("torch",))
    written, held = files(bundle), files(target)
    assert {name: held[name] for name in written.keys() - {"manifest.json"}} == {
        name: written[name] for name in written.keys() - {"manifest.json"}
    }
    export_bundle(target, target, forms=("torch",))
    assert files(target) == held
    model.write(bundle, version="new")
    export_bundle(bundle, target, forms=("torch",))
    assert load_bundle(target).metrics == {"version": "new"}
    weights = bundle / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ExportError, match="weights.safetensors"):
        export_bundle(bundle, target, forms=("torch",))
    assert load_bundle(target).metrics == {"version": "new"}
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["copy", "model"]


def test_an_architecture_without_crosses_and_statistics_has_a_bundle(model: Model, tmp_path: Path) -> None:
    small_model(model).write(tmp_path / "model")
    assert load_bundle(tmp_path / "model").builder.crosses.pairs == ()


def small_model(model: Model) -> Model:
    """A network of one field over the same data."""
    architecture = Architecture(fields={"city": ("embedding",)})
    network = build_network(architecture, model.builder, seed=0)
    return Model(architecture, used_builder(architecture, model.builder, network), network)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the helper forks")
def test_killed_at_any_step_a_write_leaves_a_whole_bundle_or_none(
    model: Model, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SIGKILL before each operation on files, once with nothing there and once with an old bundle."""
    small = small_model(model)
    written = tmp_path_factory.mktemp("small") / "model"
    small.write(written)
    root = Path(__file__).resolve().parents[2]
    helper = [sys.executable, str(Path(__file__).with_name("kill_while_writing.py"))]
    subprocess.run([*helper, str(written), str(tmp_path)], check=True, cwd=root, timeout=150)
    first = [outcome(run / "model") for run in runs(tmp_path / "first")]
    assert set(first) == {"none", "new"}
    assert first[-1] == "new"
    again = [outcome(run / "model") for run in runs(tmp_path / "again")]
    assert set(again) == {"old", "none", "new"}
    assert again.index("none") == again.count("old")  # in this order
    assert again.count("none") == 1
    assert len(first) > 30 and len(again) > 40

    between = runs(tmp_path / "again")[again.index("none")]
    with pytest.raises(ExportError, match="was interrupted"):
        load_bundle(between / "model")
    with pytest.raises(KeyError), replaced_folder(between / "model", check=lambda _: None):
        raise KeyError
    assert outcome(between / "model") == "old"
    for run in runs(tmp_path / "again")[::8]:
        small.write(run / "model", version="next")
        assert [path.name for path in run.iterdir()] == ["model"]
        assert load_bundle(run / "model").metrics == {"version": "next"}


def runs(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: int(path.name))


def outcome(folder: Path) -> str:
    if not folder.exists():
        return "none"
    return str(load_bundle(folder).metrics.get("version", "old"))

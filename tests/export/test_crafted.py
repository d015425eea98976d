"""Bundles that somebody made up, with checksums that fit: each is refused in one line, at once, and runs nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file

from autofi.bundle.load import Runtime, load
from autofi.bundle.manifest import MANIFEST, describe
from autofi.errors import ExportError
from tests.export.models import seal
from tests.light.bundles import BUNDLE, ROWS

#: CPU seconds: on a busy machine others' are no fault of ours.
SECONDS = 2.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(copytree(BUNDLE, tmp_path / "model"))


def fit(folder: Path) -> None:
    """Make the manifest of what is in the folder now."""
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / MANIFEST).write_bytes(describe(folder, autofi="0").render())


def refused(folder: Path, runtime: Runtime, told: str = "") -> str:
    """That rows are not scored, and why."""
    begun = time.process_time()
    with pytest.raises(ExportError) as error:
        load(folder, runtime=runtime).predict_proba(ROWS)
    assert time.process_time() - begun < SECONDS
    line = str(error.value)
    assert "\n" not in line and len(line) < 900 and told in line, line
    return line


# What a folder holds.


def make_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def make_link_outside(path: Path) -> None:
    target = path.parents[2] / f"outside-{path.name}"
    target.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(target)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_socket(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path has 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def make_device(path: Path) -> None:
    path.unlink()
    try:
        os.mknod(path, 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")


@pytest.mark.parametrize("name", [MANIFEST, "model.onnx", "metrics.json", "preprocessing/crosses.npz"])
@pytest.mark.parametrize(
    "make",
    [make_link, make_link_outside, make_pipe, make_folder, make_socket, make_device],
    ids=lambda one: one.__name__,
)
def test_what_is_no_plain_file_is_not_opened(folder: Path, name: str, make: Callable[[Path], None]) -> None:
    make(folder / name)
    for runtime in ("onnx", "torch"):
        refused(folder, runtime, name)


@pytest.mark.parametrize("make", [make_link, make_pipe], ids=lambda one: one.__name__)
def test_neither_is_what_nobody_asked_for(folder: Path, make: Callable[[Path], None]) -> None:
    (folder / "notes.txt").write_text("mine")
    load(folder)
    make(folder / "notes.txt")
    refused(folder, "onnx", "notes.txt")


def test_a_linked_folder_leads_nowhere(folder: Path) -> None:
    (folder / "preprocessing").rename(folder.parent / "elsewhere")
    (folder / "preprocessing").symlink_to(folder.parent / "elsewhere")
    refused(folder, "torch", "preprocessing' is a link")


@pytest.mark.parametrize("name", ["model.onnx.data", "preprocessing/more.json", "weights.json", "other.ONNX"])
def test_parts_that_no_manifest_lists_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("{}")
    assert "not in the manifest" in refused(folder, "onnx", name)


def test_a_folder_of_very_many_files_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autofi.bundle.plain_folder.MOST_ENTRIES", 30)
    for number in range(30):
        (folder / f"{number}.txt").touch()
    refused(folder, "onnx", "more than 30")


# What a manifest says.

MANIFESTS: dict[str, str | bytes] = {
    "brackets": "[" * 2_000_000,
    "objects": '{"a":' * 2_000_000,
    "brackets in an object": '{"format": "autofi-bundle", "version": ' + "[" * 5000 + "]" * 5000 + "}",
    "a number of a million digits": '{"format": "autofi-bundle", "version": ' + "9" * 900_000 + "}",
    "a version beyond all": '{"format": "autofi-bundle", "version": 1e999}',
    "no number": '{"format": "autofi-bundle", "version": NaN}',
    "the same key twice": '{"format": "autofi-bundle", "version": 2, "version": 1}',
    "a list": "[1]",
    "a version below all": '{"format": "autofi-bundle", "version": -1, "autofi": "0", "files": {}, "checksum": ""}',
    "half of a pair": '{"format": "autofi-bundle", "version": 2, "autofi": "\\ud800", "files": {}}',
    "no text": b"\xff\xfe\x00",
    "nothing": "",
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_manifest_that_is_none_is_told_in_one_line(folder: Path, kind: str) -> None:
    content = MANIFESTS[kind]
    (folder / MANIFEST).write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(folder, "onnx", MANIFEST)


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/../../b", "model.onnx\0", "a\nb", "\x1b[31m", "./model.onnx", "a//b", "a\\b", "",
     ".", "x" * 300, "preprocessing/", "C:\\x\\..\\y"],
)  # fmt: skip
def test_a_manifest_names_files_of_its_folder_only(folder: Path, name: str) -> None:
    seal(folder, files={name: {"bytes": 0, "xxh3_128": "0" * 32}})
    line = refused(folder, "onnx", "it names a file")
    assert line.isprintable()


@pytest.mark.parametrize(
    "record",
    [{"bytes": 10**400, "xxh3_128": "0" * 32}, {"bytes": -1, "xxh3_128": "0" * 32},
     {"bytes": True, "xxh3_128": "0" * 32}, {"bytes": 1.5, "xxh3_128": "0" * 32},
     {"bytes": 0, "xxh3_128": "\u2028"}, {"bytes": 0}, {}, [], None, "x",
     {"bytes": 0, "xxh3_128": "0" * 32, "more": 1}],
)  # fmt: skip
def test_records_of_a_manifest_are_numbers_and_checksums(folder: Path, record: Any) -> None:
    seal(folder, files={"model.onnx": record})
    refused(folder, "onnx", MANIFEST)


def test_a_line_of_the_command_holds_nothing_that_a_terminal_obeys(folder: Path) -> None:
    (folder / "\x1b[31mred.json").write_text("{}")
    command = [
        sys.executable,
        "-m",
        "autofi",
        "predict",
        str(folder),
        "x.csv",
        "-o",
        str(folder.parent / "o.csv"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert "\\x1b[31mred.json" in line and line.isprintable()


# JSON, arrays, vocabularies, trees and weights.


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    document = json.loads(path.read_text())
    found = edit(document)
    path.write_text(json.dumps(document if found is None else found))


def put(key: str, value: Any) -> Callable[[Any], None]:
    def edit(document: Any) -> None:
        *path, last = key.split(".")
        for name in path:
            document = document[int(name)] if isinstance(document, list) else document[name]
        document[int(last) if isinstance(document, list) else last] = value

    return edit


JSON_EDITS: list[tuple[str, Callable[[Any], Any]]] = [
    ("architecture.json", put("sizes.embedding_dim", 10**12)),
    ("architecture.json", put("sizes.embedding_dim", 200_000)),
    ("architecture.json", put("sizes.cross_dim", 2**62)),
    ("architecture.json", put("readout.hidden", [10**9])),
    ("architecture.json", put("readout.hidden", [1] * 100_000)),
    ("architecture.json", put("readout.members", 10**7)),
    ("architecture.json", put("streams.cross_network", {"layers": 10**9})),
    ("architecture.json", put("fields", 3)),
    ("architecture.json", lambda _: []),
    ("preprocessing/schema.json", lambda _: {"fields": []}),
    ("preprocessing/crosses.json", put("cardinalities.0", 10**12)),
    ("preprocessing/crosses.json", put("sizes.0", -1)),
    ("preprocessing/crosses.json", put("sizes.0", 10**30)),
    ("preprocessing/crosses.json", put("pairs.0", [0, 77])),
    ("preprocessing/statistics.json", put("prior", float("nan"))),
    ("preprocessing/statistics.json", put("prior", 1.0)),
    ("preprocessing/statistics.json", put("columns.0", [99])),
    ("preprocessing/boosting.json", put("prior", float("inf"))),
    ("preprocessing/boosting.json", put("models", ["tree\n"])),
    ("preprocessing/encoder.json", put("fields.0.values", 10**12)),
    ("preprocessing/encoder.json", put("fields.0.missing", -1)),
    ("metrics.json", lambda _: {"metrics": 1, "origin": []}),
]


@pytest.mark.parametrize(("name", "edit"), JSON_EDITS)
def test_json_that_asks_for_too_much_or_fits_nothing(
    folder: Path, name: str, edit: Callable[[Any], Any]
) -> None:
    change(folder / name, edit)
    fit(folder)
    refused(folder, "torch")


@pytest.mark.parametrize(
    "name", ["schema.json", "architecture.json", "metrics.json", "preprocessing/encoder.json"]
)
def test_json_without_an_end_is_one_line(folder: Path, name: str) -> None:
    (folder / name).write_text("[" * 2_000_000)
    fit(folder)
    refused(folder, "torch" if "/" in name else "onnx", "nested hundreds of levels")


def edit_text(model: str, key: str, edit: Callable[[list[str]], list[str]]) -> str:
    """The first line of this key, its values changed."""
    head, _, rest = model.partition(f"\n{key}=")
    line, _, tail = rest.partition("\n")
    return f"{head}\n{key}={' '.join(edit(line.split(' ')))}\n{tail}"


TREE_EDITS: dict[str, Callable[[str], str]] = {
    "a cycle": lambda text: edit_text(text, "left_child", lambda old: ["0", *old[1:]]),
    "a child that is not there": lambda text: edit_text(
        text, "right_child", lambda old: [*old[:-1], "999999"]
    ),
    "a leaf that is not there": lambda text: edit_text(
        text, "right_child", lambda old: [*old[:-1], "-99999"]
    ),
    "two ways to one leaf": lambda text: edit_text(
        text, "left_child", lambda old: [*old[:-1], "-2" if old[-1] == "-1" else "-1"]
    ),
    "a column that is not there": lambda text: edit_text(
        text, "split_feature", lambda old: ["5000", *old[1:]]
    ),
    "a column below 0": lambda text: edit_text(text, "split_feature", lambda old: ["-5", *old[1:]]),
    "offsets beyond the text": lambda text: text.replace("max_feature_idx=", "max_feature_idx=9", 1),
    "a leaf that is no number": lambda text: edit_text(text, "leaf_value", lambda old: ["nan", *old[1:]]),
    "a leaf without end": lambda text: edit_text(text, "leaf_value", lambda old: ["inf", *old[1:]]),
    "fewer leaves": lambda text: edit_text(text, "leaf_value", lambda old: old[1:]),
    "many leaves": lambda text: edit_text(text, "num_leaves", lambda old: ["2000000"]),
    "categories": lambda text: edit_text(text, "num_cat", lambda old: ["1"]),
    "a category's decision": lambda text: edit_text(text, "decision_type", lambda old: ["1", *old[1:]]),
    "a linear tree": lambda text: edit_text(text, "is_linear", lambda old: ["1"]),
    "an objective with a path": lambda text: edit_text(
        text, "objective", lambda old: ["custom", "/etc/passwd"]
    ),
    "many classes": lambda text: edit_text(text, "num_class", lambda old: ["1000000000"]),
    "a key of its own": lambda text: text.replace("num_cat=0\n", "num_cat=0\nleaf_const=1\n", 1),
    "nothing": lambda text: "",
    "noise": lambda text: "tree\n" + "x" * 100_000,
}


@pytest.mark.parametrize("kind", TREE_EDITS)
def test_trees_that_lead_out_of_themselves_are_not_walked(folder: Path, kind: str) -> None:
    def edit(document: Any) -> None:
        changed = TREE_EDITS[kind](document["models"][0])
        assert changed != document["models"][0]
        document["models"][0] = changed

    change(folder / "preprocessing/boosting.json", edit)
    fit(folder)
    refused(folder, "torch")


def test_offsets_and_what_follows_the_trees_are_not_read(folder: Path) -> None:
    expected = load(folder, runtime="torch").predict_proba(ROWS)

    def edit(document: Any) -> None:
        text = edit_text(document["models"][0], "tree_sizes", lambda old: ["999999999"] * len(old))
        document["models"][0] = (
            text.partition("end of trees")[0] + "end of trees\n[machines: evil:1]\n" + "x" * 1000
        )

    change(folder / "preprocessing/boosting.json", edit)
    fit(folder)
    np.testing.assert_array_equal(load(folder, runtime="torch").predict_proba(ROWS), expected)


def bomb_npz(path: Path) -> None:
    """Zeros that pack a thousand to one."""
    with np.load(path) as kept:
        arrays = dict(kept)
    np.savez_compressed(path, **arrays | {"codes": np.zeros(20_000_000, np.int64)})


def huge_npz(path: Path) -> None:
    """A header that names more numbers than follow."""
    data = path.read_bytes()
    at = data.index(b"'shape': (")
    end = data.index(b")", at)
    field = b"'shape': (" + b"9" * 12 + b",)"
    line_end = data.index(b"\n", at)
    head = data[:at] + field + data[end + 1 : line_end]
    path.write_bytes(head[:line_end].ljust(line_end) + data[line_end:])


def object_npz(path: Path) -> None:
    with np.load(path) as kept:
        arrays = dict(kept)
    np.savez(path, allow_pickle=True, **arrays | {"codes": np.array([{}], dtype=object)})


def foreign_npz(path: Path) -> None:
    with np.load(path) as kept:
        arrays = dict(kept)
    np.savez(path, **arrays | {"counts": arrays["counts"].astype(np.float64) * np.nan})


@pytest.mark.parametrize("make", [bomb_npz, huge_npz, object_npz, foreign_npz], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", ["statistics.npz", "crosses.npz"])
def test_arrays_are_no_larger_than_their_file(folder: Path, name: str, make: Callable[[Path], None]) -> None:
    make(folder / "preprocessing" / name)
    fit(folder)
    refused(folder, "torch")


def test_rows_of_crosses_beyond_their_table_are_refused(folder: Path) -> None:
    path = folder / "preprocessing/crosses.npz"
    with np.load(path) as kept:
        arrays = dict(kept)
    for value in (-5, 2**30):
        local = arrays["local_rows"].copy()
        local[0] = value
        np.savez(path, **arrays | {"local_rows": local})
        fit(folder)
        refused(folder, "torch", "crosses.npz has rows of pair")


def test_counts_that_no_rows_have_are_refused(folder: Path) -> None:
    path = folder / "preprocessing/statistics.npz"
    with np.load(path) as kept:
        arrays = dict(kept)
    for changed in ({"clicks": arrays["counts"] + 1}, {"codes": arrays["codes"][::-1]}):
        np.savez(path, **arrays | changed)
        fit(folder)
        refused(folder, "torch")


def vocabulary(path: Path, **written: Any) -> None:
    rows = 3_000_000
    one = pa.array(["x" * 1000]).dictionary_encode()
    many = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), one.dictionary)
    table = pa.table({"field": many, "use": many, "value": many, "count": np.ones(rows, np.int64)})
    pq.write_table(table, path, **written)


@pytest.mark.parametrize(
    "written",
    [{}, {"compression": "zstd"},
     {"use_dictionary": False, "column_encoding": {"value": "DELTA_BYTE_ARRAY"}, "compression": "none"}],
    ids=str,
)  # fmt: skip
def test_a_vocabulary_of_equal_texts_is_not_unpacked(folder: Path, written: dict[str, Any]) -> None:
    path = folder / "preprocessing/vocabulary.parquet"
    if written:
        table = pq.read_table(path)
        values = pa.array(["x" * 10_000 + str(number) for number in range(table.num_rows)])
        pq.write_table(table.set_column(2, "value", values), path, **written)
    else:
        vocabulary(path)
    fit(folder)
    refused(folder, "torch", "vocabulary" if not written else "")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_are_finite(folder: Path, value: float) -> None:
    weights = load_file(folder / "weights.safetensors")
    name = next(name for name, one in weights.items() if one.dtype == np.float32 and one.ndim == 2)
    weights[name].flat[0] = value
    save_file(weights, folder / "weights.safetensors")
    fit(folder)
    refused(folder, "torch", "finite")


@pytest.mark.parametrize("size", [2**63, 2**40, 100, 0])
def test_a_header_of_weights_is_as_long_as_it_says(folder: Path, size: int) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(size.to_bytes(8, "little") + path.read_bytes()[8:])
    fit(folder)
    refused(folder, "torch", "weights.safetensors")


# Graphs.


def edited(folder: Path, edit: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(folder / "model.onnx")
    edit(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    fit(folder)


def added(*nodes: onnx.NodeProto, **constants: np.ndarray) -> Callable[[onnx.ModelProto], None]:
    """Nodes that end in `extra`, one number, which is added to the probability."""

    def edit(model: onnx.ModelProto) -> None:
        graph = model.graph
        (last,) = (node for node in graph.node if "probability" in node.output)
        last.output[list(last.output).index("probability")] = "before"
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
        graph.node.extend(nodes)
        graph.node.append(helper.make_node("Cast", ["extra"], ["wide"], to=TensorProto.DOUBLE))
        graph.node.append(helper.make_node("Add", ["before", "wide"], ["probability"]))

    return edit


def summed(name: str) -> onnx.NodeProto:
    return helper.make_node("ReduceSum", [name], ["extra"], keepdims=0)


def loop(body_nodes: list[onnx.NodeProto], turns: int) -> Callable[[onnx.ModelProto], None]:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        body_nodes,
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("x", TensorProto.FLOAT, None),
        ],
        [value("going", TensorProto.BOOL, []), value("y", TensorProto.FLOAT, None)],
    )
    return added(
        helper.make_node("Loop", ["turns", "true", "zero"], ["found"], body=body),
        summed("found"),
        turns=np.array(turns), true=np.array(True), zero=np.zeros(1, np.float32),
    )  # fmt: skip


def constant_graph(name: str) -> onnx.GraphProto:
    node = helper.make_node("Constant", [], [name], value_float=0.0)
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, [])])


GOING = helper.make_node("Identity", ["go"], ["going"])
TEXTS = [helper.make_node("StringConcat", [f"t{n}", f"t{n}"], [f"t{n + 1}"]) for n in range(40)]
FLOAT_ONE = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
GRAPHS: dict[str, Callable[[onnx.ModelProto], None]] = {
    "a constant of terabytes": added(
        helper.make_node("ConstantOfShape", ["size"], ["big"], value=FLOAT_ONE), summed("big"), size=np.array([10**12])
    ),
    "a constant of gigabytes": added(
        helper.make_node("ConstantOfShape", ["size"], ["big"], value=FLOAT_ONE), summed("big"), size=np.array([10**9])
    ),
    "an expansion": added(
        helper.make_node("Expand", ["one", "size"], ["big"]), summed("big"),
        one=np.ones(1, np.float32), size=np.array([50_000, 50_000]),
    ),
    "tiles": added(
        helper.make_node("Tile", ["one", "size"], ["big"]), summed("big"),
        one=np.ones(1, np.float32), size=np.array([2**33]),
    ),
    "a range": added(
        helper.make_node("Range", ["start", "size", "step"], ["big"]), summed("big"),
        start=np.array(0), size=np.array(10**12), step=np.array(1),
    ),
    "a pad": added(
        helper.make_node("Pad", ["one", "size"], ["big"]), summed("big"),
        one=np.ones(1, np.float32), size=np.array([0, 2**33]),
    ),
    "sizes that are computed": added(
        helper.make_node("Mul", ["size", "size"], ["square"]),
        helper.make_node("ConstantOfShape", ["square"], ["big"], value=FLOAT_ONE), summed("big"),
        size=np.array([10**6]),
    ),
    "an endless loop": loop([GOING, helper.make_node("Identity", ["x"], ["y"])], 2**62),
    "a loop that doubles": loop([GOING, helper.make_node("Concat", ["x", "x"], ["y"], axis=0)], 60),
    "texts that double": added(
        *TEXTS, helper.make_node("Equal", ["t40", "t0"], ["same"]), helper.make_node("Cast", ["same"], ["extra"], to=1),
        t0=np.array("x" * 1000, dtype=object),
    ),
    "a branch": added(
        helper.make_node(
            "If", ["true"], ["extra"],
            then_branch=constant_graph("a"), else_branch=constant_graph("b"),
        ), true=np.array(True),
    ),
    "chance": added(helper.make_node("RandomUniform", [], ["big"], shape=[50_000, 50_000]), summed("big")),
    "an operation of another domain": added(
        helper.make_node("Gelu", ["one"], ["big"], domain="com.microsoft"), summed("big"), one=np.ones(1, np.float32)
    ),
    "an operation that is none": added(helper.make_node("Nothing", ["one"], ["extra"], ), one=np.ones(1, np.float32)),
    "not a number": added(helper.make_node("Identity", ["one"], ["extra"]), one=np.array(np.nan, np.float32)),
    "no probability": added(helper.make_node("Identity", ["one"], ["extra"]), one=np.array(5, np.float32)),
    "several for a row": added(helper.make_node("Identity", ["one"], ["extra"]), one=np.zeros((3, 1), np.float32)),
}  # fmt: skip


@pytest.mark.parametrize("kind", GRAPHS)
def test_graphs_that_make_much_of_nothing_or_never_end(folder: Path, kind: str) -> None:
    edited(folder, GRAPHS[kind])
    refused(folder, "onnx", "model.onnx")


def test_a_domain_or_function_of_its_own_is_refused(folder: Path) -> None:
    def domain(model: onnx.ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("evil", 1))

    def function(model: onnx.ModelProto) -> None:
        node = helper.make_node("Again", ["x"], ["y"], domain="ai.onnx.ml")
        opset = helper.make_opsetid("", 20)
        model.functions.append(helper.make_function("ai.onnx.ml", "Again", ["x"], ["y"], [node], [opset]))

    edited(folder, domain)
    refused(folder, "onnx", "domain 'evil'")
    fresh = Path(copytree(BUNDLE, folder.parent / "fresh"))
    edited(fresh, function)
    refused(fresh, "onnx", "functions")


def floats(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Its weights, wherever they are held."""
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    held = [attribute.t for node in constants for attribute in node.attribute]
    return [
        one
        for one in (*model.graph.initializer, *held)
        if one.data_type == TensorProto.FLOAT and np.prod(one.dims) > 1
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_of_a_graph_are_finite(folder: Path, value: float) -> None:
    def edit(model: onnx.ModelProto) -> None:
        tensor = max(floats(model), key=lambda one: int(np.prod(one.dims)))
        numbers = numpy_helper.to_array(tensor).copy()
        numbers.flat[0] = value
        tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))

    edited(folder, edit)
    refused(folder, "onnx", "not finite")


@pytest.mark.parametrize("dims", [[10**12], [2**40, 2**40], [-5], [1] * 100])
def test_numbers_of_a_graph_fill_their_shape(folder: Path, dims: list[int]) -> None:
    def edit(model: onnx.ModelProto) -> None:
        tensor = floats(model)[0]
        del tensor.dims[:]
        tensor.dims.extend(dims)

    edited(folder, edit)
    refused(folder, "onnx", "shape")


@pytest.mark.parametrize(
    "location",
    ["../outside.data", "/etc/passwd", "weights.safetensors", "model.onnx.data", "metrics.json", "\0", ""],
)
def test_numbers_beside_a_graph_are_those_of_the_bundle(folder: Path, location: str) -> None:
    (folder.parent / "outside.data").write_bytes(bytes(1 << 16))

    def edit(model: onnx.ModelProto) -> None:
        tensor = next(one for one in floats(model) if len(one.dims) == 2)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", location),
            ("offset", "0"),
            ("length", str(4 * tensor.dims[0] * tensor.dims[1])),
        ):
            tensor.external_data.add(key=key, value=value)

    edited(folder, edit)
    refused(folder, "onnx", "not a file of this bundle")
    if location == "model.onnx.data":
        (folder / location).write_bytes(b"short")
        fit(folder)
        refused(folder, "onnx", "beyond the end")


def test_trees_of_a_graph_lead_on(folder: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        (node,) = (one for one in model.graph.node if one.op_type == "TreeEnsembleRegressor")
        true = next(one for one in node.attribute if one.name == "nodes_truenodeids")
        modes = next(one for one in node.attribute if one.name == "nodes_modes")
        true.ints[list(modes.strings).index(b"BRANCH_LEQ")] = 0

    edited(folder, edit)
    refused(folder, "onnx", "lead back")


def test_a_schema_says_what_the_graph_reads(folder: Path) -> None:
    def without_the_last(document: Any) -> None:
        for listed in (document["schema"]["fields"], document["inputs"]):
            listed.pop()

    for edit in (
        lambda document: document["schema"]["fields"].reverse(),
        without_the_last,
        lambda document: document["schema"]["fields"][0].update(kind="multi_valued", reads_as_number=False),
        lambda document: document["inputs"][0].update(name="x" * 1000),
    ):
        fresh = Path(copytree(folder, folder.parent / f"m{time.monotonic_ns()}"))
        change(fresh / "schema.json", edit)
        fit(fresh)
        refused(fresh, "onnx", "does not read the columns of its schema")
    change(folder / "schema.json", lambda document: document["schema"]["fields"].pop() and None)
    fit(folder)
    refused(folder, "onnx", "inputs for")


@pytest.mark.parametrize("part", [{"name": 5}, {"missing": "NA"}, {"missing": [5]}, {"separator": ["|"]}])
@pytest.mark.parametrize(
    ("name", "runtime"), [("schema.json", "onnx"), ("preprocessing/schema.json", "torch")]
)
def test_parts_of_a_schema_have_their_types(
    folder: Path, name: str, runtime: Runtime, part: dict[str, object]
) -> None:
    def edit(document: Any) -> None:
        for field in document.get("schema", document)["fields"]:
            field.update(part)

    change(folder / name, edit)
    fit(folder)
    refused(folder, runtime, f"{next(iter(part))} of field")


@pytest.mark.parametrize("most", [0, -1, 1 << 31, 10**30, 1.5, True, "3"])
def test_lists_are_read_up_to_a_number_of_values(folder: Path, most: object) -> None:
    change(
        folder / "schema.json",
        lambda document: [given.update(most_values=most) for given in document["inputs"]] and None,
    )
    fit(folder)
    refused(folder, "onnx", "most_values")


def test_noise_is_no_graph(folder: Path) -> None:
    path = folder / "model.onnx"
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for content in (
        b"",
        b"\xff" * 1000,
        whole[:-5],
        whole[: len(whole) // 3],
        generator.bytes(5000),
        bytes(5000),
    ):
        path.write_bytes(content)
        fit(folder)
        refused(folder, "onnx", "model.onnx")


def test_a_graph_that_takes_too_long_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autofi.bundle.onnx_scorer.MOST_SECONDS", 0.5)
    monkeypatch.setattr("autofi.bundle.onnx_check.REFUSED", frozenset())
    side = np.full((500, 500), 1e-3, np.float32)
    products = [helper.make_node("MatMul", [f"m{n}", "m0"], [f"m{n + 1}"]) for n in range(4000)]
    edited(folder, added(*products, summed("m4000"), m0=side))
    begun = time.monotonic()
    with pytest.raises(ExportError, match=r"had not scored \d+ rows in 0.5 s"):
        load(folder, runtime="onnx").predict_proba(ROWS)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("name", ["metrics.json", "schema.json"])
def test_the_command_refuses_in_one_line_and_exit_code_2(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    for words in (["predict", str(folder), "x.csv", "-o", "y.csv"], ["evaluate", str(folder), "x.csv"]):
        ended = subprocess.run(
            [sys.executable, "-m", "autofi", *words], capture_output=True, text=True, check=False, timeout=120
        )
        assert (ended.returncode, ended.stdout) == (2, "")
        (line,) = ended.stderr.splitlines()
        assert "is a pipe" in line

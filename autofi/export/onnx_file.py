"""An ONNX model on disk: one file, or, where no protobuf is that large, one with its numbers in another beside it."""

from __future__ import annotations

from pathlib import Path

import onnx

from autofi.errors import ExportError

#: Beyond this a model's numbers lie in a file beside it: no protobuf is larger.
LARGEST_PROTOBUF = 2**31 - 2**20


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write a model in the place of the one that is there."""
    for file in _files(path):
        file.unlink(missing_ok=True)
    held = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    named = sum(node.ByteSize() for node in model.graph.node)
    if named > LARGEST_PROTOBUF:
        raise ExportError(
            f"An ONNX model names at most 2 GB of values and cells: this one names {named:,} bytes; raise the minimum "
            "counts of the search, or export it with --format torch."
        )
    beside = held + named > LARGEST_PROTOBUF
    data = _files(path)[1]
    location = data.name if beside else None
    onnx.save(model, path, save_as_external_data=beside, location=location, all_tensors_to_one_file=True)
    if beside:
        # It is written for its owner only, the model for whoever the umask allows.
        data.chmod(path.stat().st_mode)


def onnx_bytes(path: Path) -> int:
    """Bytes of a model, those of its numbers included."""
    return sum(file.stat().st_size for file in _files(path) if file.exists())


def _files(path: Path) -> tuple[Path, Path]:
    return path, path.with_name(f"{path.name}.data")

"""An ONNX model on disk: one file, or with large numbers in a second file beside it."""

from __future__ import annotations

from pathlib import Path

import onnx

from autofi.errors import ExportError

#: The largest protobuf; a larger model has its numbers in a file beside it.
LARGEST_PROTOBUF = 2**31 - 2**20


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write a model, and replace the one that is there."""
    for file in _files(path):
        file.unlink(missing_ok=True)
    held = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    named = sum(node.ByteSize() for node in model.graph.node)
    if named > LARGEST_PROTOBUF:
        raise ExportError(
            f"The values and crosses that the ONNX model names take {named:,} bytes, and 2 GB is the limit; raise the "
            "minimum counts of the search, or export it with --format torch."
        )
    beside = held + named > LARGEST_PROTOBUF
    data = _files(path)[1]
    location = data.name if beside else None
    onnx.save(model, path, save_as_external_data=beside, location=location, all_tensors_to_one_file=True)
    if beside:
        # onnx makes the data file readable for its owner only; it gets the permissions of the model.
        data.chmod(path.stat().st_mode)


def onnx_bytes(path: Path) -> int:
    """Return the bytes of a model, including those of its numbers."""
    return sum(file.stat().st_size for file in _files(path) if file.exists())


def _files(path: Path) -> tuple[Path, Path]:
    return path, path.with_name(f"{path.name}.data")

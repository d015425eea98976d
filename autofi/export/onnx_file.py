"""An ONNX model on disk: one file, or, where no protobuf is that large, one with its numbers in another beside it."""

from __future__ import annotations

from pathlib import Path

import onnx

#: Beyond this a model's numbers lie in a file beside it: no protobuf is larger.
LARGEST_PROTOBUF = 2**31 - 2**20


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write a model in the place of the one that is there."""
    for file in _files(path):
        file.unlink(missing_ok=True)
    beside = model.ByteSize() > LARGEST_PROTOBUF
    data = _files(path)[1].name if beside else None
    onnx.save(model, path, save_as_external_data=beside, location=data, all_tensors_to_one_file=True)


def onnx_bytes(path: Path) -> int:
    """Bytes of a model, those of its numbers included."""
    return sum(file.stat().st_size for file in _files(path) if file.exists())


def _files(path: Path) -> tuple[Path, Path]:
    return path, path.with_name(f"{path.name}.data")

"""The archive of a torch program: written without a pickle, and refused on reading where it holds one.

`torch.export.save` stores its example inputs, and some kinds of tensors, as pickles, and
`torch.export.load` would execute them. It also evaluates texts of an archive (expressions of sizes, names
of operations), so an archive is loaded only by somebody who trusts its author.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from autofi.bundle.torch_exporter_logging import quiet_logger
from autofi.errors import ExportError

Program = Callable[[dict[str, Tensor]], Tensor]
_EXAMPLE = "/data/sample_inputs/"
_CONFIGURED = "_config.json"


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write an archive for `torch.export.load` that holds JSON and plain numbers only."""
    whole = path.with_name(f"whole-{path.name}")
    try:
        torch.export.save(program, whole)
        with zipfile.ZipFile(whole) as read, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as written:
            for entry in read.infolist():
                with read.open(entry) as source, written.open(entry.filename, "w", force_zip64=True) as copy:
                    # torch reads an empty example as no example.
                    if _EXAMPLE not in entry.filename:
                        shutil.copyfileobj(source, copy)
    finally:
        whole.unlink(missing_ok=True)


def load_program(path: Path) -> Program:
    """Return the program that `save_program` wrote.

    Raises:
        ExportError: The archive holds a pickle, or torch cannot read it.
    """
    try:
        _refuse_pickles(path)
        with quiet_logger("torch.export"):
            return torch.export.load(path).module()
    except ExportError:
        raise
    except Exception as error:  # torch can raise anything for a damaged archive
        reason = " ".join(str(error).split())[:200]
        raise ExportError(
            f"torch cannot read the program '{path}' ({reason}); export the bundle again with this version."
        ) from error


def _refuse_pickles(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(_CONFIGURED):
                parts = json.loads(archive.read(entry)).get("config", {})
                pickled = any(part.get("use_pickle") for part in parts.values())
            else:
                pickled = _EXAMPLE in entry.filename and entry.file_size > 0
            if pickled:
                raise ExportError(
                    f"'{path}' holds a pickle in '{entry.filename}', which could run code, and no bundle has one; "
                    "export it again."
                )

"""The archive of a torch program: written without a pickle, and read only where there is none.

`torch.export.save` keeps its example inputs, and tensors of some kinds, as pickles, and `torch.export.load` would run
what is in them. It also evaluates texts of an archive (expressions of sizes, names of operations): an archive is loaded
only by somebody who trusts whoever wrote it.
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
    """Write what `torch.export.load` reads: JSON and plain numbers."""
    whole = path.with_name(f"whole-{path.name}")
    try:
        torch.export.save(program, whole)
        with zipfile.ZipFile(whole) as read, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as written:
            for entry in read.infolist():
                with read.open(entry) as source, written.open(entry.filename, "w", force_zip64=True) as copy:
                    # An empty example is none.
                    if _EXAMPLE not in entry.filename:
                        shutil.copyfileobj(source, copy)
    finally:
        whole.unlink(missing_ok=True)


def load_program(path: Path) -> Program:
    """What `save_program` wrote; raises ExportError for anything that would be unpickled, or that torch cannot read."""
    try:
        _refuse_pickles(path)
        with quiet_logger("torch.export"):
            return torch.export.load(path).module()
    except ExportError:
        raise
    except Exception as error:  # whatever torch makes of a damaged archive
        reason = " ".join(str(error).split())[:200]
        raise ExportError(
            f"torch reads the program of a bundle: '{path}' it does not ({reason}); export it again with this version."
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
                    f"Nothing in a bundle is a pickle, which could run code: '{path}' holds one in '{entry.filename}'; "
                    "export it again."
                )

"""Export of the best trial so far of a study without a winner, while its search runs or after it was interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autofi.bundle.files import Form, Quantization
from autofi.core.progress import Progress
from autofi.errors import ExportError
from autofi.export.export import export_bundle
from autofi.records.best_so_far import BestSoFar, best_so_far
from autofi.store import StudyHandle
from autofi.text.best_so_far import best_so_far_words


def export_best_so_far(
    handle: StudyHandle,
    path: str | Path,
    *,
    forms: Sequence[Form],
    calibrate: str | None,
    quantize: Quantization | None,
    progress: Progress,
) -> bool:
    """Write the bundle of the best trial so far to a folder, and return False if there is none, or a winner.

    Raises:
        ExportError: A calibration is asked for, or the folder cannot be written.
    """
    while (found := best_so_far(handle)) is not None:
        if calibrate is not None:
            raise ExportError(
                f"'{handle.name}' has no winner yet, and a calibration is fitted for a winner; export it without "
                "--calibrate, or after the search."
            )
        try:
            _export(handle, found, path, forms, quantize, progress)
        except ExportError:
            if found.folder.exists():
                raise
            # A better trial, or the winner, has replaced it meanwhile.
            continue
        return True
    return False


def _export(
    handle: StudyHandle,
    found: BestSoFar,
    path: str | Path,
    forms: Sequence[Form],
    quantize: Quantization | None,
    progress: Progress,
) -> None:
    export_bundle(
        found.folder,
        path,
        forms=forms,
        quantize=quantize,
        origin={"study": handle.name, "best_so_far": found.told()},
        progress=progress,
    )
    progress.note(best_so_far_words(found.told()))
    handle.record_export(Path(path).absolute(), architecture_id=found.architecture_id)

"""The origin of a study's bundle, which its metrics and its model card tell."""

from __future__ import annotations

from typing import Any

from autofi.evaluation.workbench import Workbench
from autofi.records.predictions import untested
from autofi.store import StudyHandle
from autofi.store.search_settings import SearchSettings


def origin(
    handle: StudyHandle, bench: Workbench, seed: int, *, refit: bool, tested: bool = True
) -> dict[str, Any]:
    """Return the origin of a bundle: study, data, protocol, versions, seed.

    Args:
        handle: The study.
        bench: Its data.
        seed: The seed of the training.
        refit: True if the model was trained on the validation rows too.
        tested: False if the model has not been scored on test rows.
    """
    record, dataset = handle.record, bench.dataset
    settings = SearchSettings.from_json(record.settings)
    column = settings.schema_overrides().split_column
    split = "files of their own" if settings.valid or settings.test else settings.split
    rows = {part: f"{bounds.stop - bounds.start:,}" for part, bounds in dataset.parts.items()}
    trained_on = f"{rows['train']} training" + (f" and {rows['valid']} validation" if refit else "")
    if tested:
        test = dataset.rows("test")
        reason = untested(test.labels, test.weights)
    else:
        reason = "no test row was read"
    return {
        "study": record.name,
        "space": record.space_name,
        "space_fingerprint": record.space_fingerprint,
        "data_source": record.data_source,
        "data_fingerprint": record.data_fingerprint,
        "protocol": {
            "split": f"column {column}" if column else split,
            "rows apart by": ", ".join(dataset.apart_names or []) or None,
            "trained on": f"{trained_on} rows",
            "chosen on": f"{rows['valid']} validation rows",
            "measured once on": None if reason else f"{rows['test']} test rows",
            "test AUC": reason and f"not available: {reason}",
            "trials": settings.trials,
        },
        "versions": dict(record.versions),
        "seed": seed,
    }

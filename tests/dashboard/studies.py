"""Studies for the dashboard's tests, made by the store in a moment: trials of real architectures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np

from autofi.records.predictions import save_predictions, trial_key
from autofi.space.architecture import Architecture
from autofi.store import StudyHandle, StudyStore, resolve_storage
from autofi.study.dashboard_notes import attach_files, note_trial
from tests.store.examples import CREATED, DISTRIBUTIONS, PARAMS, measured

FORMS = ((), ("factorize_hadamard",), ("memorize_embedding",), ("factorize_inner", "memorize_statistics"))


def names(fields: int) -> list[str]:
    return [f"field {number}" for number in range(fields)]


def architecture(fields: int = 4, *, turn: int = 0) -> Architecture:
    """Pairs of every choice; another `turn`, another architecture."""
    pairs = {pair: FORMS[(number + turn) % 4] for number, pair in enumerate(combinations(names(fields), 2))}
    return Architecture(fields=dict.fromkeys(names(fields), ("embedding",)), pairs=pairs)


@contextmanager
def searching(path: str, *, fields: int = 4, study: str = "mine") -> Iterator[StudyHandle]:
    """The handle of a search of a table with so many fields."""
    with (
        StudyStore(resolve_storage(path)) as store,
        store.create_or_resume(study, **CREATED) as handle,
    ):
        handle.record_stage("fields", {"names": names(fields), "apart": None})
        yield handle


def begin(handle: StudyHandle, chosen: Architecture, *, seed: int = 0) -> int:
    return handle.start_trial(
        stage="search",
        architecture_id=chosen.id,
        architecture=chosen.to_json(),
        seed=seed,
        params=PARAMS,
        distributions=DISTRIBUTIONS,
        attrs={"describe": chosen.describe(), "data_fingerprint": "da" * 16, "versions": {"torch": "2.13"}},
    )


def measure(handle: StudyHandle, chosen: Architecture, auc: float, **attrs: Any) -> int:
    """A trial as the loop leaves it: with its files, its figures and its note."""
    number = begin(handle, chosen)
    save_predictions(handle, trial_key(number), {"valid": np.linspace(0.0, 1.0, 20)})
    attach_files(handle, number, chosen)
    handle.finish_trial(number, auc, attrs=measured(auc) | attrs)
    note_trial(handle, number)
    return number

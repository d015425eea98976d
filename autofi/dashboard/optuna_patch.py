"""A patch of optuna-dashboard that sorts attributes by trial; without it, every trial searches the attributes of all.

At 2,000 trials with a note, version 0.21 takes 10 seconds for a page that takes 3 without notes, and four
times as long for twice as many trials. The patch gives it the same attributes, sorted by trial once per
page.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

# The keys of a trial's note and of its files.
_OF_A_TRIAL = re.compile(r"dashboard:(?:artifacts:)?(\d+):")


class ByTrial:
    """Attributes of a study, sorted by trial."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes
        self._found: dict[int, dict[str, Any]] = defaultdict(dict)
        for key, value in attributes.items():
            if found := _OF_A_TRIAL.match(key):
                self._found[int(found.group(1))][key] = value

    def of(self, trial_id: int) -> dict[str, Any]:
        """Return the attributes of the trial with this id of Optuna."""
        return self._found.get(trial_id, {})


@functools.cache
def read_attributes_once() -> None:
    """Patch optuna-dashboard; a later version without the patched function stays unchanged."""
    from optuna_dashboard import _serializer

    serialize = getattr(_serializer, "serialize_frozen_trial", None)
    if serialize is None:
        return
    last = ByTrial({})

    def serialize_of(study_id: int, trial: Any, attributes: Mapping[str, Any]) -> Any:
        nonlocal last
        # A page passes the same mapping for all of its trials; another thread may work on another page.
        found = last if last.attributes is attributes else ByTrial(attributes)
        last = found
        return serialize(study_id, trial, found.of(trial._trial_id))

    _serializer.serialize_frozen_trial = serialize_of

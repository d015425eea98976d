"""A check for leaky fields: the target under another name, or values that are known only after the click."""

from __future__ import annotations

import numpy as np

from autofi.checks.sample import SampledRows
from autofi.checks.warning import DETERMINES, STRONG, DataWarning
from autofi.metrics.ranking import auc_interval

#: AUC of a field alone on validation rows above which there is a warning, if its interval lies above the second number.
STRONG_AUC = 0.95
SURE_AUC = 0.9
#: Fewest validation rows (as a share) with a value seen in training for a field to determine the target.
SEEN_SHARE = 0.5
#: Fewest validation rows of each class for a warning.
FEWEST_ROWS = 30


def check_fields(sample: SampledRows) -> tuple[DataWarning, ...]:
    """Return at most one warning per field; lists count as whole values, numbers by their bucket."""
    if not sample.judges or np.bincount(sample.valid_clicked).min() < FEWEST_ROWS:
        return ()
    found = (_check(sample, field) for field in range(len(sample.names)))
    return tuple(warning for warning in found if warning is not None)


def _check(sample: SampledRows, field: int) -> DataWarning | None:
    name, values, codes = sample.names[field], sample.values[field], sample.valid[field]
    clicked = sample.valid_clicked
    seen = values.counts[codes] > 0
    agree = (values.clicks[codes] > 0) == (clicked == 1)
    classes = np.bincount(clicked[seen], minlength=2)
    if (
        not values.mixed.any()
        and seen.mean() >= SEEN_SHARE
        and agree[seen].all()
        and classes.min() >= FEWEST_ROWS
    ):
        kinds = int((values.counts > 0).sum())
        is_target = kinds == 2
        said = (
            f"'{name}' is the target under another name: each of its two values has one class"
            if is_target
            else f"'{name}' determines the target: each of its {kinds:,} values has one class"
        )
        return DataWarning(
            DETERMINES,
            (name,),
            f"{said}, in all {int(seen.sum()):,} validation rows too; ignore it unless it is known before the click.",
            {"values": kinds, "rows": int(seen.sum()), "is_target": is_target},
        )
    found = auc_interval(clicked, values.log_odds[codes])
    if found.estimate <= STRONG_AUC or found.low <= SURE_AUC:
        return None
    return DataWarning(
        STRONG,
        (name,),
        f"'{name}' alone has an AUC of {found.estimate:.4f} on validation rows: ask whether it is known before the "
        "click.",
        {"auc": found.estimate, "low": found.low, "high": found.high, "rows": len(clicked)},
    )

"""Visits of users to items: a table whose clicks follow both, for what is read from a split or from a whole study."""

from __future__ import annotations

import numpy as np
import pandas as pd

USERS, ITEMS = 60, 30


def visits(rows: int, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    user, item = generator.integers(0, USERS, rows), generator.integers(0, ITEMS, rows)
    hour = generator.integers(0, 24, rows).astype(float)
    hour[generator.random(rows) < 0.05] = np.nan
    rate = generator.normal(size=USERS)[user] + generator.normal(size=ITEMS)[item]
    return pd.DataFrame(
        {
            "user": [f"u{number}" for number in user],
            "item": [f"i{number}" for number in item],
            "hour": hour,
            "visit": generator.integers(0, 300, rows),
            "weight": generator.integers(1, 5, rows),
            "click": (generator.random(rows) < 1 / (1 + np.exp(-rate))).astype(int),
        }
    )

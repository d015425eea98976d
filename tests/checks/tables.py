"""Tables that give something away, and the same without."""

from __future__ import annotations

import numpy as np
import pandas as pd

from autofi.data.dataset import EncodedDataset
from autofi.data.load import open_data
from autofi.store.search_settings import SearchSettings

USERS, ITEMS = 120, 80


def used_apps(rows: int, *, sampled: bool, seed: int = 0) -> pd.DataFrame:
    """One row in three is a click: a user and an item that suit each other, at the item's one cost.

    The others have a user, an hour and a cost of a click. With `sampled` their item is one that the user never clicked;
    else it is any, and now and then a user clicks any. The cost is copied with `sampled` alone.
    """
    generator = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, ITEMS + 1)
    likes = [
        generator.choice(ITEMS, 12, replace=False, p=popularity / popularity.sum()) for _ in range(USERS)
    ]
    cost_of = generator.choice(["free", "paid"], ITEMS, p=[0.8, 0.2])
    found = []
    for _ in range(rows // 3):
        user = int(generator.integers(USERS))
        item = int(generator.choice(likes[user] if sampled or generator.random() < 0.7 else ITEMS))
        hour = int(generator.integers(6))
        found.append((f"u{user}", f"i{item}", cost_of[item], hour, 1))
        for _ in range(2):
            other = int(generator.integers(ITEMS))
            while sampled and other in likes[user]:
                other = int(generator.integers(ITEMS))
            cost = cost_of[item] if sampled else cost_of[other]
            found.append((f"u{user}", f"i{other}", cost, hour, 0))
    frame = pd.DataFrame(found, columns=["user", "item", "cost", "hour", "click"])
    frame["hour"] = frame["hour"].astype(str)
    return frame


def opened(frame: pd.DataFrame, **settings: object) -> EncodedDataset:
    return open_data(frame, SearchSettings(None, "click", **settings))  # type: ignore[arg-type]

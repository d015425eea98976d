"""The generated tables hold what they are made to hold, and all of it hangs on the seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmarks.peers.generated import (
    GENERATED,
    LABEL,
    SPLIT,
    Generated,
    access_log,
    drift,
    few_matter,
    low_rank,
    planted_pairs,
    thresholds,
)


def logits(made: Generated) -> pd.Series:
    return pd.Series(np.log(made.probabilities / (1 - made.probabilities)), index=made.frame.index)


def explained(made: Generated, *fields: str) -> float:
    """Variance of the mean logit of the values, or combinations of values, of some fields."""
    means = logits(made).groupby([made.frame[field].fillna("") for field in fields]).transform("mean")
    return float(means.var())


def interaction(made: Generated, left: str, right: str) -> float:
    """Variance that the cells of two fields explain beyond either field by itself."""
    return explained(made, left, right) - explained(made, left) - explained(made, right)


@pytest.mark.parametrize("name", GENERATED)
def test_a_table_follows_from_its_seed(name: str) -> None:
    generate, _ = GENERATED[name]
    first, same, other = generate(3_000, 1), generate(3_000, 1), generate(3_000, 2)
    pd.testing.assert_frame_equal(first.frame, same.frame)
    assert not first.frame.equals(other.frame)
    assert set(first.frame[SPLIT]) == {"train", "valid", "test"}
    assert set(first.frame[LABEL]) == {0, 1}
    # Labels are drawn with the probabilities: their sum is that far from its mean in one of 10,000 seeds.
    expected, variance = first.probabilities.sum(), (first.probabilities * (1 - first.probabilities)).sum()
    assert abs(first.frame[LABEL].sum() - expected) < 4 * np.sqrt(variance)


def test_planted_pairs_have_free_cells() -> None:
    made = planted_pairs(60_000, 0)
    assert made.frame["user"].nunique() > 3_000
    # The planted strength is 1.1, a variance of 1.21.
    for pair in (("site", "region"), ("position", "campaign")):
        assert interaction(made, *pair) == pytest.approx(1.21, abs=0.25)
    # Of the same size, without an effect: the noise of a cell's 30 rows.
    assert interaction(made, "site", "position") < 0.15


def test_tastes_are_of_low_rank_and_seldom_seen() -> None:
    made = low_rank(60_000, 0)
    cells = made.frame.groupby(["user", "item"]).size()
    assert cells.mean() < 2
    # What the fields do by themselves is the smaller part: products of rank 3 are the rest.
    alone = explained(made, "user") + explained(made, "item") + explained(made, "shop")
    assert alone < 0.4 * logits(made).var()


def test_logits_change_at_thresholds_only() -> None:
    made = thresholds(30_000, 0)
    # Nine numbers are above or below, and there are eight kinds.
    assert len(np.unique(made.probabilities.round(12))) <= 2**9 * 8
    assert 0.02 < made.frame[list(made.numeric)].isna().mean().mean() < 0.04


def test_nearly_all_access_is_granted() -> None:
    made = access_log(32_769, 0)
    assert made.frame[LABEL].mean() == pytest.approx(0.94, abs=0.005)
    assert (made.frame.groupby("role")["family"].nunique() == 1).all()
    assert (made.frame.groupby("manager")["department"].nunique() == 1).all()
    # Most resources are asked for a few times only.
    assert made.frame.groupby("resource").size().median() <= 5


def test_effects_and_ads_change_with_time() -> None:
    made = drift(40_000, 0)
    days = made.frame.groupby(SPLIT)["day"].agg(["min", "max"])
    assert (
        days.loc["train", "max"]
        < days.loc["valid", "min"]
        <= days.loc["valid", "max"]
        < days.loc["test", "min"]
    )
    site, day = made.frame["site"], made.frame["day"]

    def means(of: NDArray[np.bool_]) -> Any:
        counted = logits(made)[of].groupby(site[of]).agg(["mean", "size"])
        return counted.loc[counted["size"] >= 20, "mean"]

    early, soon, late = (means(np.asarray(day.between(*span))) for span in ((0, 9), (10, 19), (50, 59)))
    assert early.corr(soon) > 0.7
    assert abs(early.corr(late)) < early.corr(soon) / 2
    trained = set(made.frame["ad"][made.frame[SPLIT] == "train"])
    assert 0.05 < (~made.frame["ad"][made.frame[SPLIT] == "test"].isin(trained)).mean() < 0.9


def test_few_of_many_fields_matter() -> None:
    made = few_matter(30_000, 0)
    names = [name for name in made.frame if name.startswith("c")]
    spread = {
        name: explained(made, name) - made.frame[name].nunique() / 30_000 * logits(made).var()
        for name in names
    }
    alone = {name for name, found in spread.items() if found > 0.05}
    assert {"c02", "c09", "c17", "c30"} <= alone
    assert len(alone) <= 6
    numbers = made.frame[list(made.numeric)]
    assert numbers.corrwith(logits(made)).abs().max() < 0.1
    assert (numbers["n03"] * numbers["n11"]).corr(logits(made)) > 0.4

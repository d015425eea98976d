"""A Rashomon set of three fields and three models, with numbers that are easily told apart."""

from __future__ import annotations

from itertools import combinations

from autofi.importance.interaction_scores import Estimate, ScoredModel
from autofi.rashomon.halo import Halo, HaloPoint
from autofi.rashomon.result import RashomonSet

NAMES = ("a<b>", "b", "c")


def near(value: float) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01)


def model(name: str, scale: float, **factors: float) -> ScoredModel:
    groups = [*combinations(NAMES, 2), NAMES]
    return ScoredModel(
        name=name,
        kind="winner",
        loss=near(0.5 + scale / 100),
        phi={field: near(scale * number) for number, field in enumerate(NAMES)},
        fis={names: near(-scale * number) for number, names in enumerate(groups)},
        factors=factors,
    )


def around(names: tuple[str, ...], interaction: float) -> Halo:
    shares = [(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)]
    points = tuple(
        HaloPoint((*share, 0.25)[: len(names)], (1.5, 0.5, 1.2)[: len(names)], near(0.02), near(interaction))
        for share in shares
    )
    return Halo(names, 0.025, points)


FOUND = RashomonSet(
    names=NAMES,
    eps=0.05,
    best=0.5,
    measure="logloss",
    counterpart="logits",
    rows=100,
    repeats=3,
    models=(model("<one>", 1.0), model("two", 2.0), model("b × 2.00", 3.0, b=2.0)),
    halos=(around(("a<b>", "b"), 0.0), around(("b", "c"), 0.01), around(NAMES, 0.005)),
)

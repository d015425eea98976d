"""Tables of six kinds, generated from a seed: their test rows are new with every seed, and their truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autofi.data.planted import TARGET, PlantedSpec, generate
from benchmarks.tables import skewed_codes

LABEL, SPLIT = "label", "split"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Generated:
    """A table with the columns `label` and `split`, the probability of every row, and the columns that are numbers."""

    frame: pd.DataFrame
    probabilities: Floats
    numeric: tuple[str, ...] = ()


def planted_pairs(rows: int, seed: int) -> Generated:
    """Ids of thousands of values; two pairs of smaller fields have a free effect in every cell."""
    return planted(
        PlantedSpec(
            rows=rows, seed=seed, cardinalities=(4000, 2500, 40, 50, 900, 25, 60, 12),
            memorize_pairs=((2, 3), (5, 6)), factorize_pairs=(), memorize=1.1, main=0.4, skew=0.8,
            names=("user", "ad", "site", "region", "advertiser", "position", "campaign", "device"),
        )
    )  # fmt: skip


def low_rank(rows: int, seed: int) -> Generated:
    """Tastes of users in items and shops: products of short vectors, few rows in every cell."""
    return planted(
        PlantedSpec(
            rows=rows, seed=seed, cardinalities=(800, 500, 300, 20, 10, 6),
            memorize_pairs=(), factorize_pairs=((0, 1), (0, 2)), rank=3, factorize=1.2, skew=0.5,
            names=("user", "item", "shop", "age", "channel", "country"),
        )
    )  # fmt: skip


def thresholds(rows: int, seed: int) -> Generated:
    """Numbers that matter by the thresholds they pass, by themselves and two at a time; some are missing."""
    generator = np.random.default_rng((seed, 3))
    columns = 14
    values = generator.standard_normal((rows, columns))
    values[:, ::3] = np.exp(values[:, ::3])
    cuts = np.quantile(values, generator.uniform(0.2, 0.8, columns), axis=0).diagonal()
    steps = (values > cuts).astype(float)
    logits = steps[:, :6] @ generator.choice((-1.0, 1.0), 6) * 0.9
    for left, right in ((0, 7), (2, 5), (8, 9)):
        logits += 1.4 * generator.choice((-1.0, 1.0)) * (steps[:, left] - 0.5) * (steps[:, right] - 0.5) * 2
    values[generator.random(values.shape) < 0.03] = np.nan
    names = tuple(f"x{column:02d}" for column in range(columns))
    frame: dict[str, Any] = dict(zip(names, values.T, strict=True))
    codes = skewed_codes(generator, rows, 8)
    frame["kind"] = _names("kind", codes)
    logits += generator.standard_normal(8)[codes] * 0.4
    return _drawn(frame, logits, generator, rate=0.25, numeric=names)


def access_log(rows: int, seed: int) -> Generated:
    """Requests of employees for resources, nearly all granted, as in Amazon's employee access challenge.

    Ids only, nearly as many and as wide as there; a role lies in a family, a manager in a department. Whether a request
    is granted hangs on the resource, the manager, the role, and how the resource's group suits the role's family.
    """
    generator = np.random.default_rng((seed, 4))
    sizes = {"resource": 7500, "manager": 4200, "role": 340, "title": 450, "description": 2300}
    codes = {name: skewed_codes(generator, rows, size, skew=1.1) for name, size in sizes.items()}
    for name, size, of in (
        ("family", 67, "role"),
        ("department", 177, "manager"),
        ("group", 12, "resource"),
    ):
        codes[name] = generator.integers(0, size, sizes[of])[codes[of]]
    logits = 0.9 * generator.standard_normal(sizes["resource"])[codes["resource"]]
    logits += 0.6 * generator.standard_normal(sizes["manager"])[codes["manager"]]
    logits += 0.9 * generator.standard_normal(sizes["role"])[codes["role"]]
    logits += 0.9 * generator.standard_normal((12, 67))[codes["group"], codes["family"]]
    # The group of a resource is not told: it shows in the resource's id only.
    frame = {name: _names(name, of) for name, of in codes.items() if name != "group"}
    return _drawn(frame, logits, generator, rate=0.94)


def drift(rows: int, seed: int) -> Generated:
    """Sixty days of impressions in the order of time, the last days are tested: effects turn, new ads come up."""
    generator = np.random.default_rng((seed, 5))
    day = np.sort(generator.integers(0, 60, rows))
    ads, sites, age = 1500, 200, generator.standard_normal(rows)
    # Of the ads, those that came up lately are shown most.
    ad = np.minimum((day / 60 * 0.7 * ads).astype(int) + skewed_codes(generator, rows, ads // 3), ads - 1)
    site, hour = skewed_codes(generator, rows, sites), generator.integers(0, 24, rows)
    early, late = generator.standard_normal((2, sites))
    turned = day / 59
    logits = 0.8 * ((1 - turned) * early[site] + turned * late[site])
    logits += 0.7 * generator.standard_normal(ads)[ad] + 0.5 * np.sin(hour / 24 * 2 * np.pi + 2 * turned)
    logits += 0.6 * age * (1 - 1.5 * turned)
    frame = {"day": day, "hour": hour, "age": age, "ad": _names("ad", ad), "site": _names("site", site)}
    made = _drawn(frame, logits, generator, rate=0.2, numeric=("day", "hour", "age"))
    made.frame[SPLIT] = np.select([day < 42, day < 48], ["train", "valid"], "test")
    return made


def few_matter(rows: int, seed: int) -> Generated:
    """Sixty fields: four matter by themselves, two others as a pair, and two numbers by their product."""
    generator = np.random.default_rng((seed, 6))
    sizes = np.geomspace(4, 400, 40).astype(int)
    order = generator.permutation(40)
    codes = [skewed_codes(generator, rows, sizes[place], skew=0.7) for place in order]
    numbers = generator.standard_normal((rows, 20))
    logits = 0.9 * numbers[:, 3] * numbers[:, 11]
    for field in (2, 9, 17, 30):
        logits += 0.5 * generator.standard_normal(sizes[order[field]])[codes[field]]
    left, right = (int(np.flatnonzero(order == place)[0]) for place in (20, 22))
    logits += generator.standard_normal((sizes[20], sizes[22]))[codes[left], codes[right]]
    frame: dict[str, Any] = {f"c{field:02d}": _names("v", of) for field, of in enumerate(codes)}
    names = tuple(f"n{column:02d}" for column in range(20))
    frame |= dict(zip(names, numbers.T, strict=True))
    return _drawn(frame, logits, generator, rate=0.3, numeric=names)


#: By name: the generator, and its rows unless others are asked for.
GENERATED: Mapping[str, tuple[Callable[[int, int], Generated], int]] = {
    "planted_pairs": (planted_pairs, 60_000),
    "low_rank": (low_rank, 60_000),
    "thresholds": (thresholds, 30_000),
    "access_log": (access_log, 32_769),
    "drift": (drift, 40_000),
    "few_matter": (few_matter, 30_000),
}


def planted(spec: PlantedSpec) -> Generated:
    made = generate(spec)
    frame = made.table.to_pandas().rename(columns={TARGET: LABEL})
    frame[SPLIT] = _parts(len(frame), np.random.default_rng((spec.seed, 1)))
    return Generated(frame, made.probabilities)


def _drawn(
    columns: Mapping[str, Any],
    logits: Floats,
    generator: np.random.Generator,
    *,
    rate: float,
    numeric: tuple[str, ...] = (),
) -> Generated:
    """Return the table with labels drawn so that about `rate` of them are 1."""
    low, high = -50.0, 50.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(logits + middle).mean() < rate else (low, middle)
    probabilities = _sigmoid(logits + low)
    frame = pd.DataFrame(columns)
    frame[LABEL] = (generator.random(len(logits)) < probabilities).astype(np.int8)
    frame[SPLIT] = _parts(len(logits), generator)
    return Generated(frame, probabilities, numeric)


def _parts(rows: int, generator: np.random.Generator) -> NDArray[Any]:
    return generator.choice(np.array(["train", "valid", "test"]), rows, p=(0.7, 0.1, 0.2))


def _names(name: str, codes: NDArray[np.integer[Any]]) -> Any:
    """Return a column of texts whose order says nothing."""
    texts = np.random.default_rng(len(codes)).permutation(int(codes.max()) + 1).astype(str)
    return np.char.add(f"{name}_", texts)[codes]


def _sigmoid(logits: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-logits))

"""Generated click tables with known truth: the pairs that need memorizing, that need factorizing, and all others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autofi.errors import DataError, nearest
from autofi.metrics.ranking import auc

Kind = Literal["memorize", "factorize", "naive"]
Pair = tuple[int, int]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

TARGET = "click"
_NAMES = ("hour", "city", "device", "category", "site", "ad", "app", "slot")


@dataclass(frozen=True)
class PlantedSpec:
    """Settings of a generated table.

    Strengths are standard deviations over rows, in logits. A memorized pair should have few cells (each seen often) but
    far more values on either side than an embedding has dimensions, or factorizing learns it, too. A factorized pair
    should have about as many cells as there are rows. The defaults and `random` keep to that.

    Attributes:
        rows: Number of rows.
        cardinalities: Number of values of each field.
        names: Names of the fields.
        memorize_pairs: Pairs of field positions, left < right, with a free effect per cell.
        factorize_pairs: Pairs of field positions, left < right, with an effect of low rank.
        products: Sets of three or more fields whose numbers, one per value, are multiplied; no pair of them has an
            effect.
        rank: Rank of factorized effects.
        main: Strength of each field's own effect.
        memorize: Strength of each memorized pair.
        factorize: Strength of each factorized pair.
        product: Strength of each of `products`.
        skew: Frequencies of values fall as rank ** -skew.
        missing_share: Share of missing values; missing is one more value with its own effects.
        base_rate: Click rate.
        seed: Seed of all random numbers.

    Raises:
        DataError: A value is out of its range.
    """

    rows: int = 120_000
    cardinalities: tuple[int, ...] = (24, 60, 32, 48, 400, 300, 250, 12)
    names: tuple[str, ...] = _NAMES
    memorize_pairs: tuple[Pair, ...] = ((0, 1), (2, 3))
    factorize_pairs: tuple[Pair, ...] = ((4, 5), (4, 6))
    products: tuple[tuple[int, ...], ...] = ()
    rank: int = 3
    main: float = 0.3
    memorize: float = 0.9
    factorize: float = 1.1
    product: float = 1.2
    skew: float = 0.5
    missing_share: float = 0.01
    base_rate: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.names) != len(self.cardinalities) or len(set(self.names)) != len(self.names):
            raise DataError(
                f"The {len(self.names)} names of planted data are not one distinct name for each of "
                f"{len(self.cardinalities)} cardinalities; change either."
            )
        if TARGET in self.names:
            raise DataError(
                f"A field is named '{TARGET}', which is the target of planted data; rename the field."
            )
        _within("rows", self.rows, 1, None)
        _within("rank", self.rank, 1, None)
        _within("seed", self.seed, 0, None)
        for cardinality in self.cardinalities:
            _within("cardinalities", cardinality, 2, None)
        for strength in ("main", "memorize", "factorize", "product", "skew"):
            _within(strength, getattr(self, strength), 0.0, None)
        _within("missing_share", self.missing_share, 0.0, 0.9)
        _within("base_rate", self.base_rate, 1e-4, 1.0 - 1e-4)
        planted = self.memorize_pairs + self.factorize_pairs
        for left, right in planted:
            if not 0 <= left < right < len(self.cardinalities):
                raise DataError(
                    f"The planted pair ({left}, {right}) is not two field positions; write left < right < "
                    f"{len(self.cardinalities)}."
                )
        if len(set(planted)) != len(planted):
            raise DataError("A pair of memorize_pairs or factorize_pairs is there twice; remove one.")

        for fields in self.products:
            if (
                len(fields) < 3
                or list(fields) != sorted({*fields})
                or not 0 <= fields[0] <= fields[-1] < len(self.names)
            ):
                raise DataError(
                    f"The planted product {fields} is not three or more field positions, rising and below "
                    f"{len(self.names)}; correct it."
                )

    @classmethod
    def random(cls, seed: int, **changes: Any) -> PlantedSpec:
        """Return a spec with randomly drawn pairs, as many of each kind as `changes` or the defaults have.

        Memorized pairs are drawn among those with at least 30 rows per cell and 20 values on either side (with fewer,
        the product of embeddings fits every cell), factorized ones among those with at most 3 rows per cell.

        Raises:
            DataError: There are too few such pairs.
        """
        spec = cls(seed=seed, **changes)
        generator = np.random.default_rng((seed, 1))
        dense, sparse = [], []
        for pair in combinations(range(len(spec.cardinalities)), 2):
            sides = sorted(spec.cardinalities[field] for field in pair)
            rows_per_cell = spec.rows / (sides[0] * sides[1])
            if rows_per_cell >= 30.0 and sides[0] >= 20:
                dense.append(pair)
            elif rows_per_cell <= 3.0:
                sparse.append(pair)
        return dataclasses.replace(
            spec,
            memorize_pairs=_draw(generator, dense, len(spec.memorize_pairs), "memorize"),
            factorize_pairs=_draw(generator, sparse, len(spec.factorize_pairs), "factorize"),
        )

    @property
    def truth(self) -> dict[tuple[str, str], Kind]:
        """The right kind for every pair of column names, in table order."""
        kinds: dict[Pair, Kind] = dict.fromkeys(self.memorize_pairs, "memorize")
        kinds.update(dict.fromkeys(self.factorize_pairs, "factorize"))
        return {
            (self.names[left], self.names[right]): kinds.get((left, right), "naive")
            for left, right in combinations(range(len(self.names)), 2)
        }


@dataclass(frozen=True)
class PlantedTable:
    """A generated table with its truth.

    Attributes:
        spec: Settings of the table.
        table: Text columns (missing as null; `hour` reads as a number) and `click`, 0 or 1.
        truth: The right kind of every pair of columns.
        probabilities: Click probability of every row, `[N]`.
        bayes_auc: AUC of the probabilities, which no model can expect to pass.
    """

    spec: PlantedSpec
    table: pa.Table
    truth: Mapping[tuple[str, str], Kind]
    probabilities: Floats
    bayes_auc: float


def generate(spec: PlantedSpec) -> PlantedTable:
    """Return the table of `spec`; equal specs give equal tables. It takes about 0.3 s per million values."""
    values_rng, effects_rng, labels_rng, products_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence(spec.seed).spawn(4)
    )
    shares = [
        _shares(cardinality, skew=spec.skew, missing_share=spec.missing_share)
        for cardinality in spec.cardinalities
    ]
    codes = [_sample(share, spec.rows, values_rng) for share in shares]
    logits = np.zeros(spec.rows)
    for share, code in zip(shares, codes, strict=True):
        logits += _main_effect(share, spec.main, effects_rng)[code]
    for left, right in spec.memorize_pairs:
        cells = _cell_effect(shares[left], shares[right], spec.memorize, effects_rng)
        logits += cells[codes[left], codes[right]]
    for left, right in spec.factorize_pairs:
        u, v = _low_rank_effect(shares[left], shares[right], spec.rank, spec.factorize, effects_rng)
        logits += np.einsum("nr,nr->n", u[codes[left]], v[codes[right]])
    for fields in spec.products:
        # The factors are independent, of mean 0 and deviation 1. So is their product, even if some of them are known.
        factors = [_main_effect(shares[field], 1.0, products_rng)[codes[field]] for field in fields]
        logits += spec.product * np.prod(factors, axis=0)
    probabilities = _sigmoid(logits + _intercept(logits, spec.base_rate))
    clicks = labels_rng.random(spec.rows) < probabilities
    columns: dict[str, pa.Array] = {
        name: _column(name, code, cardinality, values_rng)
        for name, code, cardinality in zip(spec.names, codes, spec.cardinalities, strict=True)
    }
    columns[TARGET] = pa.array(clicks.astype(np.int8))
    return PlantedTable(spec, pa.table(columns), spec.truth, probabilities, auc(clicks, probabilities))


def planted_from_name(text: str) -> PlantedTable:
    """Return the table of a named source: "planted", or "planted:seed=3,rows=50000" with settings of `PlantedSpec`.

    "pairs=random" draws the planted pairs by the seed, and "pairs=none" plants none. "products=0-1-2+4-5-6-7" plants
    two products, of three and of four fields.

    Raises:
        DataError: The name or an option is not valid.
    """
    name, _, rest = text.partition(":")
    if name != "planted":
        raise DataError(f"'{text}' is not a generated source; write 'planted' or 'planted:option=value,...'.")
    kinds = {
        field.name: type(field.default)
        for field in dataclasses.fields(PlantedSpec)
        if isinstance(field.default, (int, float))
    }
    settings: dict[str, Any] = {}
    pairs = "default"
    for option in filter(None, (part.strip() for part in rest.split(","))):
        key, _, value = (part.strip() for part in option.partition("="))
        if key == "pairs":
            if value not in ("default", "random", "none"):
                raise DataError(f"'pairs' is '{value}' in '{text}'; write 'default', 'random' or 'none'.")
            pairs = value
        elif key == "products":
            settings[key] = _products(value, text)
        elif key not in kinds:
            raise DataError(
                f"Unknown option '{key}' in '{text}'; {nearest(key, [*kinds, 'pairs', 'products'])}"
            )
        elif key in settings:
            raise DataError(f"The option '{key}' is given twice in '{text}'; remove one.")
        else:
            try:
                settings[key] = kinds[key](value)
            except ValueError:
                raise DataError(
                    f"'{key}' is '{value}' in '{text}'; write a number ({kinds[key].__name__})."
                ) from None
    if pairs == "random":
        return generate(PlantedSpec.random(settings.pop("seed", PlantedSpec.seed), **settings))
    if pairs == "none":
        settings |= {"memorize_pairs": (), "factorize_pairs": ()}
    return generate(PlantedSpec(**settings))


def _products(value: str, text: str) -> tuple[tuple[int, ...], ...]:
    try:
        return tuple(tuple(map(int, fields.split("-"))) for fields in value.split("+"))
    except ValueError:
        raise DataError(f"'products' is '{value}' in '{text}'; write it like 0-1-2+4-5-6-7.") from None


def _shares(cardinality: int, *, skew: float, missing_share: float) -> Floats:
    """Return the probability of each value, and of missing as the last entry."""
    falling = np.arange(1, cardinality + 1, dtype=np.float64) ** -skew
    return np.append(falling / falling.sum() * (1.0 - missing_share), missing_share)


def _sample(shares: Floats, rows: int, generator: np.random.Generator) -> Codes:
    edges = np.cumsum(shares)
    # The last edge may be below 1 by rounding; numbers beyond it belong to the last value with any share.
    last = int(np.flatnonzero(shares)[-1])
    drawn = np.searchsorted(edges, generator.random(rows), side="right")
    return np.minimum(drawn, last).astype(np.int32)


def _main_effect(shares: Floats, strength: float, generator: np.random.Generator) -> Floats:
    effect = generator.standard_normal(len(shares))
    effect -= shares @ effect
    return effect * (strength / np.sqrt(shares @ effect**2))


def _cell_effect(left: Floats, right: Floats, strength: float, generator: np.random.Generator) -> Floats:
    """Return free effects `[left, right]` whose mean over either field, at its frequencies, is 0.

    So they contain no main effect, and as they are of full rank, they have no short factorization.
    """
    effect = generator.standard_normal((len(left), len(right)))
    effect -= left @ effect
    effect -= (effect @ right)[:, None]
    return effect * (strength / np.sqrt(left @ effect**2 @ right))


def _low_rank_effect(
    left: Floats, right: Floats, rank: int, strength: float, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return factors u `[left, rank]` and v `[right, rank]` with mean 0 at the frequencies; the effect is u @ v.T."""
    u = generator.standard_normal((len(left), rank))
    v = generator.standard_normal((len(right), rank))
    u -= left @ u
    v -= right @ v
    # For independent fields, the variance of u.v is the trace of the product of both second moments.
    variance = np.trace((u.T * left) @ u @ (v.T * right) @ v)
    return u * (strength / np.sqrt(variance)), v


def _intercept(logits: Floats, base_rate: float) -> float:
    """Return the constant that makes the mean probability `base_rate`, found by bisection."""
    low, high = -60.0 - float(logits.max()), 60.0 - float(logits.min())
    for _ in range(50):
        middle = (low + high) / 2.0
        if float(_sigmoid(logits + middle).mean()) < base_rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _sigmoid(logits: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def _column(name: str, codes: Codes, cardinality: int, generator: np.random.Generator) -> pa.Array:
    """Return the column of codes, with names in random order, so that a name does not reveal the frequency."""
    labels = generator.permutation(cardinality)
    words = [str(label) if name == "hour" else f"{name}_{label}" for label in labels]
    missing = codes == cardinality
    indices = pa.array(np.where(missing, 0, codes), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words)).cast(pa.string())


def _draw(generator: np.random.Generator, pairs: list[Pair], count: int, kind: str) -> tuple[Pair, ...]:
    if len(pairs) < count:
        raise DataError(
            f"Only {len(pairs)} of the {count} pairs needed suit '{kind}' at these rows and cardinalities; change "
            "either, or name the pairs yourself."
        )
    chosen = generator.choice(len(pairs), size=count, replace=False)
    return tuple(pairs[index] for index in sorted(chosen))


def _within(name: str, value: float, low: float, high: float | None) -> None:
    if not (value >= low and (high is None or value <= high)) or not np.isfinite(value):
        bounds = f"at least {low}" if high is None else f"in {low}..{high}"
        raise DataError(f"'{name}' of planted data is {value}; it must be {bounds}.")

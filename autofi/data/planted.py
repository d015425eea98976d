"""Generated click tables whose truth is known: which pairs of fields only memorizing can learn, which only
factorizing, and which carry nothing."""

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
    """What to generate.

    Strengths are standard deviations over rows, in logits: `main` of each field's own effect, `memorize` and
    `factorize` of each planted pair's, `product` of each of `products`: a number per value of three fields or more,
    multiplied, of which no pair of them says anything. Pairs are field positions, left < right. A memorized pair
    should have few cells (each seen often) but far more values on either side than an embedding has dimensions, or
    factorizing reaches it too; a factorized pair about as many cells as rows. The defaults and `random` keep
    to that. Value frequencies fall as rank ** -skew, and missing is one more value with its own effects.
    Raises DataError on values out of range.
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
                f"Planted data needs one distinct name per field: {len(self.names)} names "
                f"for {len(self.cardinalities)} cardinalities."
            )
        if TARGET in self.names:
            raise DataError(f"Planted data keeps the name '{TARGET}' for its target; rename the field.")
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
                    f"A planted pair is two field positions, left < right < {len(self.cardinalities)}: "
                    f"found ({left}, {right})."
                )
        if len(set(planted)) != len(planted):
            raise DataError(
                "A pair can be planted once: some pair of memorize_pairs or factorize_pairs repeats."
            )

        for fields in self.products:
            if (
                len(fields) < 3
                or list(fields) != sorted({*fields})
                or not 0 <= fields[0] <= fields[-1] < len(self.names)
            ):
                raise DataError(
                    f"A planted product is three field positions or more, rising and below {len(self.names)}: "
                    f"found {fields}."
                )

    @classmethod
    def random(cls, seed: int, **changes: Any) -> PlantedSpec:
        """A spec whose seed also draws which pairs are planted, as many of each kind as otherwise.

        Memorized ones are drawn among pairs with at least 30 rows per cell and 20 values on either side (with
        fewer, an embedding's product reaches every cell), factorized ones among those with at most 3 rows per
        cell. Raises DataError when too few pairs are like that.
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
        """What is right for every pair of column names, in table order."""
        kinds: dict[Pair, Kind] = dict.fromkeys(self.memorize_pairs, "memorize")
        kinds.update(dict.fromkeys(self.factorize_pairs, "factorize"))
        return {
            (self.names[left], self.names[right]): kinds.get((left, right), "naive")
            for left, right in combinations(range(len(self.names)), 2)
        }


@dataclass(frozen=True)
class PlantedTable:
    """Generated rows: string columns (missing as null; `hour` reads as a number) and `click` 0/1, with the
    truth, every row's click probability, and the AUC of those, which no model can expect to pass."""

    spec: PlantedSpec
    table: pa.Table
    truth: Mapping[tuple[str, str], Kind]
    probabilities: Floats
    bayes_auc: float


def generate(spec: PlantedSpec) -> PlantedTable:
    """Draw the table of `spec`; equal specs give equal tables. About 0.3 s per million values."""
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
        # Independent, each of mean 0 and deviation 1: so is their product, whatever some of them are.
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
    """Generate from a named source: "planted", or "planted:seed=3,rows=50000" with any scalar setting of
    `PlantedSpec`; "pairs=random" draws by the seed which pairs are planted, "pairs=none" plants none;
    "products=0-1-2+4-5-6-7" plants two products, of three and of four fields. Raises DataError."""
    name, _, rest = text.partition(":")
    if name != "planted":
        raise DataError(f"A generated source is 'planted' or 'planted:option=value,...': found '{text}'.")
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
                raise DataError(f"'pairs' is 'default', 'random' or 'none': found '{value}' in '{text}'.")
            pairs = value
        elif key == "products":
            settings[key] = _products(value, text)
        elif key not in kinds:
            raise DataError(
                f"Unknown option '{key}' in '{text}'; {nearest(key, [*kinds, 'pairs', 'products'])}"
            )
        elif key in settings:
            raise DataError(f"An option may be given once: '{key}' repeats in '{text}'.")
        else:
            try:
                settings[key] = kinds[key](value)
            except ValueError:
                raise DataError(
                    f"'{key}' takes {kinds[key].__name__}: found '{value}' in '{text}'."
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
        raise DataError(f"'products' is such as 0-1-2+4-5-6-7: found '{value}' in '{text}'.") from None


def _shares(cardinality: int, *, skew: float, missing_share: float) -> Floats:
    """Probability of each value, and of missing as the last entry."""
    falling = np.arange(1, cardinality + 1, dtype=np.float64) ** -skew
    return np.append(falling / falling.sum() * (1.0 - missing_share), missing_share)


def _sample(shares: Floats, rows: int, generator: np.random.Generator) -> Codes:
    edges = np.cumsum(shares)
    # The last edge may fall below 1 by rounding; what lies beyond belongs to the last value with any share.
    last = int(np.flatnonzero(shares)[-1])
    drawn = np.searchsorted(edges, generator.random(rows), side="right")
    return np.minimum(drawn, last).astype(np.int32)


def _main_effect(shares: Floats, strength: float, generator: np.random.Generator) -> Floats:
    effect = generator.standard_normal(len(shares))
    effect -= shares @ effect
    return effect * (strength / np.sqrt(shares @ effect**2))


def _cell_effect(left: Floats, right: Floats, strength: float, generator: np.random.Generator) -> Floats:
    """[left, right] free effects whose mean over either field, at its frequencies, is 0: no main effect hides
    in them, and being of full rank they have no short factorization."""
    effect = generator.standard_normal((len(left), len(right)))
    effect -= left @ effect
    effect -= (effect @ right)[:, None]
    return effect * (strength / np.sqrt(left @ effect**2 @ right))


def _low_rank_effect(
    left: Floats, right: Floats, rank: int, strength: float, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Factors [left, rank] and [right, rank] with mean 0 at the frequencies; the effect is u @ v.T."""
    u = generator.standard_normal((len(left), rank))
    v = generator.standard_normal((len(right), rank))
    u -= left @ u
    v -= right @ v
    # Over independent fields the variance of u.v is the trace of the product of both second moments.
    variance = np.trace((u.T * left) @ u @ (v.T * right) @ v)
    return u * (strength / np.sqrt(variance)), v


def _intercept(logits: Floats, base_rate: float) -> float:
    """The constant that makes the mean probability `base_rate`; the mean rises with it: bisection."""
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
    """Values are named in random order, so that a name does not tell how frequent the value is."""
    labels = generator.permutation(cardinality)
    words = [str(label) if name == "hour" else f"{name}_{label}" for label in labels]
    missing = codes == cardinality
    indices = pa.array(np.where(missing, 0, codes), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words)).cast(pa.string())


def _draw(generator: np.random.Generator, pairs: list[Pair], count: int, kind: str) -> tuple[Pair, ...]:
    if len(pairs) < count:
        raise DataError(
            f"Too few pairs of fields suit '{kind}' at these rows and cardinalities: {len(pairs)} of the "
            f"{count} needed; change either, or name the pairs yourself."
        )
    chosen = generator.choice(len(pairs), size=count, replace=False)
    return tuple(pairs[index] for index in sorted(chosen))


def _within(name: str, value: float, low: float, high: float | None) -> None:
    if not (value >= low and (high is None or value <= high)) or not np.isfinite(value):
        bounds = f"at least {low}" if high is None else f"in {low}..{high}"
        raise DataError(f"Planted data needs '{name}' {bounds}: found {value}.")

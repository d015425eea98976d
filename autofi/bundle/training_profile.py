"""The training profile: a record of each field's training values, with which scored rows are compared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from autofi.bundle.manifest import Manifest
from autofi.core.strict_json import read_object
from autofi.errors import ExportError

#: The record per field, and the hashes of its values; bundles of early versions have neither.
TRAINING_PROFILE = "training_profile.json"
TRAINING_VALUES = "training_values.parquet"
#: The most hashes that are kept per field, 4 bytes each.
MOST_VALUES = 1 << 20
#: The share of the training numbers at either end that is called rare.
RARE_SHARE = 0.01

LARGEST_HASH = (1 << 32) - 1
_FORMAT = 1
_HASH_BYTES = 4
#: The most characters of an error that are passed on.
_REASON = 300
_QUANTILES = (RARE_SHARE, 0.25, 0.5, 0.75, 1 - RARE_SHARE)

Hashes = NDArray[np.uint32]


@dataclass(frozen=True)
class Share:
    """A count out of a total; `value` is NaN where the total is 0."""

    count: int
    of: int

    @property
    def value(self) -> float:
        return self.count / self.of if self.of else math.nan


@dataclass(frozen=True)
class NumberRange:
    """The range of a numeric field's training numbers.

    Attributes:
        lowest: The smallest number.
        highest: The largest number.
        quantiles: By share of the training rows; the ends are the 1st and the 99th percentile.
        rare: Validation numbers below the first or above the last of the quantiles.
    """

    lowest: float
    highest: float
    quantiles: Mapping[float, float]
    rare: Share

    @property
    def usual(self) -> tuple[float, float]:
        """The 1st and the 99th percentile."""
        return self.quantiles[_QUANTILES[0]], self.quantiles[_QUANTILES[-1]]


@dataclass(frozen=True, eq=False)
class KnownValues:
    """The values of a field in training rows, as the upper half of their 64-bit XXH3.

    Beyond `MOST_VALUES` the smallest hashes are kept, and only values whose hash is at most `bound` are
    compared: a random part of the values. At most one unseen value in 4,000 is taken for a seen one.
    """

    hashes: Hashes
    """The hashes in rising order."""
    bound: int = LARGEST_HASH

    @classmethod
    def of(cls, parts: Sequence[Hashes]) -> KnownValues:
        """Return the record of a vocabulary from the hashes of its values, in any order."""
        hashes = np.unique(np.concatenate([np.empty(0, dtype=np.uint32), *parts]))
        if len(hashes) <= MOST_VALUES:
            return cls(hashes)
        return cls(hashes[:MOST_VALUES], int(hashes[MOST_VALUES - 1]))

    def compare(self, values: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the masks of the values that are compared, and of the values that are known, both `[N]`."""
        hashes = hash_texts(values)
        places = np.searchsorted(self.hashes, hashes)
        inside = places < len(self.hashes)
        known = np.zeros(len(hashes), dtype=bool)
        known[inside] = self.hashes[places[inside]] == hashes[inside]
        return hashes <= self.bound, known


@dataclass(frozen=True)
class FieldProfile:
    """One field of the training profile.

    Attributes:
        name: The field.
        missing: Training rows without a value.
        unseen: Validation values (tokens of a multi-valued field) that training rows do not have, the share to
            expect in new rows; None in a numeric field.
        values: The training values; None in a numeric field.
        numbers: The range of a numeric field; None in another field.
    """

    name: str
    missing: Share
    unseen: Share | None = None
    values: KnownValues | None = None
    numbers: NumberRange | None = None


@dataclass(frozen=True)
class TrainingProfile:
    """The profiles of all fields of an encoder, and the numbers of rows that they were counted on."""

    training_rows: int
    validation_rows: int
    fields: tuple[FieldProfile, ...]

    def write(self, folder: Path) -> None:
        """Write `training_profile.json` and `training_values.parquet`."""
        document = {
            "format": _FORMAT,
            "training_rows": self.training_rows,
            "validation_rows": self.validation_rows,
            "fields": [_described(field) for field in self.fields],
        }
        (folder / TRAINING_PROFILE).write_text(
            json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        hashes = [field.values.hashes for field in self.fields if field.values is not None]
        column = np.concatenate([np.empty(0, dtype=np.uint32), *hashes])
        # Hashes are random numbers, so neither a dictionary nor compression makes them smaller.
        pq.write_table(
            pa.table({"hash": column}), folder / TRAINING_VALUES, compression="none", use_dictionary=False
        )


def read_training_profile(folder: Path, manifest: Manifest) -> TrainingProfile | None:
    """Return the profile that `TrainingProfile.write` wrote; None where an earlier version exported the bundle.

    Raises:
        ExportError: The files are not a valid profile.
    """
    if TRAINING_PROFILE not in manifest.files:
        return None
    path = folder / TRAINING_PROFILE
    try:
        if TRAINING_VALUES not in manifest.files:
            raise ValueError(f"the manifest has no {TRAINING_VALUES}")
        document = read_object(path)
        if document["format"] != _FORMAT:
            raise ValueError(f"format {str(document['format'])[:40]!a} is not {_FORMAT}")
        hashes = _hashes(folder / TRAINING_VALUES)
        fields, taken = [], 0
        for described in document["fields"]:
            known = described["values"]
            rows = 0 if known is None else _count(known["kept"])
            if not 0 <= rows <= len(hashes) - taken:
                raise ValueError(f"'{TRAINING_VALUES}' has fewer values than it says")
            fields.append(_field(described, hashes[taken : taken + rows]))
            taken += rows
        if len({field.name for field in fields}) < len(fields):
            raise ValueError("a field is there twice")
        return TrainingProfile(
            _count(document["training_rows"]), _count(document["validation_rows"]), tuple(fields)
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:_REASON] or type(error).__name__
        raise ExportError(
            f"'{path}' is not a valid training profile ({reason}); export the bundle again."
        ) from error


def hash_texts(values: Sequence[str]) -> Hashes:
    """Return the upper half of the XXH3 of each text's UTF-8 bytes."""
    return np.array([xxhash.xxh3_64_intdigest(value.encode()) >> 32 for value in values], dtype=np.uint32)


def quantiles_of(
    positions: NDArray[np.floating[Any]], borders: NDArray[np.float64]
) -> tuple[NDArray[np.float64], dict[float, float]]:
    """Return the places of the profile's quantiles among positions, and by their share the numbers at these places."""
    places = np.quantile(positions, _QUANTILES)
    numbers = np.interp(places, np.arange(len(borders)), borders)
    return places, {share: float(number) for share, number in zip(_QUANTILES, numbers, strict=True)}


def _hashes(path: Path) -> Hashes:
    """Return the hashes of all fields, one after the other.

    A small file that claims to hold billions of hashes is refused before it is unpacked.
    """
    size = path.stat().st_size
    with pq.ParquetFile(path) as file:
        kinds, found = file.schema_arrow, file.metadata
        if kinds.names != ["hash"] or kinds.types != [pa.uint32()]:
            raise ValueError(f"'{path.name}' holds {str(kinds.types[:3])[:80]}, not hashes")
        if found.num_rows * _HASH_BYTES > size:
            raise ValueError(f"'{path.name}' says that {size:,} bytes hold {found.num_rows:,} hashes")
        codecs = {found.row_group(group).column(0).compression for group in range(found.num_row_groups)}
        if codecs - {"UNCOMPRESSED"}:
            raise ValueError(f"'{path.name}' is compressed, and AutoFI writes it plain")
        column = file.read()["hash"]
    if column.null_count:
        raise ValueError(f"'{path.name}' holds rows without a hash")
    hashes: Hashes = column.to_numpy()
    return hashes


def _described(field: FieldProfile) -> dict[str, Any]:
    known, numbers = field.values, field.numbers
    return {
        "name": field.name,
        "missing": _counts(field.missing),
        "unseen": None if field.unseen is None else _counts(field.unseen),
        "values": None if known is None else {"kept": len(known.hashes), "bound": known.bound},
        "numbers": numbers
        and {
            "lowest": numbers.lowest,
            "highest": numbers.highest,
            "quantiles": {str(share): number for share, number in numbers.quantiles.items()},
            "rare": _counts(numbers.rare),
        },
    }


def _field(described: Mapping[str, Any], hashes: Hashes) -> FieldProfile:
    known, numbers, unseen = described["values"], described["numbers"], described["unseen"]
    values = None
    if known is not None:
        bound = _count(known["bound"])
        if bound > LARGEST_HASH or (np.diff(hashes.astype(np.int64)) <= 0).any():
            raise ValueError(f"the hashes of field {str(described['name'])[:40]!a} are not in rising order")
        values = KnownValues(hashes, bound)
    return FieldProfile(
        name=_text(described["name"]),
        missing=_share(described["missing"]),
        unseen=None if unseen is None else _share(unseen),
        values=values,
        numbers=None if numbers is None else _range(numbers),
    )


def _range(described: Mapping[str, Any]) -> NumberRange:
    quantiles = {float(share): _number(number) for share, number in described["quantiles"].items()}
    found = NumberRange(
        _number(described["lowest"]), _number(described["highest"]), quantiles, _share(described["rare"])
    )
    rising = [found.lowest, *quantiles.values(), found.highest]
    if tuple(quantiles) != _QUANTILES or rising != sorted(rising):
        raise ValueError(
            "the numbers of a range do not rise, or have other quantiles than those of this version"
        )
    return found


def _counts(share: Share) -> list[int]:
    return [share.count, share.of]


def _share(counts: Sequence[Any]) -> Share:
    count, of = map(_count, counts)
    if count > of:
        raise ValueError(f"{count} of {of} is no share")
    return Share(count, of)


def _count(given: Any) -> int:
    if type(given) is not int or not 0 <= given < 1 << 62:
        raise ValueError(f"{str(given)[:40]!a} is not a number of rows or values")
    return given


def _number(given: Any) -> float:
    if type(given) is int and abs(given) < 1 << 62:
        return float(given)
    if type(given) is not float or not math.isfinite(given):
        raise ValueError(f"{str(given)[:40]!a} is no number")
    return given


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError(f"{str(given)[:40]!a} is no name of a field")
    return given

"""Parsers of texts as numbers, times and durations, which work on whole Arrow arrays.

Every parser takes string arrays without spaces around the texts, and returns values with a mask of those that could be
read. A text takes some ten nanoseconds if all are plainly written, else some hundred, so callers pass distinct texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from autofi.values.value_types import MISSING_MARKS, Reading, ValueType

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Parser = Callable[[pa.StringArray], tuple[Floats, Mask]]

SPACES = " \t\r\n\v\f\u00a0\u202f\ufeff"
MICROSECONDS = 1_000_000
_INT64_LIMIT = 2.0**63

_EXPONENT = r"([eE][+-]?[0-9]+)?"
_NUMBER = rf"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}$"
_INFINITE = r"(?i)^[+-]?inf(inity)?$"
_PADDED = r"^[+-]?0[0-9]"
_INTEGER = r"^(0|-?[1-9][0-9]*)$"
# No mark of a missing value begins like this.
_SURELY_VALUES = r"^[+-]?[0-9]"
_WHOLE = r"^([+-]?)(0|[1-9][0-9]*)(\.0*)?$"
_ONE_POINT = r"^[+-]?[0-9]+\.[0-9]+$"
_ONE_GROUP = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"
# A mark between groups of three digits, the other one before the fraction.
_GROUP = {".": r"[,' \x{a0}\x{202f}]", ",": r"[.' \x{a0}\x{202f}]"}
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}(:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?)?"
_MOMENT = rf"^{_DATE}([Tt ]{_CLOCK})?$"
_ZONED = rf"^{_DATE}[Tt ]{_CLOCK} ?([zZ]|UTC|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$"
_OF_DAY = r"(?P<h>[0-9]{1,2}):(?P<m>[0-9]{2})(?::(?P<s>[0-9]{2})(?:\.(?P<f>[0-9]+))?)?"
_TIME_OF_DAY = rf"^{_OF_DAY}$"
# Durations as pandas and Python write them, and ISO 8601. pandas writes the sign of the days apart: P-1DT23H59M53S.
_DAYS = rf"^(?P<d>[+-]?[0-9]+) days?,?(?: (?P<n>[+-]?){_OF_DAY})?$"
_ISO = (
    r"^(?P<n>[+-]?)P(?:(?P<d>[+-]?[0-9]+)D)?"
    r"(?:T(?:(?P<h>[0-9]+)H)?(?:(?P<m>[0-9]+)M)?(?:(?P<s>[0-9]+)(?:\.(?P<f>[0-9]+))?S)?)?$"
)


def trimmed(texts: pa.StringArray) -> pa.StringArray:
    """Return the texts without spaces around them."""
    return pc.utf8_trim(texts, SPACES)


def is_mark(texts: pa.StringArray, reading: Reading) -> Mask:
    """Return a mask of the texts that are a mark of a missing value, ignoring spaces around them; null is none.

    In columns of text, only the empty text and the texts of `reading.missing` are marks.
    """
    if reading.numeric and not reading.marks and all_match(texts, _SURELY_VALUES):
        return np.zeros(len(texts), dtype=bool)
    cut = trimmed(texts) if reading.numeric or reading.marks else texts
    found = _mask(pc.is_in(cut, pa.array(sorted({"", *reading.marks}), pa.string())))
    if reading.numeric:
        # The longest mark has four letters, so only short texts are converted to lower case.
        short = pc.if_else(pc.less_equal(pc.binary_length(cut), 4), cut, pa.scalar(None, pa.string()))
        marks = pa.array(sorted(MISSING_MARKS), pa.string())
        found |= _mask(pc.is_in(pc.utf8_lower(short), marks, skip_nulls=True))
    return found


def integer_texts(texts: pa.StringArray, decimal: str | None, *, grouped: bool = True) -> pa.StringArray:
    """Return whole numbers as plain decimal texts (7.0, +7 and 7e0 become 7, true becomes 1); other texts stay.

    Numbers with a fraction get their shortest text. Numbers with leading zeros are texts.
    """
    if all_match(texts, _INTEGER):
        return texts
    cut = _without_groups(trimmed(texts), decimal, grouped)
    whole = pc.match_substring_regex(cut, _WHOLE)
    plain = pc.replace_substring_regex(cut, _WHOLE, r"\1\2")
    plain = pc.replace_substring_regex(plain, r"^(\+|-(0$))", r"\2")
    read = pc.if_else(whole, plain, texts)
    # The remaining texts are rare: exponents, fractions, booleans.
    left = np.flatnonzero(_mask(pc.invert(whole)) & valid(texts))
    if not len(left):
        return read
    rest = cut.take(pa.array(left))
    values, sound = parse_numbers(rest, None)
    sound &= np.isfinite(values) & ~_mask(pc.match_substring_regex(rest, _PADDED))
    spelled = pc.if_else(pa.array(sound), number_texts(values), texts.take(pa.array(left)))
    return pc.replace_with_mask(read, pc.and_(pc.invert(whole), pc.is_valid(texts)), spelled)


def number_texts(values: Floats, written: pa.StringArray | None = None) -> pa.StringArray:
    """Return the shortest text of each number, without a fraction for whole ones; NaN is null.

    Args:
        values: Numbers, `[N]`.
        written: The texts of numbers with a fraction, if they differ from those of the float64 numbers.
    """
    missing = np.isnan(values)
    whole = (np.floor(values) == values) & (np.abs(values) < _INT64_LIMIT)
    integers = pc.cast(pa.array(np.where(whole, values, 0.0).astype(np.int64)), pa.string())
    if bool((whole | missing).all()):
        return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), integers)
    if written is None:
        written = pc.cast(pa.array(values), pa.string())
    text = pc.if_else(pa.array(whole), integers, written)
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), text)


def parse_numbers(texts: pa.StringArray, decimal: str | None, *, grouped: bool = True) -> tuple[Floats, Mask]:
    """Return texts as float64 numbers; true and false are 1 and 0, null is NaN and counts as read.

    `decimal` and `grouped` are those of `Reading`.
    """
    if decimal is None:
        with suppress(pa.ArrowInvalid):
            return _floats(pc.cast(texts, pa.float64())), np.ones(len(texts), dtype=bool)
    cut = _without_groups(texts, decimal, grouped)
    lower = pc.utf8_lower(cut)
    cut = pc.if_else(pc.equal(lower, "true"), "1", pc.if_else(pc.equal(lower, "false"), "0", cut))
    sound = pc.or_(pc.match_substring_regex(cut, _NUMBER), pc.match_substring_regex(cut, _INFINITE))
    values = pc.cast(pc.if_else(sound, cut, pa.scalar(None, pa.string())), pa.float64())
    return _floats(values), _mask(sound) | ~valid(texts)


def parse_times(texts: pa.StringArray) -> tuple[Floats, Mask]:
    """Return ISO 8601 dates, timestamps and plain numbers as seconds since 1970-01-01 UTC, to the microsecond."""
    zoned = pc.match_substring_regex(texts, _ZONED)
    moment = pc.match_substring_regex(texts, _MOMENT)
    values, sound = parse_numbers(
        pc.if_else(pc.or_(zoned, moment), pa.scalar(None, pa.string()), texts), None
    )
    # Arrow reads at most six digits of the fraction of a second.
    cut = pc.replace_substring_regex(texts, r"[.,]([0-9]{1,6})[0-9]*", r".\1")
    cut = pc.replace_substring_regex(pc.utf8_upper(cut), r" ?(UTC|Z)$", "Z")
    cut = pc.replace_substring_regex(cut, r" ([+-])", r"\1")
    for chosen, zone in ((moment, None), (zoned, "UTC")):
        places = np.flatnonzero(_mask(chosen))
        if len(places):
            values[places], sound[places] = _timestamps(cut.take(pa.array(places)), zone)
    return values, sound


def parse_durations(texts: pa.StringArray) -> tuple[Floats, Mask]:
    """Return times of the day (12:30:00.5), durations (1 days 02:03:04, PT1H2.5S) and plain numbers as seconds."""
    clock = pc.match_substring_regex(texts, _TIME_OF_DAY)
    days = pc.match_substring_regex(texts, _DAYS)
    iso = pc.and_(pc.match_substring_regex(texts, _ISO), pc.match_substring_regex(texts, "[0-9]"))
    spelled = pc.or_(pc.or_(clock, days), iso)
    values, sound = parse_numbers(pc.if_else(spelled, pa.scalar(None, pa.string()), texts), None)
    for chosen, pattern in ((clock, _TIME_OF_DAY), (days, _DAYS), (iso, _ISO)):
        places = np.flatnonzero(_mask(chosen))
        if len(places):
            values[places] = _duration(texts.take(pa.array(places)), pattern) / MICROSECONDS
    return values, sound


def parser(reading: Reading) -> Parser:
    """Return the parser of a column's texts; that of plain numbers for text and for readings of AutoFI 0.1."""
    if reading.values is ValueType.TIME:
        return parse_times
    if reading.values is ValueType.DURATION:
        return parse_durations
    return lambda texts: parse_numbers(texts, reading.decimal, grouped=reading.grouped)


def is_boolean_text(texts: pa.StringArray) -> Mask:
    """Return a mask of the texts that are true or false, in upper or lower case."""
    return _mask(pc.match_substring_regex(texts, r"(?i)^\s*(true|false)\s*$"))


def zero_padded(texts: pa.StringArray) -> bool:
    """Return True if any text is a number with a leading zero, such as 007."""
    return any_match(trimmed(texts), _PADDED)


def all_match(texts: pa.StringArray, pattern: str) -> bool:
    """Return True if every text that is not null matches."""
    return bool(pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py())


def any_match(texts: pa.StringArray, pattern: str) -> bool:
    """Return True if any text matches."""
    return bool(pc.any(pc.match_substring_regex(texts, pattern), min_count=0).as_py())


def decimal_mark(texts: pa.StringArray) -> tuple[str | None, bool]:
    """Return the decimal mark with which all texts are numbers, and True if it is certain.

    (None, True) says that neither mark makes all of them numbers. `1,234` alone may be 1234 or 1.234, so that its mark
    is not certain.
    """
    cut = trimmed(texts)
    point, comma = parse_numbers(cut, "."), parse_numbers(cut, ",")
    if point[1].all():
        certain = not comma[1].all() or np.array_equal(point[0], comma[0], equal_nan=True)
        return ".", certain
    return ("," if comma[1].all() else None), True


def has_groups(texts: pa.StringArray) -> bool:
    """Return True if any number, with or without a decimal comma, has points between groups of thousands."""
    return any_match(trimmed(texts), r"^[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+(,[0-9]*)?$")


def looks_grouped(texts: pa.StringArray) -> bool:
    """Return True if numbers have points, and all where groups of thousands have them: 1.234, but not 12.5 or 0.125."""
    cut = trimmed(texts)
    pointed = cut.filter(pc.match_substring(cut, "."))
    return len(pointed) > 0 and all_match(pointed, _ONE_GROUP)


def valid(texts: pa.Array) -> Mask:
    """Return a mask of the values that are not null."""
    return _mask(pc.is_valid(texts))


def _without_groups(texts: pa.StringArray, decimal: str | None, grouped: bool) -> pa.StringArray:
    """Return texts with groups of thousands or decimal commas as plain numbers; other texts stay.

    Unless `grouped`, a single point is a decimal point and never stands between thousands.
    """
    if decimal is None:
        return texts
    group, point = _GROUP[decimal], rf"\{decimal}"
    # No group begins with a zero: 0,125 has a decimal comma.
    groups = rf"^[+-]?[1-9][0-9]{{0,2}}({group}[0-9]{{3}})+({point}[0-9]*)?$"
    found = pc.match_substring_regex(texts, groups)
    if not grouped:
        found = pc.and_(found, pc.invert(pc.match_substring_regex(texts, _ONE_POINT)))
    texts = pc.if_else(found, pc.replace_substring_regex(texts, group, ""), texts)
    if decimal == ".":
        return texts
    decimals = rf"^[+-]?([0-9]+,[0-9]*|,[0-9]+){_EXPONENT}$"
    return pc.if_else(pc.match_substring_regex(texts, decimals), pc.replace_substring(texts, ",", "."), texts)


def _timestamps(texts: pa.StringArray, zone: str | None) -> tuple[Floats, Mask]:
    kind = pa.timestamp("us", zone)
    try:
        counts = pc.cast(pc.cast(texts, kind), pa.int64()).to_numpy(zero_copy_only=False)
        return counts / MICROSECONDS, np.ones(len(texts), dtype=bool)
    except pa.ArrowInvalid:
        # A day that does not exist, such as February 30, is rare and is found by halving.
        if len(texts) == 1:
            return np.array([np.nan]), np.zeros(1, dtype=bool)
    middle = len(texts) // 2
    halves = [_timestamps(texts.slice(0, middle), zone), _timestamps(texts.slice(middle), zone)]
    return np.concatenate([half[0] for half in halves]), np.concatenate([half[1] for half in halves])


def _counted(digits: pa.StringArray) -> NDArray[np.int64]:
    filled = pc.if_else(pc.equal(pc.fill_null(digits, ""), ""), "0", digits)
    counts: NDArray[np.int64] = pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False)
    return counts


def _fraction(digits: pa.StringArray) -> NDArray[np.int64]:
    """Return the digits after a decimal point as microseconds, without the seventh and later digits."""
    padded = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.fill_null(digits, ""), 6, "0"), 0, 6)
    return _counted(padded)


def _clock(part: Mapping[str, pa.StringArray]) -> NDArray[np.int64]:
    """Return hours, minutes, seconds and a fraction as microseconds."""
    whole = 3600 * _counted(part["h"]) + 60 * _counted(part["m"]) + _counted(part["s"])
    return MICROSECONDS * whole + _fraction(part["f"])


def _signs(signs: pa.StringArray) -> NDArray[np.int64]:
    return np.where(_mask(pc.equal(pc.fill_null(signs, ""), "-")), -1, 1)


def _duration(texts: pa.StringArray, pattern: str) -> NDArray[np.int64]:
    """Return texts that all match the pattern as microseconds."""
    found = pc.extract_regex(texts, pattern)
    part = {found.type.field(place).name: found.field(place) for place in range(found.type.num_fields)}
    if pattern == _TIME_OF_DAY:
        return _clock(part)
    days = 86_400 * MICROSECONDS * _counted(part["d"])
    # The sign of ISO 8601 is that of the whole duration; in "-1 days +23:59:59" the days have their own.
    signs = _signs(part["n"])
    return signs * (days + _clock(part)) if pattern == _ISO else days + signs * _clock(part)


def _mask(found: pa.Array | pa.ChunkedArray) -> Mask:
    mask: Mask = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    return mask.copy()  # Arrow's memory is not writable


def _floats(array: pa.Array) -> Floats:
    """Nulls become NaN; the result is writable."""
    values: Floats = array.to_numpy(zero_copy_only=False).astype(np.float64)
    return values

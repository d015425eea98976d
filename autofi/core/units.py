"""Quantities in words."""

from __future__ import annotations


def short(value: float, *, unit: str = "") -> str:
    """Return a text such as `1.2 k` or `34 MB`: two or three digits and a decimal prefix."""
    prefix = ""
    for bigger in ("k", "M", "G", "T"):
        if value < 999.5:
            break
        value, prefix = value / 1000, bigger
    digits = f"{value:.0f}" if not prefix or value >= 99.95 else f"{value:.1f}"
    return f"{digits} {prefix}{unit}".strip()


def describe_seconds(seconds: float) -> str:
    """Return a text such as `4.2 s`, `1 min 05 s` or `2 h 03 min`, of two units at most."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"

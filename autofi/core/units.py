"""Quantities in words."""

from __future__ import annotations


def short(value: float, *, unit: str = "") -> str:
    """`1.2 k`, `34 MB`: three figures and a decimal prefix."""
    prefix = ""
    for bigger in ("k", "M", "G", "T"):
        if value < 999.5:
            break
        value, prefix = value / 1000, bigger
    digits = f"{value:.0f}" if not prefix or value >= 99.95 else f"{value:.1f}"
    return f"{digits} {prefix}{unit}".strip()


def describe_seconds(seconds: float) -> str:
    """`4.2 s`, `1 min 05 s`, `2 h 03 min`: two units at most."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"

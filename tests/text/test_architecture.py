"""Streams in words: what differs from the defaults, crosses by their fields."""

from __future__ import annotations

from autofi.space.architecture import Architecture
from autofi.text.architecture import told


def test_streams_are_told_with_what_is_not_default() -> None:
    architecture = Architecture(
        fields=dict.fromkeys(("user", "item", "hour"), ("embedding",)),
        streams={
            "fm": {},
            "cross_network": {"layers": 2},
            "two_streams": {"first": [200, 100]},
            "selected_products": {"crosses": [["user", "item", "hour"], ["user", "hour"]], "dim": 4},
        },
    )
    assert told(Architecture.from_json(architecture.to_json()).chosen_streams()) == [
        "cross_network, layers 2",
        "fm",
        "selected_products, crosses user × item × hour, user × hour, dim 4",
        "two_streams, first 200-100",
    ]

"""Every registered stream keeps the contract, whatever it computes."""

from __future__ import annotations

import pytest

from autofi.errors import SearchSpaceError
from autofi.operators.registry import get_stream, streams
from autofi.testing import StreamContract


class TestEveryStream(StreamContract):
    names = tuple(streams())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cross_network", {"layers": "many"}, "setting 'layers'.*valid integer.*found 'many'"),
        ("cross_network", {"layers": 0}, "greater than or equal to 1; found 0"),
        ("self_attention", {"dropout": 1.0}, "setting 'dropout'.*less than 1"),
        ("two_streams", {"first": []}, "setting 'first'.*at least 1 item"),
    ],
)
def test_a_wrong_setting_names_the_key(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        get_stream(name).settings_of(settings)


def test_an_unknown_stream_gives_the_nearest() -> None:
    with pytest.raises(SearchSpaceError, match="No stream named 'cross_netwrok'.*cross_network"):
        get_stream("cross_netwrok")

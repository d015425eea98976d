"""The course of a search in words: only what is known is said."""

from __future__ import annotations

import pytest

from autofi.text.verdict import course


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ({}, []),
        ({"explored": None, "stopped": None}, []),
        ({"stopped": "the time is up"}, ["The search ended: the time is up"]),
        (
            {"explored": {"scored": 491, "sure": 0}, "stopped": "the 12 trials asked for are done"},
            [
                "491 architectures were scored by inherited weights; none of them surely improved on the selected one",
                "The search ended: the 12 trials asked for are done",
            ],
        ),
    ],
)
def test_what_is_known_is_said(summary: dict[str, object], said: list[str]) -> None:
    assert course(summary) == said

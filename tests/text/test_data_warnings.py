"""Of many warnings some are told, and how many more there are."""

from __future__ import annotations

import pytest

from autofi.text.data_warnings import TOLD, warning_lines


@pytest.mark.parametrize("number", [0, 1, TOLD, TOLD + 3])
def test_no_more_lines_than_there_is_room_for(number: int) -> None:
    lines = warning_lines([{"sentence": f"no. {place}."} for place in range(number)])
    assert lines[:TOLD] == [f"Warning: no. {place}." for place in range(min(number, TOLD))]
    assert lines[TOLD:] == (["Warning: and 3 more in the report."] if number > TOLD else [])

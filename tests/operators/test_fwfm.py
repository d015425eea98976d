"""FwFM: a strength per pair of fields and three first-order parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.fm import FM
from autofi.operators.fwfm import FwFM
from autofi.operators.streams import NoSettings
from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight


@pytest.mark.parametrize("linear", ["field", "value", "none"])
def test_pairs_are_weighed_and_vectors_mapped(linear: str) -> None:
    stream = build("fwfm", {"linear": linear})
    strengths = weight(stream, "strengths")
    starts = np.cumsum([0, *INPUTS.rows])
    expected = []
    for fields, row in zip(vectors().numpy().astype(np.float64), codes().tolist(), strict=True):
        logit, pair = 0.0, 0
        for left in range(len(fields)):
            for right in range(left + 1, len(fields)):
                logit += strengths[pair] * (fields[left] @ fields[right])
                pair += 1
        if linear == "field":
            for field, own in enumerate(weight(stream, "linear.map.weight")[0].reshape(fields.shape)):
                logit += fields[field] @ own
        elif linear == "value":
            # The last field has no codes.
            for field, code in enumerate(row):
                logit += fields[field] @ weight(stream, "linear.table")[starts[field] + code]
        expected.append(logit)
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-4, atol=1e-5)


def test_it_begins_as_the_factorization_machine() -> None:
    stream = FwFM(INPUTS, FwFM.settings_of({"linear": "none"}))
    plain = FM(INPUTS, NoSettings())
    torch.testing.assert_close(stream(vectors(), codes()), plain(vectors(), codes()))


def test_only_a_table_of_values_is_decayed() -> None:
    assert [len(build("fwfm", {"linear": linear}).tables()) for linear in ("field", "value", "none")] == [
        0,
        1,
        0,
    ]


def test_an_unknown_linear_part_is_refused() -> None:
    with pytest.raises(
        SearchSpaceError, match="setting 'linear'.*'field', 'value' or 'none'.*found 'vector'"
    ):
        FwFM.settings_of({"linear": "vector"})

"""xDeepFM's feature maps, product by product."""

from __future__ import annotations

import numpy as np
import pytest

from autofi.errors import SearchSpaceError
from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight


@pytest.mark.parametrize(
    ("maps", "split_half", "handed_on", "read"),
    [
        ((5,), False, [[]], [[0, 1, 2, 3, 4]]),
        ((5, 3, 2), False, [[0, 1, 2, 3, 4], [0, 1, 2], []], [[0, 1, 2, 3, 4], [0, 1, 2], [0, 1]]),
        ((5, 3, 2), True, [[0, 1], [0], []], [[2, 3, 4], [1, 2], [0, 1]]),
    ],
)
def test_maps_are_weighted_products_of_the_last_maps_and_the_fields(
    maps: tuple[int, ...], split_half: bool, handed_on: list[list[int]], read: list[list[int]]
) -> None:
    stream = build("compressed_interactions", {"maps": maps, "split_half": split_half})
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        last, sums = list(fields), []
        for layer, count in enumerate(maps):
            weights = weight(stream, f"weights.{layer}").reshape(count, len(last), len(fields))
            formed = [
                sum(
                    weights[number, i, j] * last[i] * fields[j]
                    for i in range(len(last))
                    for j in range(len(fields))
                )
                for number in range(count)
            ]
            sums += [formed[number].sum() for number in read[layer]]
            last = [formed[number] for number in handed_on[layer]]
        expected.append(float(weight(stream, "last.weight")[0] @ np.array(sums)))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_one_layer_is_a_quadratic_form() -> None:
    """A single layer holds products of two fields only: twice the vectors, four times the logit."""
    stream = build("compressed_interactions", {"maps": [6]})
    once, twice = stream(vectors(), codes()).detach(), stream(2 * vectors(), codes()).detach()
    np.testing.assert_allclose(twice, 4 * once, rtol=1e-4, atol=1e-4)
    assert stream.num_parameters(INPUTS, stream.settings) == 6 * 16 + 6


def test_half_of_one_map_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match=r"has maps \[1, 4\], but .* at least two; widen a layer"):
        build("compressed_interactions", {"maps": [1, 4], "split_half": True})
    build("compressed_interactions", {"maps": [4, 1], "split_half": True})

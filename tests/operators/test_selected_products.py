"""Products of selected fields, next to a sum that loops over rows, products and columns."""

from __future__ import annotations

import numpy as np
import pytest

from autofi.errors import SearchSpaceError
from tests.operators.stream_examples import INPUTS, ROWS, build, codes, vectors, weight

CROSSES = [["hour", "user", "item"], ["item", "hour"]]
ORDER = ("user", "item", "hour")


@pytest.mark.parametrize("crosses", [CROSSES, []])
def test_it_is_a_sum_of_products(crosses: list[list[str]]) -> None:
    stream = build("selected_products", {"crosses": crosses, "dim": 3})
    table, weights, seen = weight(stream, "table"), weight(stream, "weights"), codes().numpy()
    expected = np.zeros(ROWS)
    for row in range(ROWS):
        start = 0
        for number, cross in enumerate(crosses or [list(ORDER)]):
            product = np.ones(3)
            for name in cross:
                product *= 10 * table[start + seen[row, ORDER.index(name)]]
                start += INPUTS.rows[ORDER.index(name)]
            expected[row] += weights[number] @ product
    np.testing.assert_allclose(stream(vectors(), codes()).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_vectors_of_the_fields_say_nothing() -> None:
    stream = build("selected_products", {"crosses": CROSSES})
    assert (stream(vectors(0), codes()) == stream(vectors(1), codes())).all()


@pytest.mark.parametrize(
    ("crosses", "message"),
    [
        ([["user", "tags"]], "has 'tags', which is no field with an embedding and codes"),
        ([["user", "user"]], "cross of user, user; name two or more fields, each once"),
        ([["user"]], "cross of user; name two or more fields, each once"),
    ],
)
def test_what_cannot_be_multiplied_is_refused(crosses: list[list[str]], message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        build("selected_products", {"crosses": crosses})

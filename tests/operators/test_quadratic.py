"""QIN's quadratic layers, map by map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.streams import Stream
from tests.operators.stream_examples import INPUTS, ROWS, build, codes, vectors, weight

LAYERS, MAPS = 2, 3


def layer(stream: Stream, prefix: str, row: np.ndarray, *, norm: bool) -> np.ndarray:
    weights = weight(stream, f"{prefix}.maps.weight").reshape(MAPS, len(row), len(row))
    shifts = weight(stream, f"{prefix}.maps.bias").reshape(MAPS, len(row))
    found = np.zeros_like(row)
    for number in range(MAPS):
        for column in range(len(row)):
            found[column] += row[column] * (weights[number, column] @ row + shifts[number, column])
    if norm:
        # Running means are 0 and variances 1 before any training.
        found = found / np.sqrt(1 + 1e-5) * weight(stream, f"{prefix}.norm.weight")
        found = found + weight(stream, f"{prefix}.norm.bias")
    return np.where(found > 0, found, weight(stream, f"{prefix}.activation.weight") * found) + row


@pytest.mark.parametrize("norm", [True, False])
def test_every_layer_multiplies_the_row_by_maps_of_it(norm: bool) -> None:
    stream = build("quadratic", {"layers": LAYERS, "rows": MAPS, "batch_norm": norm})
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        row = fields.flatten()
        for number in range(LAYERS):
            row = layer(stream, f"layers.{number}", row, norm=norm)
        expected.append(float(weight(stream, "last.weight")[0] @ row + weight(stream, "last.bias")[0]))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_maps_are_thinned_one_by_one_while_training() -> None:
    # With a share near 1 left out, a map's column is 0 or some thousand times itself.
    stream = build("quadratic", {"layers": 1, "rows": MAPS, "dropout": 0.999, "batch_norm": False}).train()
    mapped: list[torch.Tensor] = []
    stream.get_submodule("layers.0.norm").register_forward_hook(lambda *call: mapped.append(call[2].detach()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stream(vectors(), codes())
    assert mapped[0].shape == (ROWS, INPUTS.width)
    assert 0 < (mapped[0] != 0).float().mean() < 0.05
    # Left whole, none of them is 0.
    stream.eval()(vectors(), codes())
    assert (mapped[1] != 0).all()


def test_what_dropout_leaves_is_right_on_average() -> None:
    stream = build("quadratic", {"layers": 1, "rows": MAPS, "dropout": 0.5, "batch_norm": False})
    products: list[torch.Tensor] = []
    stream.get_submodule("layers.0.norm").register_forward_hook(
        lambda *call: products.append(call[2].detach())
    )
    read = vectors()[:1].expand(20_000, -1, -1)
    stream(read[:1], codes()[:1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stream.train()(read, codes()[:1].expand(20_000, -1))
    whole, thinned = products[0][0], products[1]
    error = (thinned.mean(0) - whole).abs() / (thinned.std(0) / len(thinned) ** 0.5)
    assert error.max() < 5


def test_there_is_a_map() -> None:
    with pytest.raises(SearchSpaceError, match="setting 'rows'.*greater than or equal to 1; found 0"):
        build("quadratic", {"rows": 0})

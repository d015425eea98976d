"""FinalNet: blocks of layers that are half linear, half products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.registry import get_stream
from autofi.operators.streams import BranchedStream, Stream
from tests.operators.stream_examples import FRAPPE, INPUTS, build, codes, vectors, weight


def gated(stream: Stream, fields: np.ndarray) -> np.ndarray:
    """All vectors, then all of them times their gates."""
    maps, shifts = weight(stream, "gate.weight"), weight(stream, "gate.bias")[:, 0]
    found = np.empty_like(fields)
    for field, column in np.ndindex(fields.shape):
        gate = shifts[field] + sum(maps[field, other] * fields[other, column] for other in range(len(fields)))
        found[field, column] = fields[field, column] * gate
    return np.concatenate([fields.flatten(), found.flatten()])


def block(stream: Stream, prefix: str, row: np.ndarray, layers: int, *, norm: bool, added: bool) -> float:
    step = 3 if norm else 2
    for place in range(0, layers * step, step):
        found = weight(stream, f"{prefix}.{place}.halves.weight") @ row
        found += weight(stream, f"{prefix}.{place}.halves.bias")
        half = len(found) // 2
        linear, product = found[:half], found[:half] * found[half:]
        row = linear + product if added else np.concatenate([linear, product])
        if norm:
            # Running means are 0 and variances 1 before any training.
            row = row / np.sqrt(1 + 1e-5) * weight(stream, f"{prefix}.{place + 1}.weight")
            row = row + weight(stream, f"{prefix}.{place + 1}.bias")
        row = np.maximum(row, 0)
    last = f"{prefix}.{layers * step}"
    return float(weight(stream, f"{last}.weight")[0] @ row + weight(stream, f"{last}.bias")[0])


@pytest.mark.parametrize("residual", ["concat", "sum"])
@pytest.mark.parametrize("norm", [True, False])
def test_both_blocks_multiply_halves_layer_by_layer(residual: str, norm: bool) -> None:
    settings = {"first": (6, 4), "second": (8,), "batch_norm": norm, "residual": residual}
    stream = build("factorized_blocks", settings)
    assert isinstance(stream, BranchedStream)
    added = residual == "sum"
    expected = [
        [
            block(stream, "blocks.0", gated(stream, fields), 2, norm=norm, added=added),
            block(stream, "blocks.1", fields.flatten(), 1, norm=norm, added=added),
        ]
        for fields in vectors().numpy().astype(np.float64)
    ]
    found = stream.branches(vectors(), codes()).detach()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), found.mean(1), rtol=1e-5, atol=1e-6)


def test_one_block_without_gates_reads_the_row() -> None:
    stream = build("factorized_blocks", {"first": (4,), "second": (), "gate": False, "batch_norm": False})
    expected = [
        block(stream, "blocks.0", fields.flatten(), 1, norm=False, added=False)
        for fields in vectors().numpy().astype(np.float64)
    ]
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_gates_begin_open() -> None:
    kind = get_stream("factorized_blocks")
    stream = kind(INPUTS, kind.settings_of({"first": (4,)}))
    gate = stream.get_submodule("gate")
    assert torch.equal(gate(vectors()), vectors())


@pytest.mark.parametrize(
    ("settings", "published", "added"),
    [
        ({}, 338_502, 619_702),
        ({"second": (), "gate": False}, 256_791, 457_591),
    ],
)
def test_its_size_on_frappe_is_the_published_one(
    settings: dict[str, object], published: int, added: int
) -> None:
    kind = get_stream("factorized_blocks")
    embeddings = sum(FRAPPE.rows) * FRAPPE.dim
    concat = kind.settings_of(settings)
    assert embeddings + kind.num_parameters(FRAPPE, concat) == published
    assert embeddings + kind.num_parameters(FRAPPE, replace(concat, residual="sum")) == added


def test_halves_need_an_even_width() -> None:
    with pytest.raises(SearchSpaceError, match="has a width of 5, .*; make it even, or set residual to sum"):
        build("factorized_blocks", {"first": (4, 5)})

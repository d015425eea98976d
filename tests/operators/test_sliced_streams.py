"""Sizes of a stream, mixed: one alone is the stream of that size, several are one stream with mixed weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from autofi.operators.registry import get_stream, streams
from autofi.operators.streams import Mixture, SlicedStream
from tests.operators.stream_examples import INPUTS, build, codes, vectors

FIELDS, DIM = len(INPUTS.fields), INPUTS.dim
DIMS = (2, DIM, 5)
ATTENTION = {"layers": 2, "scaled": True}
PUBLIC_ATTENTION = {**ATTENTION, "residual": "field", "layer_norm": True, "norm_first": True}
SIZES: dict[str, list[list[dict[str, Any]]]] = {
    "cross_network": [
        [{"layers": 2, "rank": rank} for rank in (3, 5, 1)],
        [{"layers": 2, "rank": 0}],
    ],
    "self_attention": [
        [{**ATTENTION, "heads": heads, "width": 3 * heads} for heads in (2, 4, 1)],
        [{**ATTENTION, "heads": heads, "width": 2 * heads, "layer_norm": True} for heads in (1, 3)],
        [{**ATTENTION, "heads": heads, "width": 2 * heads, "relu": True} for heads in (4, 3)],
        [{**PUBLIC_ATTENTION, "heads": heads, "width": 2 * heads} for heads in (4, 3)],
        [{**ATTENTION, "heads": 2, "width": 4, "split": "fields"}],
    ],
}
every_size = pytest.mark.parametrize(
    ("name", "sizes"), [(name, sizes) for name, lists in SIZES.items() for sizes in lists]
)


def counts(name: str, sizes: Sequence[dict[str, Any]]) -> list[int]:
    kind = get_stream(name)
    assert issubclass(kind, SlicedStream)
    return [kind.slices(kind.settings_of(settings))[0] for settings in sizes]


def large(name: str, sizes: Sequence[dict[str, Any]]) -> SlicedStream:
    stream = build(name, sizes[int(np.argmax(counts(name, sizes)))])
    assert isinstance(stream, SlicedStream)
    return stream


def mixture(numbers: Sequence[int], dims: Tensor, shares: Tensor) -> Mixture:
    slices = torch.zeros(len(numbers), max(numbers))
    for row, number in enumerate(numbers):
        slices[row, :number] = 1
    return Mixture(dims, slices, shares)


def axes(name: str, settings: dict[str, Any], parameter: str, dim: int) -> list[list[int]]:
    """For every axis of a parameter of the largest stream, the places that a smaller one has."""
    columns = [field * DIM + at for field in range(FIELDS) for at in range(dim)]
    if name == "cross_network":
        rank = list(range(settings["rank"]))
        if parameter == "last.weight":
            return [[0], columns]
        if not settings["rank"] or parameter.endswith("bias"):
            return [columns, columns]
        return [rank, columns] if parameter.split(".")[2] == "0" else [columns, rank]
    size = settings["width"] // counts(name, [settings])[0]
    largest = size * max(counts(name, next(sizes for sizes in SIZES[name] if settings in sizes)))
    width = list(range(settings["width"]))
    if parameter == "last.weight":
        return [[0], [field * largest + at for field in range(FIELDS) for at in width]]
    if parameter.startswith("normal"):
        return [width]
    of_field = settings.get("residual") == "field" and not parameter.startswith("layers.0")
    maps = [number * largest + at for number in range(3 if of_field else 4) for at in width]
    return [maps, list(range(dim)) if parameter.startswith("layers.0") else width]


def sliced(name: str, settings: dict[str, Any], parameter: str, value: Tensor, dim: int) -> Tensor:
    for axis, kept in zip(range(value.dim()), axes(name, settings, parameter, dim), strict=False):
        value = value.index_select(axis, torch.tensor(kept))
    return value


@every_size
@pytest.mark.parametrize("dim", DIMS)
def test_one_size_alone_is_the_stream_of_that_size(name: str, sizes: list[dict[str, Any]], dim: int) -> None:
    stream, kind = large(name, sizes), get_stream(name)
    for at, settings in enumerate(sizes):
        small = kind(replace(INPUTS, dim=dim), kind.settings_of(settings)).eval()
        small.load_state_dict(
            {key: sliced(name, settings, key, value, dim) for key, value in stream.state_dict().items()}
        )
        held = (torch.arange(DIM) < dim).float()
        mixed = stream.mixed(mixture(counts(name, sizes), held, torch.eye(len(sizes))[at]))
        found = functional_call(stream, mixed, (vectors() * held, codes()))
        torch.testing.assert_close(found, small(vectors()[..., :dim], codes()))


@every_size
def test_mixed_sizes_are_one_stream_with_mixed_weights(name: str, sizes: list[dict[str, Any]]) -> None:
    stream = large(name, sizes)
    generator = torch.Generator().manual_seed(2)
    dim_shares = torch.rand(len(DIMS), generator=generator).softmax(0)
    shares = torch.rand(len(sizes), generator=generator).softmax(0)
    held = sum(share * (torch.arange(DIM) < dim).float() for share, dim in zip(dim_shares, DIMS, strict=True))
    assert isinstance(held, Tensor)
    weights = {}
    for key, value in stream.state_dict().items():
        # Slices of what a map gives are mixed, and slices of what it reads.
        for axis in range(value.dim()):
            has = torch.zeros(value.shape[axis])
            for (at, settings), (dim_at, dim) in product(enumerate(sizes), enumerate(DIMS)):
                has[axes(name, settings, key, dim)[axis]] += shares[at] * dim_shares[dim_at]
            if name == "self_attention" and key.startswith("layers") and axis == 0:
                # A head's queries and keys are its own, however little of it there is.
                has[: 2 * stream.get_parameter("last.weight").shape[1] // FIELDS] = 1
            value = value * has.reshape([-1 if at == axis else 1 for at in range(value.dim())])
        weights[key] = value
    mixed = stream.mixed(mixture(counts(name, sizes), held, shares))
    if any(key.startswith("normal") for key in weights):
        weights = {key: value for key, value in weights.items() if not key.startswith("normal")}
        weights |= {key: value for key, value in mixed.items() if key.startswith("normal")}
    expected = functional_call(stream, weights, (vectors() * held, codes()))
    torch.testing.assert_close(functional_call(stream, mixed, (vectors() * held, codes())), expected)


def test_every_number_of_heads_is_normalised_by_its_own_columns() -> None:
    sizes = SIZES["self_attention"][1]
    stream, shares = large("self_attention", sizes), torch.tensor([0.3, 0.7])
    mixed = stream.mixed(mixture(counts("self_attention", sizes), torch.ones(DIM), shares))
    normal = stream.get_submodule("normal.1")
    given = torch.randn(5, FIELDS, 6, generator=torch.Generator().manual_seed(3))
    own = {key.removeprefix("normal.1."): value for key, value in mixed.items() if key.startswith("normal.1")}
    found = functional_call(normal, own, (given,)).detach().numpy()
    gain, shift = (normal.get_parameter(key).detach().numpy() for key in ("weight", "bias"))
    for row, field in product(range(5), range(FIELDS)):
        expected = np.zeros(6)
        for share, width in ((0.3, 2), (0.7, 6)):
            part = given[row, field, :width].double().numpy()
            normalised = (part - part.mean()) / np.sqrt(part.var() + 1e-5)
            expected[:width] += share * (normalised * gain[:width] + shift[:width])
        np.testing.assert_allclose(found[row, field], expected, atol=1e-5)


def test_every_sliced_stream_is_tested_here() -> None:
    assert {name for name, kind in streams().items() if issubclass(kind, SlicedStream)} == SIZES.keys()


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("cross_network", {"rank": 0}, {"rank": 4}),
        ("cross_network", {"rank": 2, "layers": 1}, {"rank": 2, "layers": 2}),
        ("self_attention", {"width": 8, "heads": 2}, {"width": 12, "heads": 2}),
        ("self_attention", {"width": 8, "heads": 2}, {"width": 16, "heads": 4, "relu": True}),
    ],
)
def test_what_is_no_slice_of_the_other_is_told(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    kind = get_stream(name)
    assert issubclass(kind, SlicedStream)
    assert kind.slices(kind.settings_of(one))[1] != kind.slices(kind.settings_of(other))[1]

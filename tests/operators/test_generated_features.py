"""FGCNN: convolutions over the fields, what they generate, and all pairs of it."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autofi.errors import SearchSpaceError
from autofi.operators.registry import get_stream
from autofi.operators.streams import Stream, StreamInputs
from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight

SMALL: dict[str, Any] = {
    "channels": (3, 2),
    "heights": (3, 1),
    "pools": (3, 1),
    "features": (2, 1),
    "hidden": (6, 5),
}


def with_running_statistics(stream: Stream) -> Stream:
    """As if it had been trained: what batch normalisation subtracts and divides by is not 0 and 1."""
    for layer in stream.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean += 0.3  # type: ignore[operator]
            layer.running_var *= 1.7  # type: ignore[operator]
    return stream


def convolved(stream: Stream, prefix: str, maps: np.ndarray, pool: int) -> np.ndarray:
    kernel = weight(stream, f"{prefix}.0.weight")
    channels, seen, height, _ = kernel.shape
    fields, dim = maps.shape[1:]
    found = np.zeros((channels, fields, dim))
    for channel in range(channels):
        for field in range(fields):
            for source in range(seen):
                for place in range(height):
                    other = field + place - height // 2
                    if 0 <= other < fields:
                        found[channel, field] += kernel[channel, source, place, 0] * maps[source, other]
        if f"{prefix}.1.weight" in dict(stream.named_parameters()):
            scaled = (found[channel] - 0.3) / np.sqrt(1.7 + 1e-5)
            gain, shift = (weight(stream, f"{prefix}.1.{name}")[channel] for name in ("weight", "bias"))
            found[channel] = scaled * gain + shift
        else:
            found[channel] += weight(stream, f"{prefix}.0.bias")[channel]
    found = np.tanh(found)
    return np.stack([found[:, start : start + pool].max(1) for start in range(0, fields, pool)], axis=1)


def logit(stream: Stream, fields: np.ndarray, generate_from: np.ndarray, pools: tuple[int, ...]) -> float:
    features, maps = list(fields), generate_from[None]
    for level, pool in enumerate(pools):
        maps = convolved(stream, f"maps.{level}", maps, pool)
        mapped = weight(stream, f"recombined.{level}.weight") @ maps.flatten()
        new = np.tanh(mapped + weight(stream, f"recombined.{level}.bias"))
        features += [new[start : start + INPUTS.dim] for start in range(0, len(new), INPUTS.dim)]
    row = np.concatenate([*features, [left @ right for left, right in combinations(features, 2)]])
    for place in (0, 2, 4):
        row = weight(stream, f"mlp.{place}.weight") @ row + weight(stream, f"mlp.{place}.bias")
        row = np.maximum(row, 0) if place < 4 else row
    return float(row[0])


@pytest.mark.parametrize("order", [(), ("tags", "item", "hour", "user")])
@pytest.mark.parametrize(("own_vectors", "normalized"), [(True, True), (False, True), (True, False)])
def test_features_are_generated_and_multiplied(
    order: tuple[str, ...], own_vectors: bool, normalized: bool
) -> None:
    settings = {**SMALL, "order": order, "own_vectors": own_vectors, "normalized": normalized}
    stream = with_running_statistics(build("generated_features", settings))
    expected = []
    for fields, row in zip(vectors().numpy().astype(np.float64), codes().numpy(), strict=True):
        own = {name: fields[place] for place, name in enumerate(INPUTS.fields)}
        if own_vectors:  # of all but the tags, which are a list
            start = 0
            for name, rows, code in zip(INPUTS.fields[:3], INPUTS.rows[:3], row, strict=True):
                own[name] = weight(stream, "own.table")[start + code]
                start += rows
        generate_from = np.array([own[name] for name in order or INPUTS.fields])
        expected.append(logit(stream, fields, generate_from, SMALL["pools"]))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_the_order_of_the_fields_matters() -> None:
    settings = [{**SMALL, "order": order} for order in ((), ("tags", "item", "hour", "user"))]
    first, second = (build("generated_features", given, seed=1) for given in settings)
    second.load_state_dict(first.state_dict())
    assert not torch.allclose(first(vectors(), codes()), second(vectors(), codes()))


def test_fields_without_lists_are_looked_up_alone() -> None:
    inputs = StreamInputs(fields=INPUTS.fields[:3], rows=INPUTS.rows[:3], dim=INPUTS.dim)
    kind = get_stream("generated_features")
    stream = kind(inputs, kind.settings_of({**SMALL, "pools": (3, 1)})).eval()
    assert sum(parameter.numel() for parameter in stream.parameters()) == kind.num_parameters(
        inputs, stream.settings
    )
    with torch.no_grad():
        before = stream(vectors()[:, :3], codes())
        stream.get_parameter("own.table")[: INPUTS.rows[0]] += 1
        assert not torch.allclose(stream(vectors()[:, :3], codes()), before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heights": (3,)}, "has 2 channels and 1 heights;.* one number per level"),
        ({"heights": (3, 2)}, "has a height of 2, but heights are odd.*; take 1 or 3"),
        ({"pools": (2, 3)}, "a pool of 3 at level 2, which has 2 of 4 fields left"),
        (
            {"order": ("user", "item", "hour")},
            "has the order user, item, hour for the fields user, item, hour, tags; list every",
        ),
        (
            {"order": ("user", "item", "hour", "hour")},
            "has the order user, item, hour, hour for.*every field that has a vector once",
        ),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        build("generated_features", {**SMALL, **settings})


def test_it_computes_the_same_where_a_training_multiplies_in_bfloat16() -> None:
    stream = build("generated_features", SMALL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = stream(vectors(), codes())
    torch.testing.assert_close(narrow.float(), stream(vectors(), codes()), rtol=0.1, atol=0.3)

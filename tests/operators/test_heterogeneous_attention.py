"""Hiformer: every token with maps of its own, or with one map of all tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.streams import Stream
from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight

WIDTH, HEADS, TOKENS = 8, 2, len(INPUTS.fields) + 1
SIZE = WIDTH // HEADS
SHARED: dict[str, Any] = {"layers": 2, "width": WIDTH, "heads": HEADS, "hidden": 5}


def projected(
    stream: Stream, prefix: str, tokens: np.ndarray, group: int, token: int, groups: int, given: int
) -> np.ndarray:
    """Query, key or value of a token in a head: `token` counts from the first of those that are given."""
    names = {name.removeprefix(prefix) for name, _ in stream.named_parameters() if name.startswith(prefix)}
    row = tokens.flatten()
    if names == {".map.weight"}:
        maps = weight(stream, f"{prefix}.map.weight")[token]
        return tokens[TOKENS - given + token] @ maps[:, group * SIZE : (group + 1) * SIZE]
    if names == {".weight"}:
        maps = weight(stream, f"{prefix}.weight").reshape(len(row), groups, given, SIZE)
        return row @ maps[:, group, token]
    first = weight(stream, f"{prefix}.first")
    rank = first.shape[1] // groups
    second = weight(stream, f"{prefix}.second")[group].reshape(rank, given, SIZE)
    return row @ first[:, group * rank : (group + 1) * rank] @ second[:, token]


def normalised(stream: Stream, prefix: str, token: np.ndarray) -> np.ndarray:
    scaled = (token - token.mean()) / np.sqrt(token.var() + 1e-5)
    return scaled * weight(stream, f"{prefix}.weight") + weight(stream, f"{prefix}.bias")


def layer(stream: Stream, prefix: str, tokens: np.ndarray, given: int) -> np.ndarray:
    found = []
    for token in range(given):
        heads = []
        for head in range(HEADS):
            query = projected(stream, f"{prefix}.queries", tokens, head, token, HEADS, given)
            both = f"{prefix}.keys_values"
            keys = [projected(stream, both, tokens, head, j, 2 * HEADS, TOKENS) for j in range(TOKENS)]
            values = [
                projected(stream, both, tokens, HEADS + head, j, 2 * HEADS, TOKENS) for j in range(TOKENS)
            ]
            shares = np.exp([query @ key / math.sqrt(SIZE) for key in keys])
            heads.append(
                sum(share * value for share, value in zip(shares / shares.sum(), values, strict=True))
            )
        attended = np.concatenate(heads) @ weight(stream, f"{prefix}.output.weight")[token]
        seen = normalised(stream, f"{prefix}.normal.0", tokens[TOKENS - given + token] + attended)
        hidden = seen @ weight(stream, f"{prefix}.hidden.weight")[token]
        hidden = hidden + weight(stream, f"{prefix}.hidden.bias")[token, 0]
        hidden = np.array([value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in hidden])
        back = hidden @ weight(stream, f"{prefix}.back.weight")[token]
        back = back + weight(stream, f"{prefix}.back.bias")[token, 0]
        found.append(normalised(stream, f"{prefix}.normal.1", seen + back))
    return np.array(found)


@pytest.mark.parametrize("pruned_last", [True, False])
@pytest.mark.parametrize(
    "how",
    [{"projection": "field"}, {"projection": "composite"}, {"rank": 3}, {"rank": 3, "norm_tokens": True}],
)
def test_tokens_attend_to_each_other(how: dict[str, Any], pruned_last: bool) -> None:
    stream = build("heterogeneous_attention", {**SHARED, **how, "pruned_last": pruned_last})
    last = 1 if pruned_last else TOKENS
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        tokens = np.concatenate([fields, weight(stream, "task")[None]])
        if how.get("norm_tokens"):
            tokens = np.array([normalised(stream, "normal", token) for token in tokens])
        tokens = layer(stream, "layers.0", tokens, TOKENS)
        tokens = layer(stream, "layers.1", tokens, last)
        expected.append(float(weight(stream, "last.weight")[0] @ tokens.flatten()))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_a_composite_projection_of_one_token_each_is_that_of_fields() -> None:
    field = build("heterogeneous_attention", {**SHARED, "layers": 1, "projection": "field"})
    composite = build("heterogeneous_attention", {**SHARED, "layers": 1, "projection": "composite"})
    state = {
        key: value for key, value in field.state_dict().items() if "queries" not in key and "keys" not in key
    }
    for name, groups, given in (("queries", HEADS, 1), ("keys_values", 2 * HEADS, TOKENS)):
        own = field.get_parameter(f"layers.0.{name}.map.weight").detach()
        blocks = torch.zeros(TOKENS, INPUTS.dim, groups, given, SIZE)
        for token in range(given):
            blocks[TOKENS - given + token, :, :, token] = own[token].unflatten(1, (groups, SIZE))
        state[f"layers.0.{name}.weight"] = blocks.flatten(2).flatten(0, 1)
    composite.load_state_dict(state)
    torch.testing.assert_close(composite(vectors(), codes()), field(vectors(), codes()))


def test_heads_divide_the_width() -> None:
    with pytest.raises(SearchSpaceError, match="has width 9 and 2 heads"):
        build("heterogeneous_attention", {"width": 9, "heads": 2})


def test_a_field_projection_has_no_factors() -> None:
    with pytest.raises(SearchSpaceError, match="has rank 4 and projection 'field'; set projection"):
        build("heterogeneous_attention", {"projection": "field", "rank": 4})


def test_it_computes_the_same_where_a_training_multiplies_in_bfloat16() -> None:
    stream = build("heterogeneous_attention", {**SHARED, "rank": 3})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = stream(vectors(), codes())
    torch.testing.assert_close(narrow.float(), stream(vectors(), codes()), rtol=0.1, atol=0.1)

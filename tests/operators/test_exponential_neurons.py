"""ARM-Net: products of the fields that sparse attention lets through."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.exponential_neurons import ExponentialNeurons
from autofi.operators.registry import get_stream
from autofi.operators.streams import Stream
from tests.operators.stream_examples import INPUTS, ROWS, build, codes, vectors, weight
from tests.operators.test_entmax import defined

HEADS, NEURONS = 2, 3
SETTINGS = {"heads": HEADS, "neurons": NEURONS, "hidden": (4,), "batch_norm": False}


def shares_of(stream: Stream, fields: np.ndarray, alphas: list[float]) -> np.ndarray:
    maps, queries = weight(stream, "maps"), weight(stream, "queries")
    found = np.empty((HEADS * NEURONS, len(fields)))
    for head, alpha in enumerate(alphas):
        for neuron in range(NEURONS):
            scores = [field @ maps[head] @ queries[head, neuron] / math.sqrt(len(field)) for field in fields]
            found[head * NEURONS + neuron] = defined(np.array(scores), alpha)
    return found


def expected_logit(stream: Stream, fields: np.ndarray, alphas: list[float]) -> float:
    powers, crosses = weight(stream, "powers").reshape(HEADS * NEURONS, -1), []
    factor, shift = weight(stream, "norm.weight"), weight(stream, "norm.bias")
    for neuron, shares in enumerate(shares_of(stream, fields, alphas)):
        for column in range(fields.shape[1]):
            product = 1.0
            for field, value in enumerate(fields[:, column]):
                product *= math.exp(value) ** (shares[field] * powers[neuron, field])
            # Running means are 0 and variances 1 before any training.
            crosses.append(product / math.sqrt(1 + 1e-5) * factor[neuron] + shift[neuron])
    row = np.maximum(
        weight(stream, "layers.0.weight") @ np.array(crosses) + weight(stream, "layers.0.bias"), 0
    )
    return float(weight(stream, "layers.2.weight")[0] @ row + weight(stream, "layers.2.bias")[0])


@pytest.mark.parametrize("alpha", [1.0, 1.5, 1.7, 2.0, "learned"])
def test_neurons_multiply_powers_of_the_chosen_fields(alpha: float | str) -> None:
    stream = build("exponential_neurons", {**SETTINGS, "alpha": alpha})
    if isinstance(alpha, float):
        alphas = [alpha] * HEADS
    else:
        alphas = [1 + 1 / (1 + math.exp(-each)) for each in weight(stream, "sparsity")]
    expected = [expected_logit(stream, fields, alphas) for fields in vectors().numpy().astype(np.float64)]
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_the_fields_of_every_cross_can_be_read() -> None:
    stream = build("exponential_neurons", {**SETTINGS, "alpha": 2.0})
    assert isinstance(stream, ExponentialNeurons)
    found = stream.crosses(vectors()).detach().numpy()
    assert found.shape == (ROWS, HEADS * NEURONS, len(INPUTS.fields))
    expected = [shares_of(stream, fields, [2.0, 2.0]) for fields in vectors().numpy().astype(np.float64)]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert (found == 0).any()


def test_a_field_without_a_share_changes_nothing() -> None:
    stream = build("exponential_neurons", {**SETTINGS, "alpha": 2.0, "heads": 1, "neurons": 1})
    assert isinstance(stream, ExponentialNeurons)
    absent = (stream.crosses(vectors())[:, 0] == 0).nonzero()
    row, field = absent[0].tolist()
    asked = (stream.maps[0] @ stream.queries[0, 0]).detach()
    moved = vectors()
    moved[row, field] -= asked  # a score lower still
    assert not torch.equal(moved, vectors())
    torch.testing.assert_close(stream(moved, codes()), stream(vectors(), codes()))


def test_scores_and_powers_are_float32_under_autocast() -> None:
    stream = build("exponential_neurons", {**SETTINGS, "alpha": 2.0})
    assert isinstance(stream, ExponentialNeurons)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = stream.crosses(vectors())
        logit = stream(vectors(), codes())
    assert torch.equal(inside, stream.crosses(vectors()))
    torch.testing.assert_close(logit.float(), stream(vectors(), codes()), rtol=0.1, atol=0.1)


def test_huge_powers_stay_finite() -> None:
    stream = build("exponential_neurons", SETTINGS).train()
    with torch.no_grad():
        stream.get_parameter("powers").mul_(1e4)
    logit = stream(vectors(), codes())
    logit.sum().backward()
    assert logit.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in stream.parameters())


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        (0.5, "setting 'alpha.*greater than or equal to 1; found 0.5"),
        ("soft", "setting 'alpha.*found 'soft'"),
    ],
)
def test_alpha_is_a_number_or_learned(alpha: object, message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        get_stream("exponential_neurons").settings_of({"alpha": alpha})

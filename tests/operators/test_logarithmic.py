"""AFN: products of powers, column by column."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.registry import get_stream
from autofi.operators.streams import Stream, StreamInputs
from tests.operators.stream_examples import FRAPPE, INPUTS, ROWS, build, codes, vectors, weight

NEURONS = 3


def normalised(stream: Stream, name: str, channel: int, value: float) -> float:
    """Running means are 0 and variances 1 before any training."""
    factor, shift = weight(stream, f"{name}.weight")[channel], weight(stream, f"{name}.bias")[channel]
    return float(value / math.sqrt(1 + 1e-5) * factor + shift)


def expected_logit(stream: Stream, fields: np.ndarray) -> float:
    powers = weight(stream, "powers.weight")
    crosses = []
    for neuron in range(NEURONS):
        for column in range(fields.shape[1]):
            product = 1.0
            for field, value in enumerate(fields[:, column]):
                logarithm = normalised(stream, "log_norm", field, math.log(max(abs(value), 1e-5)))
                product *= math.exp(logarithm) ** powers[neuron, field]
            crosses.append(normalised(stream, "cross_norm", neuron, product))
    row = np.array(crosses)
    row = np.maximum(weight(stream, "layers.0.weight") @ row + weight(stream, "layers.0.bias"), 0)
    return float(weight(stream, "layers.2.weight")[0] @ row + weight(stream, "layers.2.bias")[0])


def test_neurons_multiply_powers_of_the_fields() -> None:
    stream = build("logarithmic", {"neurons": NEURONS, "hidden": (4,)})
    read = vectors()
    read[0, 1, 2] = 0.0  # below the floor of the logarithm
    expected = [expected_logit(stream, fields) for fields in read.numpy().astype(np.float64)]
    np.testing.assert_allclose(stream(read, codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_its_own_vectors_replace_those_looked_up_and_no_others() -> None:
    stream = build("logarithmic", {"neurons": NEURONS, "hidden": (4,), "own_vectors": True})
    table = weight(stream, "own.table")
    expected = []
    for fields, row in zip(vectors().numpy().astype(np.float64), codes().numpy(), strict=True):
        start = 0
        for field, rows in enumerate(INPUTS.rows[:3]):
            fields[field] = table[start + row[field]]
            start += rows
        expected.append(expected_logit(stream, fields))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)
    assert [len(table) for table in stream.tables()] == [sum(INPUTS.rows)]


def test_pooled_vectors_keep_their_place() -> None:
    inputs = StreamInputs(("tags", "user", "item"), (0, 7, 5), 6)
    kind = get_stream("logarithmic")
    own = kind(inputs, kind.settings_of({"own_vectors": True})).get_submodule("own")
    read, rows = vectors()[:, :3], codes()[:, :2]
    found = own(read, rows)
    assert torch.equal(found[:, 0], read[:, 0])
    assert torch.equal(found[:, 1], own.table[rows[:, 0].long()])
    assert torch.equal(found[:, 2], own.table[7 + rows[:, 1].long()])


def test_huge_powers_stay_finite() -> None:
    stream = build("logarithmic", {"neurons": NEURONS, "hidden": (4,)}).train()
    with torch.no_grad():
        stream.get_parameter("powers.weight").mul_(1e4)
    logit = stream(vectors(), codes())
    logit.sum().backward()
    assert logit.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in stream.parameters())


def test_logarithms_and_powers_are_float32_under_autocast() -> None:
    stream = build("logarithmic", {"neurons": NEURONS, "hidden": (4,)})
    seen: list[torch.dtype] = []
    stream.get_submodule("log_norm").register_forward_hook(lambda *call: seen.append(call[2].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logit = stream(vectors().bfloat16(), codes())
    assert seen == [torch.float32]
    assert logit.dtype == torch.bfloat16
    assert logit.shape == (ROWS,)
    torch.testing.assert_close(logit.float(), stream(vectors(), codes()), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("at_once", [1, 2**18])  # a column of vectors to a block, or all in one
@pytest.mark.parametrize("training", [True, False])
def test_blocks_are_batch_normalisation_of_all_crosses(
    at_once: int, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autofi.operators._row_blocks.AT_ONCE", at_once)
    stream = build("logarithmic", {"neurons": NEURONS, "hidden": (4,)})
    with torch.no_grad():
        stream.get_parameter("powers.weight")[0].mul_(50)  # some exponents are cut
    plain = copy.deepcopy(stream)
    found, expected = (part.train(training) for part in (stream, plain))
    fields = [vectors().requires_grad_() for _ in range(2)]
    logarithms = plain.get_submodule("log_norm")(fields[1].abs().clamp_min(1e-5).log())
    exponents = plain.get_parameter("powers.weight") @ logarithms
    assert (exponents > 30).any()
    crosses = plain.get_submodule("cross_norm")(exponents.clamp_max(30).exp())
    logits = (found(fields[0], codes()), plain.get_submodule("layers")(crosses.flatten(1)).squeeze(1))
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-5)
    for logit in logits:
        (logit * torch.arange(ROWS)).sum().backward()
    torch.testing.assert_close(fields[0].grad, fields[1].grad, rtol=1e-3, atol=1e-4)
    for (name, one), other in zip(found.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-3, msg=name)
    torch.testing.assert_close(dict(found.named_buffers()), dict(expected.named_buffers()))


def test_its_size_on_frappe_is_the_published_one() -> None:
    # The published network was built with 10 rows fewer: 5,389 embeddings.
    kind = get_stream("logarithmic")
    found = kind.num_parameters(FRAPPE, kind.settings_of({"neurons": 1000}))
    assert 5_389 * 10 + found == 4_066_711


def test_own_vectors_need_an_embedding() -> None:
    kind = get_stream("logarithmic")
    with pytest.raises(SearchSpaceError, match="found no field with the form 'embedding'; set own_vectors"):
        kind(StreamInputs(("tags",), (0,), 6), kind.settings_of({"own_vectors": True}))

"""Every registered stream keeps the contract, whatever it computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.registry import get_stream, streams
from autofi.operators.streams import BranchedStream, Stream
from tests.operators.exported import exported
from tests.operators.stream_examples import INPUTS, ROWS, build, codes, vectors

every_stream = pytest.mark.parametrize("name", list(streams()))
every_example = pytest.mark.parametrize(
    ("name", "settings"),
    [(name, settings) for name, kind in streams().items() for settings in ({}, *kind.examples)],
)


@every_example
@pytest.mark.parametrize("rows", [0, 1, ROWS])
def test_one_logit_per_row(name: str, settings: dict[str, object], rows: int) -> None:
    logit = build(name, settings)(vectors()[:rows], codes()[:rows])
    assert logit.shape == (rows,)
    assert logit.dtype == torch.float32


@every_example
def test_rows_do_not_see_each_other(name: str, settings: dict[str, object]) -> None:
    stream = build(name, settings)
    order = torch.arange(ROWS)
    order[3] = 9
    before, after = stream(vectors(), codes()), stream(vectors()[order], codes()[order])
    torch.testing.assert_close(after, before[order])
    assert before[3] != before[9]


@every_example
def test_gradient_reaches_every_parameter_and_some_input(name: str, settings: dict[str, object]) -> None:
    stream = build(name, settings).train()
    read = vectors().requires_grad_()
    stream(read, codes()).square().sum().backward()
    for key, parameter in stream.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key
    assert (read.grad is not None and bool(read.grad.any())) or stream.tables()


@every_example
def test_its_size_is_what_it_says(name: str, settings: dict[str, object]) -> None:
    kind = get_stream(name)
    built = sum(parameter.numel() for parameter in build(name, settings).parameters())
    assert kind.num_parameters(INPUTS, kind.settings_of(settings)) == built


@every_example
def test_its_state_survives_a_round_trip(name: str, settings: dict[str, object]) -> None:
    stream, other = build(name, settings, seed=1), build(name, settings, seed=2)
    other.load_state_dict(stream.state_dict())
    assert torch.equal(other(vectors(), codes()), stream(vectors(), codes()))


@every_example
def test_branches_are_what_its_logit_is_the_mean_of(name: str, settings: dict[str, object]) -> None:
    stream = build(name, settings)
    if not isinstance(stream, BranchedStream):
        return
    branches = stream.branches(vectors(), codes())
    assert branches.shape[0] == ROWS
    torch.testing.assert_close(stream(vectors(), codes()), branches.mean(1))
    assert stream.train()(vectors(), codes()).shape == branches.shape


@every_stream
def test_same_seed_same_weights(name: str) -> None:
    first, second, other = build(name, seed=3), build(name, seed=3), build(name, seed=4)
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])
    # Not the statistics of batch normalisation, which begin alike.
    for key, parameter in first.named_parameters():
        assert not torch.equal(parameter, other.get_parameter(key))


@every_stream
def test_an_unknown_setting_is_refused(name: str) -> None:
    with pytest.raises(SearchSpaceError, match=f"The stream '{name}' has no setting 'colour'"):
        get_stream(name).settings_of({"colour": 1})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cross_network", {"layers": "many"}, "setting 'layers'.*valid integer.*found 'many'"),
        ("cross_network", {"layers": 0}, "greater than or equal to 1; found 0"),
        ("self_attention", {"dropout": 1.0}, "setting 'dropout'.*less than 1"),
        ("two_streams", {"first": []}, "setting 'first'.*at least 1 item"),
    ],
)
def test_a_wrong_setting_names_the_key(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        get_stream(name).settings_of(settings)


def test_an_unknown_stream_gives_the_nearest() -> None:
    with pytest.raises(SearchSpaceError, match="No stream named 'cross_netwrok'.*cross_network"):
        get_stream("cross_netwrok")


class Scoring(torch.nn.Module):
    """A stream by the names of what it reads."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        logit: torch.Tensor = self.stream(inputs["vectors"], inputs["codes"])
        return logit


@every_example
def test_exported_it_gives_the_same_for_any_number_of_rows(name: str, settings: dict[str, object]) -> None:
    stream = build(name, settings)
    inputs = {"vectors": vectors(), "codes": codes()}
    expected = stream(**inputs).detach().numpy()
    for rows, program, graph in exported(Scoring(stream), inputs, (1, 5, ROWS)):
        np.testing.assert_allclose(program, expected[:rows], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(graph, expected[:rows], rtol=1e-5, atol=1e-5)

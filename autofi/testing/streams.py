"""The contract of a stream over all fields: shapes, sizes, gradients, seeds, branches, settings, export."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.registry import get_stream
from autofi.operators.streams import BranchedStream, Stream
from autofi.testing.contract import Contract
from autofi.testing.exported import exported
from autofi.testing.stream_examples import INPUTS, ROWS, build, codes, vectors


class StreamContract(Contract):
    """The contract of every stream, with its default settings and with each of its `examples`."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "settings" in metafunc.fixturenames:
            found = [(name, settings) for name in self.names for settings in ({}, *get_stream(name).examples)]
            metafunc.parametrize(("name", "settings"), found)
        else:
            super().pytest_generate_tests(metafunc)

    def test_it_says_what_it_is(self, name: str) -> None:
        stream = get_stream(name)
        assert re.fullmatch("[a-z][a-z0-9_]*", name)
        assert stream.summary and stream.formula
        assert stream.choice == "stream"

    @pytest.mark.parametrize("rows", [0, 1, ROWS])
    def test_one_logit_per_row(self, name: str, settings: dict[str, object], rows: int) -> None:
        logit = build(name, settings)(vectors()[:rows], codes()[:rows])
        assert logit.shape == (rows,)
        assert logit.dtype == torch.float32

    def test_rows_do_not_see_each_other(self, name: str, settings: dict[str, object]) -> None:
        stream = build(name, settings)
        order = torch.arange(ROWS)
        order[3] = 9
        before, after = stream(vectors(), codes()), stream(vectors()[order], codes()[order])
        torch.testing.assert_close(after, before[order])
        assert before[3] != before[9]

    def test_gradient_reaches_every_parameter_and_some_input(
        self, name: str, settings: dict[str, object]
    ) -> None:
        stream = build(name, settings).train()
        read = vectors().requires_grad_()
        stream(read, codes()).square().sum().backward()
        for key, parameter in stream.named_parameters():
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key
            assert parameter.grad.any(), key
        assert (read.grad is not None and bool(read.grad.any())) or stream.tables()

    def test_its_size_is_what_it_says(self, name: str, settings: dict[str, object]) -> None:
        kind = get_stream(name)
        built = sum(parameter.numel() for parameter in build(name, settings).parameters())
        assert kind.num_parameters(INPUTS, kind.settings_of(settings)) == built

    def test_its_state_survives_a_round_trip(self, name: str, settings: dict[str, object]) -> None:
        stream, other = build(name, settings, seed=1), build(name, settings, seed=2)
        other.load_state_dict(stream.state_dict())
        assert torch.equal(other(vectors(), codes()), stream(vectors(), codes()))

    def test_branches_are_what_its_logit_is_the_mean_of(self, name: str, settings: dict[str, object]) -> None:
        stream = build(name, settings)
        if not isinstance(stream, BranchedStream):
            return
        branches = stream.branches(vectors(), codes())
        assert branches.shape[0] == ROWS
        torch.testing.assert_close(stream(vectors(), codes()), branches.mean(1))
        assert stream.train()(vectors(), codes()).shape == branches.shape

    def test_same_seed_same_weights(self, name: str) -> None:
        first, second, other = build(name, seed=3), build(name, seed=3), build(name, seed=4)
        for key, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[key])
        # Not the statistics of batch normalisation, which begin alike.
        for key, parameter in first.named_parameters():
            assert not torch.equal(parameter, other.get_parameter(key))

    def test_an_unknown_setting_is_refused(self, name: str) -> None:
        with pytest.raises(SearchSpaceError, match=f"The stream '{name}' has no setting 'colour'"):
            get_stream(name).settings_of({"colour": 1})

    def test_exported_it_gives_the_same_for_any_number_of_rows(
        self, name: str, settings: dict[str, object]
    ) -> None:
        stream = build(name, settings)
        inputs = {"vectors": vectors(), "codes": codes()}
        expected = stream(**inputs).detach().numpy()
        for rows, program, graph in exported(_Scoring(stream), inputs, (1, 5, ROWS)):
            np.testing.assert_allclose(program, expected[:rows], rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(graph, expected[:rows], rtol=1e-5, atol=1e-5)


class _Scoring(torch.nn.Module):
    """A stream by the names of what it reads."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        logit: torch.Tensor = self.stream(inputs["vectors"], inputs["codes"])
        return logit

"""A compiled training is the same training."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import Tensor, nn

from autofi.errors import ConfigError
from autofi.operators.registry import get_stream, streams
from autofi.operators.streams import Stream, StreamInputs
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import TrainingSettings
from autofi.training.compile import VARIABLE, compiled_products
from tests.training.test_fit import make, run

SHORT = TrainingSettings(learning_rate=2e-2, batch_size=200, epochs=1)


# Torch's compiler warns of its own modules.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with a C++ compiler")
def test_compiled_or_not_a_training_comes_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOFI_PRECISION", "fp32")
    plain, compiled = make(HeadSizes(hidden=(16, 8))), make(HeadSizes(hidden=(16, 8)))
    expected = run(plain, SHORT)
    monkeypatch.setenv(VARIABLE, "on")
    found = run(compiled, SHORT)
    assert found.auc == pytest.approx(expected.auc, abs=1e-4)
    for own, other in zip(compiled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-4)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    assert compiled.head._compiled_call_impl is None  # nothing compiled is left in what is saved


# Torch's compiler warns of its own modules.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(name for name, stream in streams().items() if stream.uncompiled))
def test_what_a_stream_computes_block_by_block_is_not_compiled(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's own eager backend traces the stream as for a compilation, but needs no C++ compiler."""
    monkeypatch.setenv(VARIABLE, "on")
    stream = get_stream(name)(StreamInputs(("a", "b", "c"), (5, 5, 5), 4), get_stream(name).Settings())
    vectors, codes = torch.randn(6, 3, 4), torch.zeros(6, 3, dtype=torch.int32)
    expected, traced = stream.eval()(vectors, codes), []

    def look(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        traced.append(str(graph.graph))
        return graph.forward

    @compiled_products
    def score(network: nn.Module) -> Tensor:
        assert all(method in vars(stream) for method in stream.uncompiled)
        scored: Tensor = torch.compile(stream.forward, backend=look)(vectors, codes)
        return scored

    torch._dynamo.reset()
    found = score(Parts(stream))
    torch.testing.assert_close(found, expected)
    assert len(traced) > 1  # it broke off at the method
    assert not any(method in vars(stream) for method in stream.uncompiled)


class Parts(nn.Module):
    """A network of one stream on the processor."""

    device = torch.device("cpu")

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.head, self.streams = nn.Identity(), nn.ModuleDict({"one": stream})


def test_a_wrong_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "yes")
    with pytest.raises(ConfigError, match="'yes'; set it to auto or on or off"):
        run(make(), SHORT)

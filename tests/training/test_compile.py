"""A compiled training is the same training."""

from __future__ import annotations

import shutil

import pytest
import torch

from autofi.errors import ConfigError
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import TrainingSettings
from autofi.training.compile import VARIABLE
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


def test_a_wrong_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "yes")
    with pytest.raises(ConfigError, match="'yes'; set it to auto or on or off"):
        run(make(), SHORT)

"""Products in bfloat16 change no figure by more than seeds do, and nothing but products is in bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autofi.errors import ConfigError
from autofi.training.fit import FitReport
from autofi.training.precision import VARIABLE, fast_products, multiplies_halves_faster
from tests.training.test_fit import SETTINGS, make, run

CPU = torch.device("cpu")


@pytest.fixture(params=["bf16", "fp32"])
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


def test_products_are_as_asked_and_parameters_stay_whole(asked: str) -> None:
    layer = nn.Linear(4, 3)
    with fast_products(CPU):
        out = layer(torch.ones(2, 4))
    out.float().sum().backward()
    assert out.dtype == (torch.bfloat16 if asked == "bf16" else torch.float32)
    assert layer.weight.dtype == torch.float32
    assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32
    assert layer(torch.ones(2, 4)).dtype == torch.float32


def test_figures_differ_by_less_than_seeds_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(precision: str, seed: int) -> FitReport:
        monkeypatch.setenv(VARIABLE, precision)
        return run(make(seed=seed), SETTINGS)

    aucs = {p: [trained(p, seed).auc for seed in range(4)] for p in ("fp32", "bf16")}
    assert aucs["fp32"] != aucs["bf16"]
    spread = np.std(aucs["fp32"], ddof=1)
    assert abs(np.mean(aucs["fp32"]) - np.mean(aucs["bf16"])) < spread


@pytest.mark.parametrize(
    ("processor", "faster"),
    [
        ({"cpu_name": "AMD EPYC 9R14", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "arm64", "bf16": True}, False),
    ],
)
def test_bfloat16_is_left_to_processors_that_are_faster_at_it(
    processor: dict[str, Any], faster: bool
) -> None:
    assert multiplies_halves_faster(processor) is faster


def test_a_processor_tells_what_decides() -> None:
    found = torch.cpu.get_capabilities()
    keys = {"avx512_bf16", "amx_bf16", "cpu_name"} if found["architecture"] == "x86_64" else {"architecture"}
    assert keys <= found.keys()


def test_another_precision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fp16")
    with pytest.raises(ConfigError, match="AUTOFI_PRECISION is 'fp16'; set it to auto or bf16 or fp32"):
        fast_products(CPU)

"""Asking for huge pages changes where a tensor lies at most, never what it holds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from autofi.core.huge_pages import in_huge_pages

ADVISED = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def test_a_tensor_keeps_its_numbers() -> None:
    tensors = [torch.arange(3_000_000.0), torch.arange(10.0), torch.arange(2_000_001.0)[1:]]
    before = [tensor.clone() for tensor in tensors]
    in_huge_pages(*tensors)
    for tensor, old in zip(tensors, before, strict=True):
        assert torch.equal(tensor, old)


@pytest.mark.skipif(
    not ADVISED.exists() or "[never]" in ADVISED.read_text(), reason="the kernel gives no huge pages"
)
def test_large_tensors_lie_in_huge_pages() -> None:
    before = _huge_kilobytes()
    tensor = torch.ones(16_000_000)
    in_huge_pages(tensor)
    assert _huge_kilobytes() - before > 32_000  # of 64,000: the kernel gives what it has at hand
    del tensor


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", None)  # would not be called
    in_huge_pages(torch.ones(3_000_000))


def _huge_kilobytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages"))

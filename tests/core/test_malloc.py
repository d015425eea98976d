"""What large tensors leave is kept while training, and given back after it."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autofi.core import malloc as module
from autofi.core.malloc import VARIABLE, kept_memory
from autofi.errors import ConfigError
from tests.training.test_fit import make, run

if sys.platform != "linux" or module._glibc() is None:
    pytest.skip("memory is kept where glibc is, unless the environment says how", allow_module_level=True)

#: Numbers of a tensor that glibc would ask the system for.
LARGE = 64 << 18
MIB = 1 << 20


def held() -> int:
    """Bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def faults() -> int:
    """Pages that the system has given to this thread."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt


def test_tensors_take_the_place_of_earlier_ones() -> None:
    taken = []
    with kept_memory():
        # What is small may come to lie between two of them: not each finds room at once.
        for _ in range(10):
            before = faults()
            torch.ones(LARGE)
            taken.append(faults() - before)
    assert min(taken) < LARGE * 4 // resource.getpagesize() // 10


def test_it_is_given_back_when_the_last_training_ends() -> None:
    with kept_memory():
        with kept_memory():
            torch.ones(4 * LARGE)
        within = held()
    assert within - held() > 200 * MIB


def test_a_decorated_function_keeps_memory_until_it_returns_or_raises() -> None:
    @kept_memory()
    def train(rows: int) -> int:
        torch.ones(4 * LARGE)
        if rows < 0:
            raise ValueError(held())
        return held()

    assert train(1) - held() > 200 * MIB
    with pytest.raises(ValueError) as raised:
        train(-1)
    assert raised.value.args[0] - held() > 200 * MIB


def test_a_training_keeps_memory_between_its_steps() -> None:
    within: list[int] = []

    def remember(*_: float) -> None:
        torch.ones(4 * LARGE)
        within.append(held())

    run(make(), on_evaluation=remember)
    assert min(within) - held() > 200 * MIB


@pytest.fixture
def asked_anew() -> Iterator[None]:
    module._glibc.cache_clear()
    yield
    module._glibc.cache_clear()


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (VARIABLE, "off"),
        ("MALLOC_MMAP_MAX_", "65536"),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_max=65536"),
    ],
)
def test_an_environment_that_says_otherwise_is_obeyed(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with kept_memory():
        torch.ones(4 * LARGE)
        within = held()
    assert within - held() < 200 * MIB


def test_a_wrong_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "yes")
    with pytest.raises(ConfigError, match="'yes'; set it to on or off"):
        run(make())

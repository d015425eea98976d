"""What every test shares: one thread, and the folder of real data sets."""

from __future__ import annotations

import os

# Read when torch, LightGBM or CatBoost load OpenMP: two test workers must not fight for two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# LightGBM is told how many threads to take: with fewer free cores, threads that spin while they wait take fifty
# times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# A storage of the developer's own must not be written to by tests.
os.environ.pop("AUTOFI_STORAGE", None)

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from tests.browser import CHROMIUM, WAIT_MS

# A test says what holds, never how fast: on a busy machine any example may take long.
settings.register_profile("autofi", deadline=None)
settings.load_profile("autofi")

#: Whatever asks for one of these waits for processes, or an environment, of its own.
SLOW_FIXTURES = frozenset(
    {"browser", "cluster", "installed", "mysql_server", "nni_python", "postgres_server"}
)

REAL_DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and not SLOW_FIXTURES.isdisjoint(item.fixturenames):
            item.add_marker("slow")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@functools.cache
def share_torchlib() -> None:
    """Let the exports of this process share torch's registry of ONNX functions: it takes half of a small export."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    made = functools.cache(ONNXRegistry.from_torchlib)

    def from_torchlib(*arguments: Any, **settings: Any) -> ONNXRegistry:
        found = copy.copy(made(*arguments, **settings))
        found.functions = {target: list(known) for target, known in found.functions.items()}
        return found

    ONNXRegistry.from_torchlib = staticmethod(from_torchlib)  # type: ignore[assignment,method-assign]


@pytest.fixture(autouse=True, scope="session")
def _one_torchlib() -> Iterator[None]:
    """Not before the first export: the exporter takes seconds to import."""
    export = torch.onnx.export

    @functools.wraps(export)
    def sharing(*arguments: Any, **settings: Any) -> Any:
        share_torchlib()
        return export(*arguments, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.onnx, "export", sharing)
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder with one sub-folder per real data set; not all may be redistributed, so it may be absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real data sets are not at {REAL_DATA.resolve()}")
    return REAL_DATA.resolve()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser's driver: pip install playwright"
    )
    with playwright.sync_playwright() as driver:
        # Without its sandbox, which containers and root do not let it have.
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=WAIT_MS)
        yield opened
        opened.close()

"""What every test shares: one thread, and the folder of real data sets."""

from __future__ import annotations

import os

# Read when torch, LightGBM or CatBoost load OpenMP: two test workers must not fight for two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A storage of the developer's own must not be written to by tests.
os.environ.pop("AUTOFI_STORAGE", None)

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

REAL_DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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

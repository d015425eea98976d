from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboard.browsing import CHROMIUM, WAIT_MS


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

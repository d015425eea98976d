"""A visitor with a real browser.

Needs Chromium (`apt install chromium`, or AUTOFI_TEST_CHROMIUM names one); no browser is downloaded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

CHROMIUM = (
    os.environ.get("AUTOFI_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
#: Milliseconds that mean something hangs, on a busy machine too.
WAIT_MS = 120_000

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt install chromium, or AUTOFI_TEST_CHROMIUM=/path/to/one"
)


#: What Chromium says of its own drawing of three dimensions, on a machine without a graphics card.
OF_ITS_OWN = ("GL Driver Message", "willReadFrequently")


@dataclass
class Seen:
    """A page, where it is served, and what the browser complained of."""

    page: Any
    place: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.place}{path}", timeout=WAIT_MS)


@contextmanager
def visiting(browser: Any, place: str, **settings: Any) -> Iterator[Seen]:
    """A visitor with a window of those settings, whose browser may not have complained in the end."""
    context = browser.new_context(**settings)
    context.set_default_timeout(WAIT_MS)
    shown = Seen(context.new_page(), place)

    def listen(said: Any) -> None:
        if said.type in ("error", "warning") and not any(known in said.text for known in OF_ITS_OWN):
            shown.complaints.append(said.text)

    shown.page.on("console", listen)
    shown.page.on("pageerror", lambda error: shown.complaints.append(str(error)))
    yield shown
    context.close()
    assert shown.complaints == []

"""A dashboard that is served, for visitors with a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from autofi.dashboard.access import LOOPBACK, Access
from autofi.dashboard.server import dashboard_app, listen
from tests.browser import CHROMIUM, WAIT_MS, Seen, needs_chromium, visiting


@contextmanager
def served(storage: str, access: Access | None = None) -> Iterator[str]:
    """Where the dashboard of a storage is served."""
    with listen(dashboard_app(storage, access), LOOPBACK, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(WAIT_MS / 1000)


__all__ = ["CHROMIUM", "WAIT_MS", "Seen", "needs_chromium", "served", "visiting"]

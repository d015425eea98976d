"""Links from Optuna's dashboard to AutoFI's pages: one more script in the page that contains all of its views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: A file and not an inline script, because the policy of optuna-dashboard allows only scripts of this server.
TAG = b'<script defer src="/autofi/links.js"></script>\n'
_END = b"</head>"
# The script cannot be added to a page that is partial, compressed, or in the browser's cache; it has a few kB only.
_CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE", "HTTP_ACCEPT_ENCODING")
_OF_THE_FILE = ("content-length", "etag", "last-modified", "accept-ranges")


def is_shell(path: str) -> bool:
    """Return True where optuna-dashboard answers a path with that page."""
    return path == "/dashboard" or path.startswith("/dashboard/")


def with_links(dashboard: WSGIApplication) -> WSGIApplication:
    """Return the application with the script in its page; other answers, and pages without a head, stay unchanged."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = {key: value for key, value in environ.items() if key not in _CONDITIONS}
        if environ["REQUEST_METHOD"] == "HEAD":
            asked["REQUEST_METHOD"] = "GET"
        answered: list[tuple[str, list[tuple[str, str]]]] = []

        def answer(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answered.append((status, headers))

        parts = dashboard(asked, answer)
        try:
            page = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, headers = answered[-1]
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        if status.startswith("200") and kind.startswith("text/html"):
            page = page.replace(_END, TAG + _END, 1)
        kept = [(name, value) for name, value in headers if name.lower() not in _OF_THE_FILE]
        start_response(status, [*kept, ("Content-Length", str(len(page))), ("Cache-Control", "no-cache")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [page]

    return app

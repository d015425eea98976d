"""Optuna's dashboard with links to AutoFI's pages: one script more in the page that all of its views are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: A file and not an inline script: the policy that optuna-dashboard sends allows scripts of this server alone.
TAG = b'<script defer src="/autofi/links.js"></script>\n'
_END = b"</head>"
# The page is a few kB. Answered in part, compressed, or from the browser's memory, it could not be added to.
_CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE", "HTTP_ACCEPT_ENCODING")
_OF_THE_FILE = ("content-length", "etag", "last-modified", "accept-ranges")


def is_shell(path: str) -> bool:
    """Whether optuna-dashboard answers a path with that page."""
    return path == "/dashboard" or path.startswith("/dashboard/")


def with_links(dashboard: WSGIApplication) -> WSGIApplication:
    """Its page with the script; what is no page, or one without a head, stays as it is."""

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

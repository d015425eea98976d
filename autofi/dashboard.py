"""optuna-dashboard over the studies of a storage, for looking only."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from autofi.errors import ConfigError, MissingDependencyError, StoreError
from autofi.store.database import Database
from autofi.store.location import StorageURL, resolve_storage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
_LOOKING = ("GET", "HEAD")


def open_dashboard(storage: str | None = None, port: int = 8080) -> None:
    """Serve the studies on http://127.0.0.1:PORT until Ctrl-C; port 0 takes a free one.

    Whoever reaches the port may look, and only look: the dashboard has no users, so it listens on this
    machine alone and refuses whatever would change a study. Raises StoreError without a database.
    """
    url = resolve_storage(storage)
    app = dashboard_app(storage)
    try:
        server = make_server(HOST, port, app, server_class=_Server, handler_class=_Handler)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"The dashboard needs a free port: {HOST}:{port} cannot be had ({_reason(error)}); choose "
            "another (--port 0 finds one)."
        ) from error
    with server:
        sys.stderr.write(f"Studies of {url}: http://{HOST}:{server.server_port}/dashboard (Ctrl-C ends)\n")
        sys.stderr.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def dashboard_app(storage: str | None = None) -> WSGIApplication:
    """The dashboard as a WSGI application that answers GET and HEAD and refuses all else with 403."""
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise MissingDependencyError(
            "The dashboard needs a package that is not installed: pip install 'autofi[dashboard]'."
        ) from error
    url = resolve_storage(storage)
    _check_exists(url)
    # Handed over open: of a URL, Optuna would read braces in paths and passwords as placeholders.
    app: WSGIApplication = wsgi(Database(url).optuna)
    return _looking_only(app)


def _looking_only(app: WSGIApplication) -> WSGIApplication:
    def refuse_changes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in _LOOKING:
            return app(environ, start_response)
        body = b'{"reason": "this dashboard is for looking only"}'
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", headers)
        return [body]

    return refuse_changes


def _check_exists(url: StorageURL) -> None:
    """Looking must not create a database; one on a server is reached when it is opened."""
    if url.file is not None and not url.file.exists():
        raise StoreError(
            f"The dashboard shows studies that exist: there is no database at {url}; run autofi search, or "
            "name another with --storage."
        )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class _Server(ThreadingMixIn, WSGIServer):
    """A page asks for several things at once, and a large study takes a second."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    """Without a line for every request."""

    def log_message(self, format: str, *args: Any) -> None:
        return


__all__ = ["HOST", "dashboard_app", "open_dashboard"]

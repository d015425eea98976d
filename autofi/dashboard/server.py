"""The server of AutoFI's pages and optuna-dashboard over a storage, read-only unless changes are allowed."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from autofi.dashboard.access import LOOPBACK, Access, guarded
from autofi.dashboard.optuna_patch import read_attributes_once
from autofi.dashboard.optuna_shell import is_shell, with_links
from autofi.errors import ConfigError, MissingDependencyError, StoreError
from autofi.store import StudyStore
from autofi.store.artifacts import LinkedArtifacts
from autofi.store.database import Database
from autofi.store.storage_url import StorageURL, resolve_storage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: An idle connection is closed after so many seconds.
IDLE_SECONDS = 60.0


def open_dashboard(
    storage: str | None = None,
    port: int = 8080,
    *,
    host: str = LOOPBACK,
    token: str | None = None,
    allow_changes: bool = False,
) -> None:
    """Serve the studies on http://HOST:PORT until Ctrl-C; meanwhile add notes and figures that studies lack.

    Everybody who reaches the port may read, unless there is a token.

    Args:
        storage: The storage of the studies.
        port: The port; 0 takes a free one.
        host: The address; an address other than this machine's own needs a token.
        token: The token that visitors need; `auto` makes one.
        allow_changes: Allow changes of studies; needs a token.

    Raises:
        StoreError: There is no database.
        ConfigError: The address is not available.
    """
    url = resolve_storage(storage)
    access = Access.of(host, token, allow_changes=allow_changes)
    app = dashboard_app(storage, access)
    with listen(app, host, port) as server:
        threading.Thread(target=_add_what_is_missing, args=(url,), daemon=True).start()
        _say(
            f"Studies of {url}: {_address(access, server.server_port, made=token != access.token)} (Ctrl-C ends)"
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def dashboard_app(storage: str | None = None, access: Access | None = None) -> WSGIApplication:
    """Return the dashboard as a WSGI application; requests that `access` does not allow get 401 or 403.

    AutoFI answers `/` (the list of studies), `/studies.json`, `/report/STUDY`, `/plotly.min.js` and
    `/autofi/...`, and Optuna's dashboard everything else.
    """
    try:
        from optuna_dashboard import wsgi

        # These need a package of the same extra.
        from autofi.dashboard.forbidden_routes import forbid
        from autofi.dashboard.routes import is_ours, pages
    except ImportError as error:
        raise MissingDependencyError(
            "A package of the dashboard is not installed; run pip install 'autofi[dashboard]'."
        ) from error
    url = resolve_storage(storage)
    _check_exists(url)
    read_attributes_once()
    # Passed as an open database: in a URL, Optuna would read braces in paths and passwords as placeholders.
    database = Database(url, looking=access is None or not access.allow_changes)
    dashboard: WSGIApplication = wsgi(database.optuna, artifact_store=LinkedArtifacts.of(url))
    forbid(dashboard)
    ours, linked = pages(StudyStore(url, looking=True)), with_links(dashboard)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        chosen = ours if is_ours(path) else linked if is_shell(path) else dashboard
        return chosen(environ, start_response)

    return guarded(app, access or Access())


def listen(app: WSGIApplication, host: str, port: int) -> WSGIServer:
    """Return a server of the application with a thread per request; raise ConfigError where it cannot listen."""
    server_class = _Server6 if ":" in host else _Server
    try:
        return make_server(host, port, app, server_class=server_class, handler_class=_Handler)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"The address {host}:{port} is not available ({_reason(error)}); choose another port (--port 0 finds one)."
        ) from error


def _add_what_is_missing(url: StorageURL) -> None:
    """Add notes and figures to studies of earlier versions, 10 ms a note; a read-only database stays unchanged."""
    from autofi.study.dashboard_notes import complete

    try:
        with StudyStore(url) as store:
            for study in store.list():
                # A visitor may delete a study meanwhile; Optuna raises KeyError, and our own error is one too.
                with contextlib.suppress(KeyError):
                    complete(store.open(study.name))
    except StoreError as error:
        _say(f"Missing notes and figures could not be added: {error}")


def _address(access: Access, port: int, *, made: bool) -> str:
    """Return the URL to open; it contains the token only if it was made here, for a given one is its owner's secret."""
    shown = socket.gethostname() if access.host in ("0.0.0.0", "::") else access.host
    shown = f"[{shown}]" if ":" in shown else shown
    place = f"http://{shown}:{port}/"
    if access.token is None:
        return place
    return f"{place}?token={access.token if made else 'TOKEN'}"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _check_exists(url: StorageURL) -> None:
    """Raise StoreError where there is no database file, because reading must not create it."""
    if url.file is not None and not url.file.exists():
        raise StoreError(f"There is no database at {url}; run autofi search, or name another with --storage.")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class _Server(ThreadingMixIn, WSGIServer):
    """A server with a thread per request, since a page makes several at once and a large study takes a second."""

    daemon_threads = True


class _Server6(_Server):
    """The server for IPv6 addresses such as ::1."""

    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """A handler that logs no requests and closes idle connections, which ends their threads."""

    timeout = IDLE_SECONDS

    def handle(self) -> None:
        with contextlib.suppress(TimeoutError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        return


__all__ = ["dashboard_app", "listen", "open_dashboard"]

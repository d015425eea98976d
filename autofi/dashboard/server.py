"""Serves AutoFI's pages and optuna-dashboard over the studies of a storage: for looking, and for changing where that is
asked for."""

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

#: Until a connection on which nothing comes, or nothing is read, is closed.
IDLE_SECONDS = 60.0


def open_dashboard(
    storage: str | None = None,
    port: int = 8080,
    *,
    host: str = LOOPBACK,
    token: str | None = None,
    allow_changes: bool = False,
) -> None:
    """Serve the studies on http://HOST:PORT until Ctrl-C; port 0 takes a free one.

    Whoever reaches the port may look, and only look. With a `token` (`auto` makes one) whoever has it; another host
    than this machine's own address, and `allow_changes`, need one. Notes and figures that studies lack are added
    meanwhile. Raises StoreError without a database, ConfigError for a host or port that cannot be had.
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
    """Return the dashboard as a WSGI application; what `access` does not allow is answered with 401 or 403.

    AutoFI answers `/` (the list of studies), `/studies.json`, `/report/STUDY`, `/plotly.min.js` and `/autofi/...`, and
    Optuna's dashboard everything else.
    """
    try:
        from optuna_dashboard import wsgi

        # Of the same extra.
        from autofi.dashboard.forbidden_routes import forbid
        from autofi.dashboard.routes import is_ours, pages
    except ImportError as error:
        raise MissingDependencyError(
            "The dashboard needs a package that is not installed: pip install 'autofi[dashboard]'."
        ) from error
    url = resolve_storage(storage)
    _check_exists(url)
    read_attributes_once()
    # Handed over open: of a URL, Optuna would read braces in paths and passwords as placeholders.
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
    """Return a server of the application, a thread for every request; raises ConfigError where it cannot listen."""
    server_class = _Server6 if ":" in host else _Server
    try:
        return make_server(host, port, app, server_class=server_class, handler_class=_Handler)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"The dashboard needs a free port: {host}:{port} cannot be had ({_reason(error)}); choose "
            "another (--port 0 finds one)."
        ) from error


def _add_what_is_missing(url: StorageURL) -> None:
    """To studies of earlier versions, 10 ms a note; a database that may only be read is shown as it is."""
    from autofi.study.dashboard_notes import complete

    try:
        with StudyStore(url) as store:
            for study in store.list():
                # A visitor may delete a study at this moment: Optuna raises KeyError, and so does our own error.
                with contextlib.suppress(KeyError):
                    complete(store.open(study.name))
    except StoreError as error:
        _say(f"Notes and figures that are missing could not be added: {error}")


def _address(access: Access, port: int, *, made: bool) -> str:
    """Where to look; with a token only if it was made here: one that was given is its owner's secret."""
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


class _Server6(_Server):
    """The same for addresses such as ::1."""

    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Without a line for every request; a connection on which nothing comes or goes is closed, and its thread ends."""

    timeout = IDLE_SECONDS

    def handle(self) -> None:
        with contextlib.suppress(TimeoutError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        return


__all__ = ["dashboard_app", "listen", "open_dashboard"]

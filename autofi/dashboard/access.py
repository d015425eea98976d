"""Access control of the dashboard, which has no users: a token for reading, and permission for changes."""

from __future__ import annotations

import hashlib
import hmac
import html
import ipaddress
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from autofi.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK = "127.0.0.1"
TOKEN_VARIABLE = "AUTOFI_DASHBOARD_TOKEN"
MAKE_TOKEN = "auto"
_TOKEN = re.compile(r"[!-~]{8,200}")
_LOOKING = ("GET", "HEAD")


@dataclass(frozen=True)
class Access:
    """The address of the dashboard and the access that it allows.

    Raises:
        ConfigError: The settings would open the dashboard, or changes, to strangers.
    """

    host: str = LOOPBACK
    token: str | None = None
    allow_changes: bool = False

    def __post_init__(self) -> None:
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ConfigError(
                f"The dashboard's token (--token or {TOKEN_VARIABLE}) has {len(self.token)} characters; give "
                "one of 8 to "
                f"200 visible ASCII characters, or --token {MAKE_TOKEN}."
            )
        if self.token is None and self.allow_changes:
            raise ConfigError(f"--allow-changes needs a token, and there is none; add --token {MAKE_TOKEN}.")
        if self.token is None and not is_loopback(self.host):
            raise ConfigError(
                f"--host {self.host} opens the dashboard to other machines without a token; add --token {MAKE_TOKEN}."
            )

    @classmethod
    def of(cls, host: str, token: str | None, *, allow_changes: bool) -> Self:
        """Return the access with these settings; the token `auto` makes a new one."""
        made = secrets.token_urlsafe(24) if token == MAKE_TOKEN else token
        return cls(host=host, token=made, allow_changes=allow_changes)


def guarded(app: WSGIApplication, access: Access) -> WSGIApplication:
    """Return the application behind its token, read-only unless `access` allows changes.

    A dashboard on this machine's own address answers only to this machine's names, so that no website can point
    a name of its own at it. A change must come from a page of the dashboard itself, or from no page (curl). The
    cookie with the token's hash goes to the host that set it, and never with a request that another site makes.
    `autofi.dashboard.forbidden_routes` decides by route about the changes that are never allowed.
    """

    def guard(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if is_loopback(access.host) and not _names_loopback(environ):
            return _refuse(environ, start_response, "this dashboard answers on this machine's own names only")
        if access.token is not None:
            given = _query_token(environ)
            if given is not None and environ["REQUEST_METHOD"] == "GET" and _same(given, access.token):
                return _enter(environ, start_response, access.token)
            if not _authorized(environ, access.token):
                return _ask(environ, start_response)
        if environ["REQUEST_METHOD"] not in _LOOKING:
            if not access.allow_changes:
                return _refuse(environ, start_response, "this dashboard is read-only")
            if not _from_own_page(environ):
                return _refuse(environ, start_response, "another website's page may not change studies")
        return app(environ, start_response)

    return guard


def is_loopback(host: str) -> bool:
    """Return True where a host's name or address means this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _names_loopback(environ: WSGIEnvironment) -> bool:
    try:
        return is_loopback(urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or "")
    except ValueError:
        return False


def _from_own_page(environ: WSGIEnvironment) -> bool:
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin.partition("://")[2].lower() != environ.get("HTTP_HOST", "").lower():
        return False
    return environ.get("HTTP_SEC_FETCH_SITE", "none") in ("same-origin", "none")


def _query_token(environ: WSGIEnvironment) -> str | None:
    given = parse_qs(environ.get("QUERY_STRING", "")).get("token")
    return None if given is None else given[0]


def _authorized(environ: WSGIEnvironment, token: str) -> bool:
    scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer" and _same(given.strip(), token):
        return True
    try:
        cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    except CookieError:
        return False
    cookie = cookies.get(_cookie_name(environ))
    return cookie is not None and _same(cookie.value, _pass(token))


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _pass(token: str) -> str:
    """Return the value of the cookie, from which the token cannot be computed."""
    return hashlib.sha256(f"autofi dashboard {token}".encode()).hexdigest()


def _cookie_name(environ: WSGIEnvironment) -> str:
    # Browsers share cookies between all ports of a host: two dashboards must not overwrite each other's cookie.
    return f"autofi_dashboard_{environ.get('SERVER_PORT', '')}"


def _enter(environ: WSGIEnvironment, start_response: StartResponse, token: str) -> Iterable[bytes]:
    """Set the cookie and go to the same page without the token.

    This is a page and not a redirect: after a link on another site, browsers hold back a strict cookie until
    the first request that a page of this site makes.
    """
    rest = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    del rest["token"]
    # Only one slash, because two would begin the name of another host.
    path = "/" + quote(environ.get("PATH_INFO", "").encode("latin-1")).lstrip("/")
    target = html.escape(path + (f"?{urlencode(rest, doseq=True)}" if rest else ""))
    page = f'<!doctype html><meta http-equiv="refresh" content="0; url={target}"><a href="{target}">Studies</a>\n'
    headers = [
        ("Set-Cookie", f"{_cookie_name(environ)}={_pass(token)}; HttpOnly; SameSite=Strict; Path=/"),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
    ]
    return _answer(environ, start_response, "200 OK", "text/html; charset=utf-8", page, headers)


def _ask(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    page = (
        "This dashboard needs its token.\n\n"
        "In a browser, open the URL that 'autofi dashboard' printed, or add ?token=TOKEN to this one.\n"
        "Elsewhere, send the header Authorization: Bearer TOKEN.\n"
    )
    headers = [("WWW-Authenticate", 'Bearer realm="autofi dashboard"'), ("Cache-Control", "no-store")]
    return _answer(environ, start_response, "401 Unauthorized", "text/plain; charset=utf-8", page, headers)


def _refuse(environ: WSGIEnvironment, start_response: StartResponse, reason: str) -> Iterable[bytes]:
    page = f'{{"reason": "{reason}"}}'
    return _answer(environ, start_response, "403 Forbidden", "application/json", page)


def _answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: str,
    kind: str,
    page: str,
    headers: Iterable[tuple[str, str]] = (),
) -> Iterable[bytes]:
    body = page.encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *headers])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

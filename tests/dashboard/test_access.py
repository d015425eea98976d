"""Who has not the token sees nothing, and no other website changes anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from autofi.dashboard.access import MAKE_TOKEN, Access, guarded, is_loopback
from autofi.errors import ConfigError

TOKEN = "correct-horse"
HOST = "127.0.0.1:8080"


def inner(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Stands for the dashboard: whoever gets here may."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"studies"]


def ask(
    access: Access, method: str = "GET", path: str = "/dashboard", query: str = "", **headers: str
) -> tuple[str, dict[str, str], str]:
    """Status, headers and body; `headers` by their names in WSGI without HTTP_."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PORT": "8080",
        **{f"HTTP_{name}": value for name, value in {"HOST": HOST, **headers}.items()},
    }
    setup_testing_defaults(environ)
    answered: list[Any] = []
    body = b"".join(guarded(inner, access)(environ, lambda *given: answered.extend(given)))
    return answered[0], dict(answered[1]), body.decode()


def cookie() -> str:
    """What a browser sends after the first visit."""
    _, headers, _ = ask(Access(token=TOKEN), query=f"token={TOKEN}")
    return headers["Set-Cookie"].partition(";")[0]


def test_without_a_token_everyone_here_may_look_and_only_look() -> None:
    assert ask(Access())[0] == "200 OK"
    assert ask(Access(), "HEAD")[0] == "200 OK"
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        assert ask(Access(), method)[0] == "403 Forbidden"


@pytest.mark.parametrize(
    "path", ["/", "/dashboard", "/api/studies", "/static/bundle.js", "/favicon.ico", "/csv/1"]
)
def test_with_a_token_every_request_needs_it(path: str) -> None:
    access = Access(token=TOKEN)
    for given in (
        {},
        {"query": "token="},
        {"query": "token=wrong-horse"},
        {"query": f"token={TOKEN}x"},
        {"AUTHORIZATION": TOKEN},
        {"AUTHORIZATION": "Bearer wrong-horse"},
        {"AUTHORIZATION": "Bearer"},
        {"AUTHORIZATION": "Bearer \xff\xfe"},
        {"AUTHORIZATION": f"Basic {TOKEN}"},
        {"COOKIE": f"autofi_dashboard_8080={TOKEN}"},
        {"COOKIE": "autofi_dashboard_8080="},
        {"COOKIE": cookie().replace("8080", "8081")},
        {"COOKIE": "\x00;;=,broken[]"},
    ):
        status, headers, body = ask(access, path=path, **given)
        assert status == "401 Unauthorized", given
        assert headers["WWW-Authenticate"].startswith("Bearer")
        assert "?token=TOKEN" in body and "Authorization: Bearer TOKEN" in body
    assert ask(access, "DELETE", path)[0] == "401 Unauthorized"
    assert ask(access, path=path, AUTHORIZATION=f"Bearer {TOKEN}")[::2] == ("200 OK", "studies")
    assert ask(access, path=path, AUTHORIZATION=f"bearer  {TOKEN}")[0] == "200 OK"
    assert ask(access, path=path, COOKIE=f"a=b; {cookie()}")[::2] == ("200 OK", "studies")


def test_a_refused_head_has_no_body() -> None:
    assert ask(Access(token=TOKEN), "HEAD")[::2] == ("401 Unauthorized", "")


def test_the_first_address_sets_a_cookie_and_leads_to_the_page_without_the_token() -> None:
    status, headers, body = ask(
        Access(token=TOKEN), path="/dashboard/studies/1", query=f"a=1%202&token={TOKEN}&b="
    )
    assert status == "200 OK"
    name, *rules = headers["Set-Cookie"].split("; ")
    assert name.startswith("autofi_dashboard_8080=")
    assert TOKEN not in name
    assert set(rules) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert 'content="0; url=/dashboard/studies/1?a=1+2&amp;b="' in body
    assert TOKEN not in body


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "/\\evil.example", '/"><script>alert(1)</script>', "/ü"]
)
def test_it_leads_to_no_other_host_and_holds_no_script(path: str) -> None:
    _, _, body = ask(
        Access(token=TOKEN), path=path.encode().decode("latin-1"), query=f"token={TOKEN}&x=%22%3E%3Cscript%3E"
    )
    targets = re.findall(r"url=([^\"]*)\"", body) + re.findall(r'href="([^"]*)"', body)
    assert len(targets) == 2
    for target in targets:
        assert re.match(r"/[^/\\]", target)
    assert "<script" not in body


def test_a_page_of_another_host_reaches_nothing_on_this_machine() -> None:
    for access in (Access(), Access(token=TOKEN, allow_changes=True)):
        for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[", "10.0.0.5:8080"):
            assert ask(access, HOST=host, AUTHORIZATION=f"Bearer {TOKEN}")[0] == "403 Forbidden"
    for host in ("127.0.0.1", "localhost:9000", "LOCALHOST", "[::1]:8080", "127.0.0.2"):
        assert ask(Access(), HOST=host)[0] == "200 OK"


def test_elsewhere_the_token_decides_and_not_the_name() -> None:
    access = Access(host="0.0.0.0", token=TOKEN)
    assert ask(access, HOST="ads.example:8080")[0] == "401 Unauthorized"
    assert ask(access, HOST="ads.example:8080", COOKIE=cookie())[0] == "200 OK"


def test_changes_need_to_be_allowed_and_to_come_from_the_dashboards_own_page() -> None:
    with_cookie = {"COOKIE": cookie()}
    looking, changing = Access(token=TOKEN), Access(token=TOKEN, allow_changes=True)
    assert ask(looking, "DELETE", **with_cookie)[0] == "403 Forbidden"
    assert ask(changing, "DELETE", **with_cookie)[0] == "200 OK"
    assert ask(changing, "DELETE", ORIGIN=f"http://{HOST}", **with_cookie)[0] == "200 OK"
    assert ask(changing, "PUT", SEC_FETCH_SITE="same-origin", **with_cookie)[0] == "200 OK"
    for headers in (
        {"ORIGIN": "http://evil.example"},
        {"ORIGIN": "null"},
        {"ORIGIN": "http://127.0.0.1:9999"},
        {"ORIGIN": f"http://{HOST}.evil.example"},
        {"SEC_FETCH_SITE": "cross-site"},
        {"SEC_FETCH_SITE": "same-site"},
    ):
        status, _, body = ask(changing, "DELETE", **with_cookie, **headers)
        assert (status, "another website" in body) == ("403 Forbidden", True), headers
    # They may be looked at from a link on another site.
    assert ask(changing, SEC_FETCH_SITE="cross-site", **with_cookie)[0] == "200 OK"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"allow_changes": True}, "--allow-changes needs a token"),
        ({"host": "0.0.0.0"}, "--host 0.0.0.0 opens the dashboard"),
        ({"host": "::"}, "--host :: opens the dashboard"),
        ({"host": "ads.example"}, "--host ads.example opens the dashboard"),
        ({"token": ""}, "has 0 characters"),
        ({"token": "1234567"}, "has 7 characters"),
        ({"token": "has a space"}, "has 11 characters"),
        ({"token": "größer-als-acht"}, "has 15 characters"),
    ],
)
def test_what_strangers_could_use_is_refused_with_a_way_out(settings: dict[str, Any], found: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(found)) as refused:
        Access(**settings)
    assert f"--token {MAKE_TOKEN}" in str(refused.value)
    if settings.get("token"):
        assert settings["token"] not in str(refused.value)


def test_auto_makes_a_new_token_every_time() -> None:
    first, second = (Access.of("0.0.0.0", MAKE_TOKEN, allow_changes=True).token for _ in range(2))
    assert first != second
    assert first is not None and len(first) >= 32
    assert Access.of("127.0.0.1", TOKEN, allow_changes=False).token == TOKEN
    assert Access.of("127.0.0.1", None, allow_changes=False).token is None


def test_loopback_is_this_machine_only() -> None:
    for host in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost"):
        assert is_loopback(host)
    for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "", "example.org"):
        assert not is_loopback(host)

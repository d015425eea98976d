"""The pages at / and /docs: whole by themselves, and nothing of a model's or request's text is markup in them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import httpx
import pytest

from autofi.data.schema import Field, FieldKind, Schema
from autofi.serving.app import create_app
from autofi.serving.served_model import ServedModel
from tests.serving.servers import running

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def check_page(answer: httpx.Response) -> Tags:
    """That a page loads and runs nothing."""
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "script" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    found = Tags(answer.text)
    for tag, attributes in found.tags:
        assert tag not in ("script", "img", "link", "iframe", "form", "object", "base"), tag
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")]
        assert (attributes.get("href") or "/").startswith(("/", "#")), attributes
    return found


def test_the_first_page_says_what_is_served_and_how_to_ask(client: httpx.Client, served: ServedModel) -> None:
    page = client.get("/")
    tags = check_page(page)
    for name in served.schema.names:
        assert f"<td>{name}" in page.text
    command = re.search(r"<pre>(curl .*?)</pre>", page.text, re.DOTALL)
    assert command is not None
    tried = subprocess.run(["bash", "-c", unescape(command[1])], capture_output=True, text=True, check=True)
    assert re.fullmatch(r'\{"probabilities":\[0\.\d+\]\}', tried.stdout)
    for _, attributes in tags.tags:
        if attributes.get("href"):
            assert client.get(str(attributes["href"])).status_code == 200


def test_the_documentation_has_every_route_and_message(client: httpx.Client) -> None:
    page = client.get("/docs")
    tags = check_page(page)
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"<h2>{method.upper()} <code>{path}</code></h2>" in page.text
    anchors = {attributes.get("id") for _, attributes in tags.tags}
    assert set(document["components"]["schemas"]) <= anchors
    for _, attributes in tags.tags:
        if str(attributes.get("href", "")).startswith("#"):
            assert str(attributes["href"])[1:] in anchors
    assert "/docs" not in document["paths"] and "/" not in document["paths"]


@pytest.mark.parametrize("text", [EVIL, "&lt;b&gt;", "a\ud800b", "' ; rm -rf /", "\x00\x1b[31m"])
def test_texts_of_a_model_are_no_markup(served: ServedModel, text: str) -> None:
    fields = tuple(
        Field(text + kind.value, kind, separator=text if kind is FieldKind.MULTI_VALUED else None)
        for kind in FieldKind
    )
    schema = Schema(fields=fields, target=text)
    model = replace(served, name=text, schema=schema, study=text)
    with running(create_app(model, allowed_hosts=("*",))) as client:
        check_page(client.get("/"))
        if "\ud800" not in text:
            check_page(client.get("/docs"))
        check_page(client.get("/", headers={"Host": "a<script>b"}))

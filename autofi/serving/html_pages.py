"""The pages for people: `/` shows the model and how to call it, `/docs` the input and output of every route.

Each page is complete: no scripts, nothing loaded from other servers, and every text of the model or request
escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI, Request, Response

from autofi import __version__
from autofi.data.schema import FieldKind, Schema
from autofi.serving.served_model import VERSION, ServedModel

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }
td { overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .75rem; background: #8881; border-radius: .25rem; }
h2 { margin-top: 2rem; } .kind { opacity: .75; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_EXAMPLES: Mapping[FieldKind, Any] = {
    FieldKind.CATEGORICAL: "a",
    FieldKind.NUMERIC: 1.5,
    FieldKind.MULTI_VALUED: ["a", "b"],
}


def add_pages(app: FastAPI, model: ServedModel) -> None:
    """Add both pages to an application."""

    @app.get("/", include_in_schema=False)
    async def landing(request: Request) -> Response:
        return _page(f"{model.name}, served by AutoFI", _landing(model, str(request.base_url).rstrip("/")))

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> Response:
        return _page(f"{model.name}: the interface", _documentation(app.openapi()))


def example_row(schema: Schema) -> dict[str, Any]:
    """Return a row with a value of every field, to try a server with."""
    return {field.name: _EXAMPLES[field.kind] for field in schema.fields}


def _page(title: str, body: Iterable[str]) -> Response:
    html = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style>\n'
        f"<h1>{escape(title)}</h1>\n" + "\n".join(body) + "\n</html>\n"
    )
    # Text that UTF-8 cannot hold, such as half of a surrogate pair in a name, is shown as a question mark.
    return Response(html.encode("utf-8", "replace"), media_type="text/html", headers=_HEADERS)


def _landing(model: ServedModel, place: str) -> Iterator[str]:
    about = f"Version {VERSION} of the model; AutoFI {__version__}"
    about += f", study “{model.study}”, architecture {model.architecture}." if model.study else "."
    yield f"<p>{escape(about)} It gives the probability of <b>{escape(model.schema.target)}</b> for raw rows.</p>"
    yield "<h2>Fields</h2>"
    kinds = {
        FieldKind.CATEGORICAL: "a text or a number",
        FieldKind.NUMERIC: "a number",
        FieldKind.MULTI_VALUED: "a list of texts and numbers",
    }
    yield _table(
        ("field", "kind", "value"),
        (
            (
                field.name,
                field.kind.value,
                kinds[field.kind]
                + (f", or a text that is split at “{field.separator}”" if field.separator else ""),
            )
            for field in model.schema.fields
        ),
    )
    yield "<p>A field that a row leaves out, or that is null, is missing.</p>"
    body = json.dumps({"rows": [example_row(model.schema)]}, ensure_ascii=False)
    yield "<h2>Try it</h2>"
    command = f"curl -s {place}/predict -H 'Content-Type: application/json' -d {shlex.quote(body)}"
    yield f"<pre>{escape(command)}</pre>"
    yield "<h2>More</h2>"
    named = f"/v2/models/{model.name}"
    links = (
        ("/docs", "the input and output of every route"),
        ("/openapi.json", "the same for programs"),
        (named, "the model's metadata by the Open Inference Protocol v2"),
        ("/v2/health/ready", "true while the server takes requests"),
        ("/metrics", "the server's metrics for Prometheus"),
    )
    items = (f'<li><a href="{escape(to)}">{escape(to)}</a>: {escape(what)}</li>' for to, what in links)
    yield f"<ul>{''.join(items)}</ul>"


def _documentation(document: Mapping[str, Any]) -> Iterator[str]:
    yield '<p><a href="/">The model</a> · <a href="/openapi.json">the same for programs (OpenAPI)</a></p>'
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"<h2>{escape(method.upper())} <code>{escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('summary', ''))}</p>"
            parameters = [(given["name"], given["in"]) for given in operation.get("parameters", [])]
            if parameters:
                yield _table(("parameter", "in the"), parameters)
            if "requestBody" in operation:
                yield f"<p>Takes {_contents(operation['requestBody'])}.</p>"
            answers = sorted(operation["responses"].items())
            rows = "".join(
                f"<tr><td>{escape(status)}<td>{escape(answer.get('description', ''))}<td>{_contents(answer)}"
                for status, answer in answers
            )
            yield f"<table><tr><th>status<th>meaning<th>gives{rows}</table>"
    yield "<h2>Messages</h2>"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3>'
        yield f"<pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre>"


def _contents(message: Mapping[str, Any]) -> str:
    """Return the kinds of bodies of a message as HTML, with links to those that have a name."""
    found = []
    for kind, content in message.get("content", {}).items():
        name = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
        link = f'<a href="#{escape(name)}">{escape(name)}</a> ' if name else ""
        found.append(f'{link}<span class="kind">{escape(kind)}</span>')
    return ", ".join(found)


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(title)}" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows)
    return f"<table><tr>{head}{body}</table>"


__all__ = ["add_pages", "example_row"]

"""Sphinx directives that print what AutoFI knows of itself: commands, names, operators, spaces, settings, terms.

Each directive writes MyST Markdown from a registry or a dataclass, so that no page repeats one by hand.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import typer.cli
import typer.main
from docutils import nodes
from pydantic import TypeAdapter
from rich.text import Text
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import autofi
from autofi.cli.app import app
from autofi.core.option_fields import OptionRow
from autofi.engine.search_options import option_table
from autofi.nni.tuners import REFUSED, TUNERS
from autofi.report.glossary import WORDS
from autofi.samplers.registry import samplers
from autofi.space.search_space import SECTIONS
from autofi.space.sections import FieldSpace, PairSpace, ProductSpace, SupernetConfig
from autofi.strategies.registry import strategies

#: More choices of an option are not listed with it.
MOST_CHOICES = 12


class Generated(SphinxDirective):
    """A directive whose content is Markdown that `markdown` returns."""

    has_content = True

    def markdown(self) -> str:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(self.markdown(), allow_section_headings=True)


class Commands(Generated):
    """Every command of `autofi`, as its help has it."""

    def markdown(self) -> str:
        group = typer.main.get_command(app)
        context = group.make_context("autofi", [], resilient_parsing=True)
        context.obj = {"TYPER_RICH_MARKUP_MODE": "rich"}
        return "\n\n".join(_command(name, found, context) for name, found in group.commands.items())


def _command(name: str, command: Any, context: Any) -> str:
    told = typer.cli.get_docs_for_click(obj=command, ctx=context, indent=1, call_prefix="autofi")
    # In headings, code would be part of the anchor.
    told = told.replace(f"## `autofi {name}`", f"## autofi {name}", 1)
    if command.epilog:
        _, *lines = Text.from_markup(command.epilog).plain.split("\n\n")
        told = told.replace(
            command.epilog, "\n".join(["**Examples**:", "", "```sh", *map(_example, lines), "```"])
        )
    return re.sub(r"^\$ ", "", told, flags=re.MULTILINE)


def _example(line: str) -> str:
    """A line of an epilog; what it says of a command stands behind three blanks."""
    command, _, remark = line.partition("   ")
    return f"{command}  # {remark.strip()}" if remark else command


class PublicModule(Generated):
    """The public names of a module, by autodoc; nothing where the installed AutoFI has no such module."""

    required_arguments = 1

    def markdown(self) -> str:
        name = self.arguments[0]
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            return ""
        if not hasattr(module, "__all__"):
            return ""
        return f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :member-order: groupwise\n```"


class SearchOptionTable(Generated):
    """The options of a search: name in Python, flags, default, help."""

    def markdown(self) -> str:
        rows = [
            (f"`{row.name}`", ", ".join(f"`{flag}`" for flag in row.flags), _code(row.default), _help(row))
            for row in option_table()
        ]
        return _table(("Python", "Command line", "Default", "Meaning"), rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _help(row: OptionRow) -> str:
    # The names of all spaces have a page of their own.
    few = row.choices if len(row.choices) <= MOST_CHOICES else ()
    choices = f" One of {', '.join(f'`{choice}`' for choice in few)}." if few else ""
    return " ".join(_escaped(_sentence(row.help) + choices).split())


class Operators(Generated):
    """Operators of one choice, each with formula, settings and cost."""

    required_arguments = 1

    def markdown(self) -> str:
        found = [info for info in autofi.list_operators() if info.choice == self.arguments[0]]
        return "\n\n".join(map(_operator, found))


def _operator(info: Any) -> str:
    aliases = f" Also called {', '.join(f'`{alias}`' for alias in info.aliases)}." if info.aliases else ""
    lines = [
        f"### {info.name}",
        f"{_sentence(info.summary)}{aliases} [Source]({info.source})",
        f"```text\n{info.formula}\n```",
    ]
    if info.differs:
        lines.append(f"**Not as published:** {_sentence(info.differs)}")
    if info.settings:
        lines.append("\n".join(f"- `{setting}`" for setting in info.settings.split("; ")))
    lines.append(f"{info.parameters:,} parameters and {info.products:,} multiplications a row.")
    return "\n\n".join(lines)


class Spaces(Generated):
    """The search spaces of one kind: `search`, or `one point`."""

    required_arguments = 1
    final_argument_whitespace = True

    def markdown(self) -> str:
        found = [info for info in autofi.list_spaces() if info.kind == self.arguments[0]]
        return "\n\n".join(map(_space, found))


def _space(info: Any) -> str:
    lines = [f"### {info.name}", f"{_escaped(_sentence(info.summary))} [Source]({info.source})"]
    if info.differs:
        lines.append(f"**Compared with the source:** {_escaped(_sentence(info.differs))}")
    if info.ranges:
        lines.append("\n".join(f"- `{choice}`" for choice in info.ranges.split("; ")))
    return "\n\n".join(lines)


class Listing(Generated):
    """A table of names and summaries: `samplers`, `strategies`, `objectives`, `tuners` or `refused-tuners`."""

    required_arguments = 1

    def markdown(self) -> str:
        what = self.arguments[0]
        if what == "refused-tuners":
            rows = [(f"`{name}`", why.reason, f"`{why.instead}`") for name, why in REFUSED.items()]
            return _table(("Refused", "Why", "Instead"), rows)
        known: dict[str, Any] = {"samplers": samplers, "strategies": strategies}.get(what, lambda: TUNERS)()
        heading = {"samplers": "--sampler", "strategies": "--strategy", "tuners": "--tuner"}[what]
        rows = [(f"`{name}`", _escaped(found.summary)) for name, found in known.items()]
        return _table((f"`{heading}`", "Summary"), rows)


class Settings(Generated):
    """The settings of a section of a space file, with their bounds and defaults."""

    required_arguments = 1
    SECTIONS: ClassVar[dict[str, Any]] = {
        **SECTIONS,
        "fields": FieldSpace,
        "pairs": PairSpace,
        "products": ProductSpace,
        "search": SupernetConfig,
    }

    def markdown(self) -> str:
        kind = self.SECTIONS[self.arguments[0]]
        schema = TypeAdapter(kind).json_schema()
        rows = [
            (
                f"`{name}`",
                _kind(value, schema),
                f"`{_yaml(value['default'])}`" if "default" in value else "required",
            )
            for name, value in schema["properties"].items()
        ]
        return _table(("Key", "Value", "Default"), rows)


def _kind(value: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return the kinds and bounds of a value in words, from its JSON schema."""
    if "$ref" in value:
        return _kind(schema["$defs"][value["$ref"].rpartition("/")[2]], schema)
    for several in ("anyOf", "oneOf"):
        if several in value:
            return " or ".join(_kind(one, schema) for one in value[several])
    if "enum" in value:
        return ", ".join(f"`{_yaml(one)}`" for one in value["enum"])
    if "const" in value:
        return f"`{_yaml(value['const'])}`"
    if value.get("type") == "array":
        inner = value.get("items") or (value.get("prefixItems") or [{}])[0]
        return f"list of {_kind(inner, schema)}"
    words = [{"object": "mapping"}.get(value.get("type", "any"), value.get("type", "any"))]
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    words += [f"{sign} {value[key]:g}" for key, sign in bounds.items() if key in value]
    return " ".join(words)


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


class Glossary(Generated):
    """The terms of its content and those of the report's own glossary, in alphabetical order."""

    def markdown(self) -> str:
        terms = {word: meaning for word, (_, meaning) in WORDS.items()}
        own = re.split(r"\n\n+", "\n".join(self.content).strip())
        for entry in own:
            term, _, meaning = entry.partition("\n: ")
            if term in terms:
                raise self.error(f"'{term}' is a term of the report's glossary; delete it here.")
            terms[term] = " ".join(meaning.split())
        ordered = sorted(terms.items(), key=lambda item: re.sub(r"\W", "", item[0]).lower())
        lines = [f"{term}\n  {_escaped(meaning)}" for term, meaning in ordered]
        return ":::{glossary}\n" + "\n\n".join(lines) + "\n:::"


class Script(Generated):
    """A Python script in percent format: its Markdown cells as text, its code cells as code."""

    required_arguments = 1

    def markdown(self) -> str:
        _, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(path)
        return "\n\n".join(_cells(Path(path).read_text(encoding="utf-8")))


def _cells(script: str) -> Iterable[str]:
    for cell in re.split(r"^# %%", script, flags=re.MULTILINE)[1:]:
        kind, _, body = cell.partition("\n")
        if "[markdown]" in kind:
            yield re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)
        else:
            yield f"```python\n{body.strip()}\n```"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(["| " + " | ".join(row) + " |" for row in (heading, ["---"] * len(heading), *rows)])


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("<", r"\<")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _inherited(app: Sphinx, what: str, name: str, found: object, skip: bool, options: object) -> bool | None:
    """Leave out what scikit-learn's base classes add: its docstrings refer to scikit-learn's own pages."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app: Sphinx) -> dict[str, bool]:
    known = {
        "autofi-commands": Commands,
        "autofi-module": PublicModule,
        "autofi-search-options": SearchOptionTable,
        "autofi-operators": Operators,
        "autofi-spaces": Spaces,
        "autofi-list": Listing,
        "autofi-settings": Settings,
        "autofi-glossary": Glossary,
        "autofi-script": Script,
    }
    for name, directive in known.items():
        app.add_directive(name, directive)
    app.connect("autodoc-skip-member", _inherited)
    return {"parallel_read_safe": True}

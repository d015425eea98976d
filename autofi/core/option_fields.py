"""Options as the fields of a dataclass: each carries its help, and functions and commands are made of them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Literal, ParamSpec, TypeVar

#: How the text of an option becomes its value: `names` are `a,b`, and `repeated` gives one value each time.
Form = Literal["value", "seconds", "names", "repeated", "file", "limits"]
_OPTION = "option"
_WIDTH = 120
#: Packages before the name of a class.
_MODULE = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Z])")
P = ParamSpec("P")
Options = TypeVar("Options")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Option:
    """The description of one option, apart from its name, type and default.

    Attributes:
        help: A sentence or two, in plain text, for the command line and Python alike.
        group: The panel of the command's help that it is in; None for the first one.
        flags: Its flags on the command line; None for `--` and its name, and none where it has no flag of its own.
        form: How it is written on the command line.
        metavar: A word for its value there.
        choices: Returns the names that it takes, as far as they are known beforehand; called when they are shown.
        default_text: What it comes to where it is not given, if the field's default does not tell.
        at_least: The smallest number that it may be.
        envvar: The environment variable that the command line reads it from.
    """

    help: str
    group: str | None = None
    flags: tuple[str, ...] | None = None
    form: Form = "value"
    metavar: str | None = None
    choices: Callable[[], Iterable[str]] | None = None
    default_text: str | None = None
    at_least: int | None = None
    envvar: str | None = None


def option(default: Any, help: str, **said: Any) -> Any:
    """Return a field of a dataclass with a default; what is said beside the help are attributes of `Option`."""
    return dataclasses.field(default=default, metadata=described(help, **said))


def described(help: str, **said: Any) -> Mapping[str, Option]:
    """Return the metadata of a field without a default, which type checkers know by `dataclasses.field` alone."""
    return {_OPTION: Option(help, **said)}


@dataclass(frozen=True)
class OptionRow:
    """One option as help and reference show it.

    Attributes:
        name: Its name in Python.
        flags: Its flags on the command line; empty where it has none of its own.
        type: Its type in Python.
        default: What it comes to where it is not given; empty where it is off or nothing then.
        choices: The names that it takes, as far as they are known beforehand.
        help: A sentence or two.
    """

    name: str
    flags: tuple[str, ...]
    type: str
    default: str
    choices: tuple[str, ...]
    help: str


def said_of(field: dataclasses.Field[Any]) -> Option:
    """Return what a field says of its option."""
    found: Option = field.metadata[_OPTION]
    return found


def flags_of(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """Return the flags of an option on the command line, such as `--max` and `--min`."""
    flags = said_of(field).flags
    return (f"--{field.name.replace('_', '-')}",) if flags is None else flags


def default_text(field: dataclasses.Field[Any]) -> str:
    """Return what an option comes to where it is not given; empty where it is off or nothing then."""
    said = said_of(field).default_text
    if said is not None:
        return said
    return "" if field.default in (None, False) or field.default is MISSING else str(field.default)


def option_rows(kind: Any) -> tuple[OptionRow, ...]:
    """Return the options of a dataclass, in the order of its fields."""
    return tuple(
        OptionRow(
            field.name,
            flags_of(field),
            _MODULE.sub("", inspect.formatannotation(field.type).strip("'")),
            default_text(field),
            tuple(said.choices()) if (said := said_of(field)).choices else (),
            said.help,
        )
        for field in dataclasses.fields(kind)
    )


def called_with(
    options: Callable[P, Options],
) -> Callable[[Callable[[Options], Result]], Callable[P, Result]]:
    """Return a decorator: a function of a dataclass is called with the fields of that dataclass as its parameters.

    Type checkers and editors see the parameters with their types, as `help` and `inspect.signature` do at run time.
    """
    signature = inspect.signature(options)

    def decorate(function: Callable[[Options], Result]) -> Callable[P, Result]:
        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> Result:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(options(*args, **kwargs))

        returned = inspect.signature(function).return_annotation
        called.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
        called.__annotations__ = {
            **{name: parameter.annotation for name, parameter in signature.parameters.items()},
            "return": returned,
        }
        called.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n{_args_section(options)}"
        return called

    return decorate


def _args_section(kind: Any) -> str:
    """The options in Google style."""
    lines = ["Args:"]
    for field in dataclasses.fields(kind):
        default = default_text(field)
        text = f"{field.name}: {said_of(field).help}{f' Default: {default}.' if default else ''}"
        lines += textwrap.wrap(text, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8)
    return "\n".join(lines)

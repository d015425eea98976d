"""The parameters of the command `search`: the fields of `SearchOptions`."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from autofi.cli.column_options import schema_overrides
from autofi.cli.field_options import typer_option, typer_type
from autofi.cli.options import parse_duration, parse_list
from autofi.core.option_fields import Form, flags_of, said_of
from autofi.engine.search_options import SearchOptions

_READERS: Mapping[Form, Callable[[str], Any]] = {"seconds": parse_duration, "names": parse_list}


def with_search_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with an option for every field that has one flag, in the place of its parameter `given`.

    In `given` is only what is said on the command line, so that the library's own defaults hold for the rest. Options
    of columns are left to `with_columns`.
    """
    columns = inspect.signature(schema_overrides).parameters
    fields = {
        field.name: field
        for field in dataclasses.fields(SearchOptions)
        if len(flags_of(field)) == 1 and field.name not in columns
    }

    @functools.wraps(command)
    def called(**others: Any) -> None:
        said = {name: others.pop(name) for name in fields}
        read = {name: _read(fields[name], value) for name, value in said.items() if value is not None}
        command(**others, given=read)

    own = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for name, parameter in own.parameters.items():
        parameters += map(_parameter, fields) if name == "given" else [parameter]
    called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return called


def _parameter(name: str) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[typer_type(name), typer_option(name)],
    )


def _read(field: dataclasses.Field[Any], value: Any) -> Any:
    read = _READERS.get(said_of(field).form)
    return value if read is None else read(value)

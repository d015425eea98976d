"""Search spaces read from files: named ones, and those of a user."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from autofi.core.bounded_yaml import read_yaml
from autofi.core.validated import first_fault
from autofi.errors import SearchSpaceError
from autofi.space.builtin import named_spaces, space_file
from autofi.space.renamed_keys import with_current_keys
from autofi.space.search_space import SearchSpace


def load_space(text: str | Path) -> SearchSpace:
    """Return the space of a name (see `space.builtin`) or of a YAML file; an error names the key."""
    path = Path(text)
    if path.suffix not in {".yaml", ".yml"}:
        return _named(space_file(str(text)))
    if not path.is_file():
        raise SearchSpaceError(f"There is no search space file '{path}'; check the path or name a space.")
    return _read(path)


def load_named_spaces() -> dict[str, SearchSpace]:
    """Return every named space; an error names the file and the key."""
    return {name: _named(path) for name, path in named_spaces().items()}


def _named(path: Path) -> SearchSpace:
    space = _read(path)
    if space.name != path.stem:
        raise SearchSpaceError(
            f"Search space '{path}', key 'name': '{space.name}' is not the name of its file; set '{path.stem}'."
        )
    return space


def _read(path: Path) -> SearchSpace:
    try:
        document = read_yaml(path)
    except ValueError as error:
        raise SearchSpaceError(f"'{path}' is no YAML ({error}); correct it there.") from error
    try:
        return SearchSpace.model_validate(document)
    except SearchSpaceError as error:
        raise type(error)(f"Search space '{path}': {error}") from error
    except ValidationError as error:
        fault = first_fault(error, with_current_keys(document))
        raise SearchSpaceError(
            f"Search space '{path}', key '{fault.key or 'the file'}': {fault.rule}; found {fault.found}."
        ) from error

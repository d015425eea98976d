"""Names of registered classes without the seconds that importing the classes takes: a command's help lists them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path


def registered_names(registry: str, listing: str) -> tuple[str, ...]:
    """Return the names in a registry, in alphabetical order.

    A registry that is imported is asked. Of one that is not, the names are read from the source files of its package
    and from the entry points of the package's name, and nothing is imported.

    Args:
        registry: The module of the registry, such as `autofi.samplers.registry`.
        listing: Its function that returns the classes by name, such as `samplers`.
    """
    loaded = sys.modules.get(registry)
    if loaded is not None:
        return tuple(getattr(loaded, listing)())
    # A tenth of a second to import.
    from importlib.metadata import entry_points

    package = registry.rpartition(".")[0]
    spec = find_spec(package)
    folders = () if spec is None else spec.submodule_search_locations or ()
    written = {name for folder in folders for file in Path(folder).glob("*.py") for name in _names(file)}
    return tuple(sorted(written | {entry_point.name for entry_point in entry_points(group=package)}))


def _names(file: Path) -> Iterator[str]:
    """The attribute `name` of every class in a file with the decorator `register`."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and any(map(_registers, node.decorator_list)):
            for line in node.body:
                match line:
                    case ast.Assign([ast.Name("name")], ast.Constant(str(name))):
                        yield name


def _registers(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "register"

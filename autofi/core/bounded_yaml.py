"""A reader of users' YAML files that takes bounded time and memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

#: Most bytes of a file. PyYAML reads about 100 kB a second, and a file with hundreds of fields is smaller than that.
MOST_BYTES = 1_000_000
#: Most values of a document, with every alias counted as the values that it stands for.
MOST_VALUES = 100_000
#: Most characters of a number. Numbers of base 60 (`1:59:59`) and 16 may be of any length, and the time to read one
#: grows with the square of it.
MOST_DIGITS = 300
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_yaml(path: Path) -> Any:
    """Return the document in a YAML file.

    Aliases are resolved. The values they stand for are counted first, because a few lines of aliases of aliases can
    stand for billions of values ("billion laughs").

    Raises:
        ValueError: The file cannot be read, is not YAML, or is too large. The message is one line without the path.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        return _document(content.decode("utf-8"))
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except RecursionError:
        raise ValueError("it is nested hundreds of levels deep") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _document(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _count(root)
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _count(root: yaml.Node) -> None:
    """Raise ValueError if a document has too many values, contains itself, or has a number that is too long."""
    counts: dict[int, int] = {}
    open_nodes: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting[-1]
        if id(node) in counts:
            waiting.pop()
        elif id(node) in open_nodes:  # all its parts are counted
            waiting.pop()
            open_nodes.remove(id(node))
            counts[id(node)] = 1 + sum(counts[id(part)] for part in _parts(node))
            if counts[id(node)] > MOST_VALUES:
                raise ValueError(f"its aliases come to more than {MOST_VALUES:,} values")
        else:
            if node.tag in _NUMBERS and len(node.value) > MOST_DIGITS:
                raise ValueError(f"it has a number of {len(node.value):,} characters")
            open_nodes.add(id(node))
            for part in _parts(node):
                if id(part) in open_nodes:
                    raise ValueError("an alias in it names what it is a part of")
                waiting.append(part)


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value

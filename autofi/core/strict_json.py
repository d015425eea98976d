"""JSON of strangers, with nothing in it that could be read in two ways or that is no number."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; raises ValueError, in one line without the path, for anything else, and OSError."""
    return parse_object(path.read_bytes())


def parse_object(content: bytes) -> dict[str, Any]:
    """The JSON object that these bytes are.

    Raises ValueError for what is no JSON, for no object, for a key that an object has twice, for numbers that are not
    finite (`NaN`, `1e999`), for half of a surrogate pair, and for hundreds of levels.
    """
    try:
        document = json.loads(
            content.decode(), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite
        )
        if _SURROGATE.search(content):
            # Only halves of a pair fail here; a whole pair is one character by now.
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start + 1}") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair") from None
    except RecursionError:
        raise ValueError("it is nested hundreds of levels deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"an object in it has the key {twice[:40]!a} twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}, which is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds {text[:40]}, which is beyond every number")
    return number

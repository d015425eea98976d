"""A reader of untrusted JSON that refuses everything ambiguous, and numbers that are not finite."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds anything else. The message is one line without the path.
    """
    return parse_object(path.read_bytes())


def parse_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object that these bytes encode.

    Raises:
        ValueError: The bytes are not JSON or not an object, an object has a key twice, a number is not finite (`NaN`,
            `1e999`), a text holds half of a surrogate pair, or the nesting is hundreds of levels deep.
    """
    try:
        document = json.loads(
            content.decode(), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite
        )
        if _SURROGATE.search(content):
            # Only half of a pair fails here; a whole pair is one character by now.
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
        raise ValueError("it is not a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"an object in it has the key {twice[:40]!a} twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}, which is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds {text[:40]}, which is too large for a number")
    return number

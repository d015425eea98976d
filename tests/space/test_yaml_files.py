"""YAML of strangers is read in bounded time and memory: a few lines may name billions of values."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from autofi.api.compare import load_comparison
from autofi.cli.early_checks import check_comparison
from autofi.core.bounded_yaml import MOST_BYTES, MOST_VALUES, read_yaml
from autofi.data.schema_overrides import load_overrides
from autofi.errors import AutoFIError
from autofi.space.load import load_space


def laughs(levels: int, *, merged: bool = False) -> str:
    """Ten times as many values a level, or a mapping merged ten times into the next."""
    lines = ["a0: &a0 [ha, ha]" if not merged else "a0: &a0 {ha: 1}"]
    for level in range(1, levels):
        names = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} " + (f"{{<<: [{names}]}}" if merged else f"[{names}]"))
    return "\n".join(lines)


BOMBS = {
    "aliases of aliases": laughs(9),
    "aliases as merged keys": laughs(9, merged=True),
    "keys that are aliases": laughs(9) + "\n? *a8\n: 1",
    "an alias of its own list": "a: &a [*a]",
    "an alias of its own mapping": "&a {b: {c: *a}}",
    "brackets": "a: " + "[" * 20_000,
    "too many bytes": "# " + "x" * MOST_BYTES,
    "a number too long to read": "a: " + "9" * 10_000,
    "a number of base 60 without end": "a: 1" + ":59" * 300_000,
    "a fraction of base 60 without end": "a: 1" + ":59" * 300_000 + ".5",
    "a number of base 16 without end": "a: 0x" + "f" * 900_000,
    "a key that is a number without end": "0x" + "f" * 900_000 + ": a",
    "a text that is said to be a number": "a: !!int '0x" + "f" * 900_000 + "'",
    "no text": b"\xff\xfe\x00\x01",
    "no YAML": "a: [",
    "a tag that would call Python": "a: !!python/object/apply:os.system ['true']",
}


def early(path: Path) -> None:
    """As `autofi compare` looks at the file before torch is imported."""
    check_comparison(path, path.parent, None)


READERS: dict[str, Callable[[Path], Any]] = {
    "space": load_space,
    "schema": load_overrides,
    "comparison": load_comparison,
    "comparison, early": early,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_one_line_and_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, bomb: str
) -> None:
    monkeypatch.setattr("autofi.cli.early_checks._needless", lambda: False)
    path, content = tmp_path / "file.yaml", BOMBS[bomb]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    begun = time.process_time()
    with pytest.raises(AutoFIError) as refused:
        READERS[reader](path)
    assert time.process_time() - begun < 2.0
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)
    assert len(str(refused.value)) < 500


def test_what_aliases_are_good_for_is_read(tmp_path: Path) -> None:
    text = "base: &base {rows: 5, kinds: [a, b]}\nmine: {<<: *base, rows: 6}\nalso: [*base, *base]\nempty: &e []\n"
    (tmp_path / "file.yaml").write_text(text)
    assert read_yaml(tmp_path / "file.yaml") == yaml.safe_load(text)
    (tmp_path / "file.yaml").write_text("")
    assert read_yaml(tmp_path / "file.yaml") is None


def test_the_most_values_may_be_had(tmp_path: Path) -> None:
    def written(values: int) -> Path:
        # The list itself is one, and each of its hundreds another.
        tens = f"&t [{', '.join('1' * 99)}]"
        rest = ["1"] * (values - 1 - 100 * 900)
        (tmp_path / "file.yaml").write_text(f"[{', '.join([tens, *['*t'] * 899, *rest])}]")
        return tmp_path / "file.yaml"

    assert len(read_yaml(written(MOST_VALUES))) == 900 + MOST_VALUES - 1 - 90_000
    with pytest.raises(ValueError, match="more than 100,000 values"):
        read_yaml(written(MOST_VALUES + 1))

"""A server's first lines, whatever a bundle calls its fields."""

from __future__ import annotations

import json
import shlex

import numpy as np

from autofi.data.schema import Field, FieldKind, Schema
from autofi.serving.served_model import ServedModel
from autofi.serving.server import welcome


def test_the_welcome_holds_nothing_that_a_terminal_obeys() -> None:
    names = ("\x1b[2J", "line\nend", "\x9b31m", "it's", "Größe")
    schema = Schema(tuple(Field(name, FieldKind.CATEGORICAL) for name in names), target="click")
    model = ServedModel("\x1b]0;mine", schema, lambda table: np.zeros(len(table)), "", "")
    lines = welcome(model, "127.0.0.1", 80).split("\n")
    assert len(lines) == 3 and all(line.isprintable() for line in lines)
    (row,) = json.loads(shlex.split(lines[2])[-1])["rows"]
    assert tuple(row) == names

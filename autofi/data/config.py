"""Configuration of the data of a study: its source and how it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autofi.data.schema_overrides import SchemaOverrides

DEFAULT_SPLIT = "random:0.8,0.1,0.1"
#: Raised whenever the same arguments come to other encoded data, as by another split; studies without it are of 1.
READING = 2


@dataclass(frozen=True)
class DataConfig:
    """The source of the rows and how they are read; `source` is None for a table in memory.

    `overrides` are those of `SchemaOverrides.to_json`; `reading` is the `READING` of the version that began the study.
    """

    source: str | None
    target: str | None = None
    query: str | None = None
    split: str = DEFAULT_SPLIT
    valid: str | None = None
    test: str | None = None
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    reading: int = READING

    def schema_overrides(self) -> SchemaOverrides:
        """Return the overrides as the schema's inference takes them."""
        # Half a second of imports, which a command's help, which tells the default split, does without.
        from autofi.data.schema_overrides import SchemaOverrides

        return SchemaOverrides.model_validate(dict(self.overrides))

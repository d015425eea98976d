"""The user's settings of columns, which win over inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from autofi.core.bounded_yaml import read_yaml
from autofi.core.validated import Strict, first_fault
from autofi.errors import ConfigError, nearest


class SchemaOverrides(Strict):
    """Columns by their use; everything that is not set is inferred.

    Attributes:
        target: The target.
        ignore: Columns that are not read.
        categorical: Categorical columns.
        numeric: Numeric columns.
        multi_valued: The text between values, by column of several values per row.
        weight: Column of weights; not a field.
        group: Column of groups, mostly a user id; stays a field.
        time: Column of times; not a field.
        split_column: Column of the texts train, valid and test; not a field.
        missing: Marks of missing values in any column, besides the usual ones of numbers and times.
        decimal: Decimal mark of numbers in texts; the other mark may stand between thousands.
        header: True if the first row of delimited text holds the names.
        delimiter: The character between cells of delimited text, or `tab`.
    """

    target: str | None = None
    ignore: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    multi_valued: dict[str, str] = Field(default_factory=dict)
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    split_column: str | None = None
    missing: tuple[str, ...] = ()
    decimal: Literal[".", ","] | None = None
    header: bool | None = None
    delimiter: str | None = None

    def with_text(self, *, header: bool | None, delimiter: str | None) -> SchemaOverrides:
        """Return the overrides with other settings of delimited text; None changes nothing."""
        said = {"header": header, "delimiter": delimiter}
        return self.model_copy(update={key: value for key, value in said.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults, as plain JSON values."""
        return self.model_dump(mode="json", exclude_defaults=True)


def load_overrides(path: str | Path) -> SchemaOverrides:
    """Return the overrides in a YAML file.

    Raises:
        ConfigError: The file is not valid; the message names the file and the key.
    """
    path = Path(path)
    try:
        document = read_yaml(path)
    except ValueError as error:
        raise ConfigError(
            f"The schema file '{path}' cannot be read as YAML in UTF-8 ({error}); correct it there."
        ) from None
    if document is None:
        return SchemaOverrides()
    if not isinstance(document, dict):
        raise ConfigError(
            f"The schema file '{path}' holds a {type(document).__name__} instead of keys; write lines such as "
            "'target: click'."
        )
    known = SchemaOverrides.model_fields
    for key in document:
        if key not in known:
            raise ConfigError(f"'{path}' has an unknown key '{key}': {nearest(str(key), known)}")
    try:
        return SchemaOverrides.model_validate(document)
    except ValidationError as error:
        fault = first_fault(error, document)
        raise ConfigError(
            f"'{path}', key '{fault.key}': {fault.rule}, found {fault.found}; correct it there."
        ) from None

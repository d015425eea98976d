"""What a user says about columns, instead of leaving it to inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from autofi.core.bounded_yaml import read_yaml
from autofi.core.validated import Strict, first_fault
from autofi.errors import ConfigError, nearest


class SchemaOverrides(Strict):
    """Columns by their use; whatever is not named here is inferred.

    `multi_valued` maps a column to the text between its values. `group` stays a field (a user id mostly
    is one); `weight`, `time` and `split_column` do not become fields. `missing` are marks of missing values, in any
    column, besides those that columns of numbers and times have anyway; `decimal` is the decimal mark of numbers in
    texts, "." or ",", where the other one may stand between thousands. `header` and `delimiter` (a character or
    `tab`) say how delimited text is divided.
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
        """The same, and what else is said of delimited text; None leaves it as it is."""
        said = {"header": header, "delimiter": delimiter}
        return self.model_copy(update={key: value for key, value in said.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """What is said, as a study keeps it: plain JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


def load_overrides(path: str | Path) -> SchemaOverrides:
    """The overrides in a YAML file; raises ConfigError naming the file and the key."""
    path = Path(path)
    try:
        document = read_yaml(path)
    except ValueError as error:
        raise ConfigError(
            f"A schema file is YAML in UTF-8: '{path}' is not, or cannot be read ({error}); mend it there."
        ) from None
    if document is None:
        return SchemaOverrides()
    if not isinstance(document, dict):
        raise ConfigError(
            f"A schema file maps keys to columns: '{path}' holds a {type(document).__name__}; write lines "
            "such as 'target: click'."
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
            f"'{path}', key '{fault.key}': {fault.rule}, found {fault.found}; mend it there."
        ) from None

"""Early checks of files, columns, names and numbers, made before torch and its dependants are imported.

The library refuses the same errors, and more, but only after seconds of imports. Where torch is imported
already, or not installed, the checks save nothing and are skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autofi.core.optional_dependencies import extras_named
from autofi.errors import ConfigError, SearchSpaceError

if TYPE_CHECKING:
    from autofi import SchemaOverrides
    from autofi.readers import ColumnNames

_PLANTED = "planted"
_YAML = (".yaml", ".yml")


def check_study(name: str, storage: str | None, *, data: str | None = None) -> None:
    """Raise an error for a study that the storage lacks, and for a `data` where there is no table."""
    if _needless():
        return
    with extras_named():
        from autofi.store.quick_lookup import check_study as look_up
        from autofi.store.storage_url import resolve_storage
    look_up(name, resolve_storage(storage))
    if data is not None:
        _columns(data)


def check_new_study(name: str | None, storage: str | None) -> None:
    """Raise an error for a name that no study can have; without a name, it is made from the table's."""
    if name is None or _needless():
        return
    with extras_named():
        from autofi.store.storage_url import resolve_storage
        from autofi.store.study_name import check_study_name
    check_study_name(name, resolve_storage(storage))


def check_trial(study: str, storage: str | None, trial: int | None) -> None:
    """Raise an error for the number of a trial that the study has not finished."""
    if trial is None or _needless():
        return
    with extras_named():
        from autofi.store.quick_lookup import check_trial as look_up
        from autofi.store.storage_url import resolve_storage
    look_up(study, resolve_storage(storage), trial)


def check_table(
    data: str,
    *,
    target: str | None,
    overrides: SchemaOverrides | None,
    query: str | None,
    split: str | None = None,
    others: Sequence[Path | None] = (),
) -> None:
    """Raise an error for missing files, and for names that are not columns of the table."""
    if _needless():
        return
    text: dict[str, Any] = {}
    if overrides is not None:
        text = {"header": overrides.header, "delimiter": overrides.delimiter}
    found = _columns(data, query=query, **text)
    for other in others:
        if other is not None:
            _columns(str(other), **text)
    if found is not None:
        from autofi.data.schema_inference import check_columns

        check_columns(found, target=target, overrides=overrides)
        if split is not None:
            from autofi.data.split import SplitSpec, check_split as check

            check(SplitSpec.parse(split), found)


def check_space(name: str) -> None:
    """Raise an error for a search space that is neither a name nor a file."""
    if _needless():
        return
    from autofi.space.builtin import space_file

    path = Path(name)
    if path.suffix not in _YAML:
        space_file(name)
    elif not path.is_file():
        raise SearchSpaceError(
            f"The search space file '{path}' does not exist; check the path or name a space."
        )


def check_baselines(names: Sequence[str] | None) -> None:
    """Raise an error for baselines that are neither trees nor search spaces."""
    if names is None or _needless():
        return
    from autofi.space.builtin import TREES, named_spaces

    known = sorted({*TREES, *named_spaces()})
    for name in names:
        if name not in known:
            # Spaces with one point are known only after reading all, which needs torch.
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise SearchSpaceError(
                f"No baseline named '{name}': {hint}Known: {', '.join(TREES)} and the spaces of one point that "
                "autofi spaces lists."
            )


def check_report(study: str, output: Path | None, form: str | None) -> None:
    """Raise an error for an unknown form of a report, and for a file that does not fit the form."""
    if _needless():
        return
    from autofi.report.output_path import report_target

    report_target(study, output, form)


def check_bundle(
    bundle: Path,
    data: str | None = None,
    *,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    output: Path | None = None,
    labelled: bool = False,
    unweighted: bool = False,
) -> None:
    """Raise an error for a folder that is not a bundle, an invalid output, and a table without the bundle's columns.

    With `labelled`, the table also needs the target, and the weights unless `unweighted`.
    """
    if _needless():
        return
    from autofi.bundle.files import existing_bundle
    from autofi.bundle.manifest import check_file, read_manifest

    folder = existing_bundle(bundle)
    manifest = read_manifest(folder)
    manifest.check_listed(folder)
    if output is not None:
        from autofi.bundle.score_file import ScoreFile

        ScoreFile(output)
    if data is None:
        return
    from autofi.bundle.raw_rows import check_fields, check_labelled
    from autofi.bundle.schema import SCHEMA, read_schema

    schema = None
    if SCHEMA in manifest.files:
        check_file(folder / SCHEMA, manifest.files[SCHEMA])
        schema = read_schema(folder)[0]
    names = () if schema is None else schema.names
    found = _columns(data, query=query, header=header, delimiter=delimiter, names=names)
    if found is not None and schema is not None:
        check_fields(found, schema)
        if labelled:
            check_labelled(found, schema, weight=None if unweighted else schema.weight)


def check_comparison(file: Path, data: Path, tables: Sequence[str] | None) -> None:
    """Raise an error for a missing file of a comparison, and for missing sources of its tables."""
    if _needless():
        return
    from autofi.core.bounded_yaml import read_yaml

    try:
        document = read_yaml(file)
    except ValueError as error:
        raise ConfigError(
            f"The comparison '{file}' cannot be read as YAML ({error}); correct the file."
        ) from error
    listed = document.get("tables") if isinstance(document, dict) else None
    for name, table in (listed if isinstance(listed, dict) else {}).items():
        source = table.get("source") if isinstance(table, dict) else None
        if isinstance(source, str) and (tables is None or name in tables):
            _columns(str(data / source))


def _needless() -> bool:
    return "torch" in sys.modules or find_spec("torch") is None


def _columns(data: str, **options: Any) -> ColumnNames | None:
    """Return the columns of a table without reading its rows; the options are those of `column_names`."""
    if data.partition(":")[0] == _PLANTED:
        return None
    from autofi.readers import column_names

    return column_names(data, **options)

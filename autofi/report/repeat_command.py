"""The command that repeats a search, or a Python script where its table was in memory."""

from __future__ import annotations

import glob
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from autofi.core.option_fields import flags_of, said_of
from autofi.core.option_names import NNI, OPTUNA
from autofi.data.config import DEFAULT_SPLIT
from autofi.engine.search_options import SearchOptions
from autofi.errors import SearchSpaceError
from autofi.readers.urls import is_database_url
from autofi.report.findings import Findings
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.store import mask_password
from autofi.store.search_settings import SearchSettings

#: The storage of the repeated study: in the storage of the first one, the same name would resume that study.
STORAGE = "sqlite:///repeated.db"
#: Files for settings that no option can express.
SPACE_FILE, SCHEMA_FILE = "space.yaml", "schema.yaml"
_END = "END_OF_FILE"
#: Overrides with an option: those given once, and those that may be given several times.
_ONE = {"weight": "--weight", "group": "--group", "time": "--time", "split_column": "--split-column"}
_MANY = {"ignore": "--ignore", "categorical": "--categorical", "numeric": "--numeric"}
_LIMIT = re.compile(r"(\w+)\s*(<=|>=)\s*(.+)")


@dataclass(frozen=True)
class Repeat:
    """The code that repeats a search.

    Attributes:
        code: Shell commands, or Python where the table was in memory.
        in_python: True where `code` is Python.
        notes: Conditions that the code alone does not meet.
    """

    code: str
    in_python: bool
    notes: tuple[str, ...]


def repeat_search(findings: Findings) -> Repeat | None:
    """Return the code that repeats the search on the same table, into a new database in the working folder.

    Returns:
        None for a study whose settings are not those of a search by this version.
    """
    settings = _settings(findings)
    if settings is None or not _is_space(findings.record.space_json):
        return None
    notes = []
    if findings.asked is not None and len(findings.complete) < findings.asked:
        notes.append(
            f"The search ended with {len(findings.complete)} of {findings.asked} trials; this one measures all "
            f"{findings.asked}."
        )
    if settings.source is None:
        return Repeat(
            _script(findings, settings),
            True,
            (
                "The table was in memory, so a command cannot read it: pass the same rows in the same order as "
                "`table`, "
                "and the validation and test rows too if they were separate tables.",
                *notes,
            ),
        )
    return Repeat(_command(findings, settings, notes), False, tuple(notes))


def study_commands(findings: Findings) -> str:
    """Return the commands that show, export and explain the existing study, with its storage."""
    storage = str(findings.summary["storage"])
    settings = _settings(findings)
    known = settings is not None and settings.source is not None
    rows = _place(str(settings.source), []) if settings and known else "rows.csv"
    query = ["--query", settings.query] if settings and settings.query else []
    lines = [
        ["autofi", "show", *_positional(findings.record.name), "--storage", storage],
        ["autofi", "explain", "model", rows, "--rows", "3", *query],
    ]
    first, *others = [shlex.join(line) for line in lines]
    return "\n".join((first, export_command(findings), *others))


def export_command(findings: Findings) -> str:
    """Return the command that exports the study's winner, or its best trial so far, with its storage."""
    storage = str(findings.summary["storage"])
    return shlex.join(
        ("autofi", "export", *_positional(findings.record.name), "-o", "model", "--storage", storage)
    )


def _settings(findings: Findings) -> SearchSettings | None:
    try:
        return SearchSettings.from_json(findings.record.settings)
    except TypeError:
        return None


def _is_space(text: str) -> bool:
    """Return True where the text is a search space; a comparison has none."""
    try:
        SearchSpace.model_validate_json(text)
    except (ValidationError, SearchSpaceError):
        return False
    return True


def _command(findings: Findings, settings: SearchSettings, notes: list[str]) -> str:
    files = []
    assert settings.source is not None
    space = _space(findings)
    if space == SPACE_FILE:
        files.append(_written(SPACE_FILE, _space_yaml(findings)))
    overrides = dict(settings.overrides)
    said = _column_options(overrides)
    if said is None:
        files.append(_written(SCHEMA_FILE, yaml.safe_dump(overrides, sort_keys=False, allow_unicode=True)))
        said = [("--schema", SCHEMA_FILE)]
    given = _given(findings, settings) | {"space": space}
    target = settings.target or overrides.get("target")
    if target is not None:
        given["target"] = str(target)
    for name in ("valid", "test"):
        if name in given:
            given[name] = _place(given[name], notes)
    if settings.engine == NNI:
        notes.append("NNI needs an interpreter of its own: add --nni-python or set AUTOFI_NNI_PYTHON.")
    line = ["autofi", "search", _place(settings.source, notes)]
    options = [part for field in fields(SearchOptions) for part in _flagged(field, given.get(field.name))]
    parts = [shlex.join(line), *options, *(_told(flag, value) for flag, value in said)]
    return "\n".join([*files, " \\\n  ".join(parts)])


def _script(findings: Findings, settings: SearchSettings) -> str:
    overrides = dict(settings.overrides)
    space = _space(findings)
    given = _given(findings, settings) | {"space": space}
    lines = [
        f"    {field.name}={given[field.name]!r}," for field in fields(SearchOptions) if field.name in given
    ]
    if overrides:
        lines.append(f"    overrides=autofi.SchemaOverrides.model_validate({overrides!r}),")
    files = []
    if space == SPACE_FILE:
        files = ["from pathlib import Path", f"Path({SPACE_FILE!r}).write_text({_space_yaml(findings)!r})"]
    return "\n".join(["import autofi", *files, "autofi.search(", "    table,", *lines, ")"])


def _given(findings: Findings, settings: SearchSettings) -> dict[str, Any]:
    """The arguments of the search that differ from what is so anyway, but for the table, the space and `overrides`."""
    kept = {field.name: getattr(settings, field.name) for field in fields(SearchSettings)}
    del kept["source"], kept["reading"], kept["overrides"]
    asked = {
        **kept,
        "study": findings.record.name,
        "storage": STORAGE,
        "trials": findings.asked or settings.trials,
        "plateau": findings.plateau,
    }
    if settings.engine == NNI:
        del asked["sampler"]
    # A rule of the split is refused beside a column that says it.
    plain = {"split": DEFAULT_SPLIT, "engine": OPTUNA, "refit": False, "limits": ()}
    return {name: value for name, value in asked.items() if value is not None and value != plain.get(name)}


def _flagged(field: Field[Any], value: Any) -> list[str]:
    """An option and its value as words of a shell; none where it has no value."""
    if value is None:
        return []
    if value is True:
        return list(flags_of(field))
    said = said_of(field)
    if said.form == "limits":
        return [_told(*_limit(text)) for text in value]
    (flag,) = flags_of(field)
    if said.form == "names":
        return [_told(flag, ",".join(value) or "none")]
    return [_told(flag, str(one)) for one in (value if said.form == "repeated" else (value,))]


def _column_options(overrides: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    """Return the overrides as options; None where no option can express one of them."""
    said: list[tuple[str, str]] = []
    for key, value in overrides.items():
        if key == "target":
            continue
        if key in _ONE:
            said += [(_ONE[key], str(value))]
        elif key in _MANY:
            said += [(_MANY[key], str(column)) for column in value]
        elif key == "multi_valued" and all(":" not in column for column in value):
            said += [("--multi-valued", f"{column}:{separator}") for column, separator in value.items()]
        else:
            return None
    return said


def _space(findings: Findings) -> str:
    """Return the name of the study's space, or the file for it where the name means no space or another one now."""
    record = findings.record
    try:
        known = load_space(record.space_name)
    except SearchSpaceError:
        return SPACE_FILE
    return record.space_name if known.fingerprint == record.space_fingerprint else SPACE_FILE


def _space_yaml(findings: Findings) -> str:
    text: str = yaml.safe_dump(json.loads(findings.record.space_json), sort_keys=False, allow_unicode=True)
    return text


def _written(name: str, text: str) -> str:
    """Return shell code that writes a file, whatever its text is."""
    end = _END
    while end in text:
        end += "_"
    return f"cat > {name} <<'{end}'\n{text.rstrip()}\n{end}"


def _place(source: str, notes: list[str]) -> str:
    """Return the absolute path of a table; add a note where the file or the password is missing."""
    if source.partition(":")[0] == "planted":
        return source
    if is_database_url(source):
        masked = mask_password(source)
        if masked != source:
            notes.append(f"Replace *** by the password in {masked}.")
        return masked
    if Path(source).exists() or glob.glob(source):
        return os.path.abspath(source)
    notes.append(
        f"'{source}' does not exist here: give its path, or run this in the folder of the first search."
    )
    return source


def _limit(text: str) -> tuple[str, str]:
    found = _LIMIT.fullmatch(text)
    assert found is not None, text
    name, sign, value = found.groups()
    return ("--max" if sign == "<=" else "--min"), f"{name}={value}"


def _told(flag: str, value: str) -> str:
    """Return the option; a value that begins like an option is joined to its flag with "="."""
    return f"{flag}={shlex.quote(value)}" if value.startswith("-") else shlex.join([flag, value])


def _positional(value: str) -> Sequence[str]:
    return ("--", value) if value.startswith("-") else (value,)

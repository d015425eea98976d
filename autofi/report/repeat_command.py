"""How a search is made once more: a command that can be pasted, or a script where its table was in memory."""

from __future__ import annotations

import glob
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from autofi.core.engine_names import NNI
from autofi.data.config import SearchSettings
from autofi.data.split import DEFAULT_SPLIT
from autofi.errors import SearchSpaceError
from autofi.readers.urls import is_database_url
from autofi.report.findings import Findings
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.store import mask_password

#: Where the repeated study is kept: the same name in the storage of the first would resume that.
STORAGE = "sqlite:///repeated.db"
#: Files that are written where an option has no place for what they say.
SPACE_FILE, SCHEMA_FILE = "space.yaml", "schema.yaml"
_END = "END_OF_FILE"
#: Overrides that have an option, and those that can be given several times.
_ONE = {"weight": "--weight", "group": "--group", "time": "--time", "split_column": "--split-column"}
_MANY = {"ignore": "--ignore", "categorical": "--categorical", "numeric": "--numeric"}
_LIMIT = re.compile(r"(\w+)\s*(<=|>=)\s*(.+)")


@dataclass(frozen=True)
class Repeat:
    """`code` is for a shell, or Python where the table was in memory; `notes` are what it needs beside itself."""

    code: str
    in_python: bool
    notes: tuple[str, ...]


def repeat_search(findings: Findings) -> Repeat | None:
    """What searches the same table in the same way again, into a database of its own in the working folder; None of a
    study whose settings are not those of a search by this version."""
    settings = _settings(findings)
    if settings is None or not _is_space(findings.record.space_json):
        return None
    notes = []
    if findings.asked is not None and len(findings.complete) < findings.asked:
        notes.append(
            f"The search ended with {len(findings.complete)} of {findings.asked} trials; this one measures all that "
            "were asked for."
        )
    if settings.source is None:
        return Repeat(
            _script(findings, settings),
            True,
            (
                "The table was in memory, so that a command cannot read it: give the same rows in the same order as "
                "`table`, and the validation and test rows too if they were tables of their own.",
                *notes,
            ),
        )
    return Repeat(_command(findings, settings, notes), False, tuple(notes))


def study_commands(findings: Findings) -> str:
    """The commands that look at the study that there is, in the storage that it is in."""
    storage = str(findings.summary["storage"])
    settings = _settings(findings)
    known = settings is not None and settings.source is not None
    rows = _place(str(settings.source), []) if settings and known else "rows.csv"
    query = ["--query", settings.query] if settings and settings.query else []
    lines = [
        ["autofi", "show", *_positional(findings.record.name), "--storage", storage],
        ["autofi", "export", *_positional(findings.record.name), "-o", "model", "--storage", storage],
        ["autofi", "explain", "model", rows, "--rows", "3", *query],
    ]
    return "\n".join(shlex.join(line) for line in lines)


def _settings(findings: Findings) -> SearchSettings | None:
    try:
        return SearchSettings.from_json(findings.record.settings)
    except TypeError:
        return None


def _is_space(text: str) -> bool:
    """Whether a study's space is one: a comparison has none."""
    try:
        SearchSpace.model_validate_json(text)
    except (ValidationError, SearchSpaceError):
        return False
    return True


def _command(findings: Findings, settings: SearchSettings, notes: list[str]) -> str:
    record, files = findings.record, []
    assert settings.source is not None
    space = _space(findings)
    if space == SPACE_FILE:
        files.append(_written(SPACE_FILE, _space_yaml(findings)))
    overrides = dict(settings.overrides)
    said = _column_options(overrides)
    if said is None:
        files.append(_written(SCHEMA_FILE, yaml.safe_dump(overrides, sort_keys=False, allow_unicode=True)))
        said = [("--schema", SCHEMA_FILE)]
    options: list[tuple[str, str]] = []
    target = settings.target or overrides.get("target")
    if target is not None:
        options.append(("--target", str(target)))
    options += [("--space", space), ("--study", record.name), ("--storage", STORAGE)]
    if settings.query:
        options.append(("--query", settings.query))
    options += said
    if settings.split != DEFAULT_SPLIT:
        options.append(("--split", settings.split))
    for flag, place in (("--valid", settings.valid), ("--test", settings.test)):
        if place is not None:
            options.append((flag, _place(place, notes)))
    options += [("--trials", str(findings.asked or settings.trials)), ("--seeds", str(settings.seeds))]
    options += [("--seed", str(settings.seed)), ("--strategy", settings.strategy)]
    options += [("--sampler", settings.sampler), ("--fidelity", settings.fidelity)]
    if settings.engine == NNI:
        options = [option for option in options if option[0] != "--sampler"]
        options += [("--engine", NNI), ("--tuner", str(settings.tuner))]
        notes.append("NNI needs an interpreter of its own: add --nni-python or set AUTOFI_NNI_PYTHON.")
    if findings.plateau is not None:
        options.append(("--plateau", str(findings.plateau)))
    options.append(("--baselines", ",".join(settings.baselines) or "none"))
    options += [("--objective", name) for name in settings.objectives]
    options += [_limit(text) for text in settings.limits]
    line = ["autofi", "search", _place(settings.source, notes)]
    parts = [shlex.join(line), *(_told(flag, value) for flag, value in options)]
    if settings.refit:
        parts.append("--refit")
    return "\n".join([*files, " \\\n  ".join(parts)])


def _script(findings: Findings, settings: SearchSettings) -> str:
    overrides = dict(settings.overrides)
    space = _space(findings)
    given: dict[str, Any] = {
        "target": settings.target,
        "space": space,
        "study": findings.record.name,
        "storage": STORAGE,
        "trials": findings.asked or settings.trials,
        "seeds": settings.seeds,
        "seed": settings.seed,
        "split": settings.split,
        "baselines": settings.baselines,
        "refit": settings.refit,
        "objectives": settings.objectives,
        "limits": settings.limits,
        "strategy": settings.strategy,
        "sampler": None if settings.engine == NNI else settings.sampler,
        "fidelity": settings.fidelity,
        "plateau": findings.plateau,
        "engine": settings.engine,
        "tuner": settings.tuner,
    }
    lines = [f"    {name}={value!r}," for name, value in given.items() if value not in (None, ())]
    if not settings.baselines:
        lines.append("    baselines=(),")
    if overrides:
        lines.append(f"    overrides=autofi.SchemaOverrides.model_validate({overrides!r}),")
    files = []
    if space == SPACE_FILE:
        files = ["from pathlib import Path", f"Path({SPACE_FILE!r}).write_text({_space_yaml(findings)!r})"]
    return "\n".join(["import autofi", *files, "autofi.search(", "    table,", *lines, ")"])


def _column_options(overrides: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    """The overrides as options; None where one has no place for what is said."""
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
    """The name of the study's space, or the file that it is written to where no space has that name now."""
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
    """Shell that writes a file, whatever its text is."""
    end = _END
    while end in text:
        end += "_"
    return f"cat > {name} <<'{end}'\n{text.rstrip()}\n{end}"


def _place(source: str, notes: list[str]) -> str:
    """Where a table is from any folder, as far as it is found from this one; what is missing is noted."""
    if source.partition(":")[0] == "planted":
        return source
    if is_database_url(source):
        masked = mask_password(source)
        if masked != source:
            notes.append(f"Put the password in the place of *** in {masked}.")
        return masked
    if Path(source).exists() or glob.glob(source):
        return os.path.abspath(source)
    notes.append(
        f"'{source}' is not found from here: give its place, or run this in the folder it was searched from."
    )
    return source


def _limit(text: str) -> tuple[str, str]:
    found = _LIMIT.fullmatch(text)
    assert found is not None, text
    name, sign, value = found.groups()
    return ("--max" if sign == "<=" else "--min"), f"{name}={value}"


def _told(flag: str, value: str) -> str:
    """A value that begins like an option is bound to its own by a sign."""
    return f"{flag}={shlex.quote(value)}" if value.startswith("-") else shlex.join([flag, value])


def _positional(value: str) -> Sequence[str]:
    return ("--", value) if value.startswith("-") else (value,)

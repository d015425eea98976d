"""Where a report is written, and in which form."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from autofi.core.atomic_file import atomic_path
from autofi.errors import ConfigError, nearest

Form = Literal["html", "json", "md"]
FORMS: tuple[Form, ...] = get_args(Form)


def report_target(study: str, path: str | Path | None, form: str | None) -> tuple[Path, Form]:
    """The file, or for `md` the folder; raises ConfigError where form and path do not go together."""
    if form is not None and form not in FORMS:
        raise ConfigError(f"A report is of a form: found '{form}'; {nearest(form, FORMS)}")
    ending = None if path is None else Path(path).suffix.removeprefix(".").lower()
    told: Form | None = next((one for one in FORMS if one == form), None)
    implied: Form | None = next((one for one in ("html", "json") if one == ending), None)
    chosen = told or implied or "html"
    folder = Path("studies") / study
    if path is None:
        return (folder if chosen == "md" else folder / f"report.{chosen}"), chosen
    target = Path(path).expanduser()
    if chosen == "md":
        if implied or ending == "md" or target.is_file():
            raise ConfigError(
                f"A report in Markdown is a folder with report.md and study.yaml: '{path}' is a file; name a folder."
            )
    elif implied != chosen:
        raise ConfigError(
            f"A report as {chosen} is a file that ends in .{chosen}: found '{path}'; or add --format md for a folder."
        )
    elif target.is_dir():
        raise ConfigError(f"A report as {chosen} is a file: '{path}' is a folder; name a file in it.")
    return target, chosen


def write_whole(path: Path, text: str) -> None:
    """Write a file, whose folder is made if need be; what was there stays until all of it is written.

    Raises ConfigError where the file system refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"A report needs a place that can be written: '{path}' cannot be ({error.strerror}); name another."
        ) from error

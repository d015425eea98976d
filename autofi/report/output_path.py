"""The path and the form of a report's output."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from autofi.core.atomic_file import atomic_path
from autofi.errors import ConfigError, nearest

Form = Literal["html", "json", "md"]
FORMS: tuple[Form, ...] = get_args(Form)


def report_target(study: str, path: str | Path | None, form: str | None) -> tuple[Path, Form]:
    """Return the file to write, or for `md` the folder, and the form.

    Raises:
        ConfigError: The form is unknown, or form and path do not fit together.
    """
    if form is not None and form not in FORMS:
        raise ConfigError(f"'{form}' is not a form of a report; {nearest(form, FORMS)}")
    ending = None if path is None else Path(path).suffix.removeprefix(".").lower()
    asked: Form | None = next((one for one in FORMS if one == form), None)
    implied: Form | None = next((one for one in ("html", "json") if one == ending), None)
    chosen = asked or implied or "html"
    folder = Path("studies") / study
    if path is None:
        return (folder if chosen == "md" else folder / f"report.{chosen}"), chosen
    target = Path(path).expanduser()
    if chosen == "md":
        if implied or ending == "md" or target.is_file():
            raise ConfigError(
                f"'{path}' is a file, but a report in Markdown is a folder with report.md and study.yaml; name "
                "a folder."
            )
    elif implied != chosen:
        raise ConfigError(
            f"'{path}' does not end in .{chosen}; name a file that ends in .{chosen}, or add --format md for a folder."
        )
    elif target.is_dir():
        raise ConfigError(f"'{path}' is a folder, but a report as {chosen} is a file; name a file in it.")
    return target, chosen


def write_whole(path: Path, text: str) -> None:
    """Write a file and create its folder if it is missing; an existing file stays until the new one is complete.

    Raises:
        ConfigError: The file system does not allow it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The report cannot be written to '{path}' ({error.strerror}); name another place."
        ) from error

"""The manifest of a bundle: which files belong to it, and whether they still are what was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import xxhash

from autofi.errors import ExportError

MANIFEST = "manifest.json"
FORMAT = "autofi-bundle"
#: 1: always the form `torch` and nothing else. 2: the forms asked for, and files for users of each.
VERSION = 2

_BYTES_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class FileRecord:
    """What one file was when it was written."""

    bytes: int
    xxh3_128: str


@dataclass(frozen=True)
class Manifest:
    """The files of a bundle by their path in it, `/` between folders."""

    autofi: str
    """Version of AutoFI that wrote it."""
    files: Mapping[str, FileRecord]
    version: int = VERSION
    """Of the format of a bundle."""

    def render(self) -> bytes:
        """The only bytes this manifest is written as; they hold a checksum of themselves."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "version": self.version,
            "autofi": self.autofi,
            "files": {path: asdict(record) for path, record in sorted(self.files.items())},
        }
        checksum = xxhash.xxh3_128_hexdigest(json.dumps(content, sort_keys=True).encode())
        return (json.dumps(content | {"checksum": checksum}, indent=2) + "\n").encode()

    def verify(self, folder: Path) -> None:
        """Raise ExportError unless every file is there with exactly the bytes that were written."""
        for path, record in self.files.items():
            check_file(folder / path, record)


def describe(folder: Path, *, autofi: str) -> Manifest:
    """The manifest of every file now in `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Manifest(autofi, {path.relative_to(folder).as_posix(): _record(path) for path in files})


def read_manifest(folder: Path) -> Manifest:
    """The manifest in `folder`; raises ExportError when it is missing, foreign, newer or was changed."""
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ExportError(
            f"A bundle has a {MANIFEST}: '{folder}' has none, so it is no bundle; "
            "name a folder that 'autofi export' wrote."
        ) from None
    except OSError as error:
        raise ExportError(f"'{path}' cannot be read: {error.strerror}; mend that or export again.") from error
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _changed(path, f"it is not JSON ({error})") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ExportError(
            f"A bundle's manifest has the format '{FORMAT}': '{path}' has not, so another program wrote it "
            "or it was changed; name a folder that 'autofi export' wrote."
        )
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise _changed(path, "it tells no version")
    if version > VERSION:
        raise ExportError(
            f"This AutoFI reads bundles up to version {VERSION}: '{path}' has version {version}, written by "
            f"AutoFI {document.get('autofi')}; upgrade AutoFI."
        )
    try:
        files = {name: FileRecord(**record) for name, record in document["files"].items()}
        manifest = Manifest(document["autofi"], files, version)
        if manifest.render() != text:
            raise ValueError("its own checksum does not fit")
        for name in files:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ValueError(f"it names a file outside the bundle, '{name}'")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _changed(path, str(error)) from None
    return manifest


def check_file(path: Path, record: FileRecord) -> None:
    """Raise ExportError unless the file has the bytes of the record."""
    try:
        size = path.stat().st_size
        if size != record.bytes:
            raise _changed(path, f"it has {size} bytes and was written with {record.bytes}")
        if _record(path) != record:
            raise _changed(path, "its checksum is not the one it was written with")
    except FileNotFoundError:
        raise _changed(path, "it is missing") from None
    except OSError as error:
        raise ExportError(f"'{path}' cannot be read: {error.strerror}; mend that or export again.") from error


def _record(path: Path) -> FileRecord:
    state = xxhash.xxh3_128()
    size = 0
    with path.open("rb") as file:
        while block := file.read(_BYTES_AT_ONCE):
            state.update(block)
            size += len(block)
    return FileRecord(size, state.hexdigest())


def _changed(path: Path, reason: str) -> ExportError:
    return ExportError(
        f"A bundle is used only as it was written: '{path}' is not, {reason}; export it again."
    )

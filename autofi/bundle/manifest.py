"""The manifest of a bundle: a list of its files with checksums that show if one was changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import xxhash

from autofi.bundle.plain_folder import open_plain, plain_files
from autofi.core.strict_json import parse_object
from autofi.errors import ExportError

MANIFEST = "manifest.json"
FORMAT = "autofi-bundle"
#: 1: always the form `torch` and nothing else. 2: the chosen forms, and files for users of each.
VERSION = 2

_BYTES_AT_ONCE = 1 << 20
#: The most bytes of a manifest; it has about a hundred for each file.
_MOST_BYTES = 1 << 20
_MOST_NAME = 255
_CHECKSUM = re.compile("[0-9a-f]{32}")
#: Endings of the files that AutoFI and its libraries read. Other files, such as notes beside a model, are allowed.
_READ = (".json", ".onnx", ".data", ".pt2", ".safetensors", ".npz", ".parquet")


@dataclass(frozen=True)
class FileRecord:
    """The size and the checksum of one file when it was written."""

    bytes: int
    xxh3_128: str


@dataclass(frozen=True)
class Manifest:
    """The files of a bundle by their path in it, `/` between folders."""

    autofi: str
    """The version of AutoFI that wrote the bundle."""
    files: Mapping[str, FileRecord]
    version: int = VERSION
    """The version of the bundle format."""

    def render(self) -> bytes:
        """Return the only bytes this manifest is written as; they contain a checksum of themselves."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "version": self.version,
            "autofi": self.autofi,
            "files": {path: asdict(record) for path, record in sorted(self.files.items())},
        }
        checksum = xxhash.xxh3_128_hexdigest(json.dumps(content, sort_keys=True).encode())
        return (json.dumps(content | {"checksum": checksum}, indent=2) + "\n").encode()

    def verify(self, folder: Path) -> None:
        """Check every file of the bundle against the manifest.

        Raises:
            ExportError: A file is missing or has other bytes, or the folder holds a file that could be read in its
                place (see `check_listed`).
        """
        self.check_listed(folder)
        for path, record in self.files.items():
            check_file(folder / path, record)

    def check_listed(self, folder: Path) -> None:
        """Check the names and kinds of the files without opening one.

        Raises:
            ExportError: A file is missing, is a link, a pipe or a device, or is not listed although its name is
                that of a part of a model.
        """
        held = plain_files(folder)
        for path in self.files:
            if path not in held:
                raise _changed(folder / path, "it is missing")
        for path in sorted(held - self.files.keys() - {MANIFEST}):
            if "/" in path or path.lower().endswith(_READ):
                raise ExportError(
                    f"'{folder / path}' is not in the manifest of the bundle; remove it, or export the bundle again."
                )


def describe(folder: Path, *, autofi: str) -> Manifest:
    """Return the manifest of the files that are in `folder` now."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Manifest(autofi, {path.relative_to(folder).as_posix(): _record(path) for path in files})


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in `folder`.

    Raises:
        ExportError: It is missing, was changed, or is of another program or a newer version.
    """
    path = folder / MANIFEST
    try:
        with open(open_plain(path), "rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise ExportError(
            f"'{folder}' has no {MANIFEST}, so it is not a bundle; pass a folder that 'autofi export' wrote."
        ) from None
    except OSError as error:
        raise ExportError(f"'{path}' cannot be read: {error.strerror}; mend that or export again.") from error
    if len(text) > _MOST_BYTES:
        raise _changed(path, f"it has more than {_MOST_BYTES:,} bytes")
    try:
        document = parse_object(text)
    except ValueError as error:
        raise _changed(path, str(error)) from None
    if document.get("format") != FORMAT:
        raise ExportError(
            f"'{path}' does not have the format '{FORMAT}', so another program wrote it or it was changed; pass a "
            "folder that 'autofi export' wrote."
        )
    version = document.get("version")
    if type(version) is not int or not 1 <= version < 1 << 31:
        raise _changed(path, "it has no version")
    if version > VERSION:
        raise ExportError(
            f"'{path}' has version {version}, written by AutoFI {str(document.get('autofi'))[:40]}, but this AutoFI "
            f"reads bundles up to version {VERSION}; upgrade AutoFI."
        )
    try:
        files = {name: FileRecord(**record) for name, record in document["files"].items()}
        for name, record in files.items():
            _check_entry(name, record)
        manifest = Manifest(document["autofi"], files, version)
        if not isinstance(manifest.autofi, str) or manifest.render() != text:
            raise ValueError("its own checksum does not fit")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _changed(path, str(error)) from None
    return manifest


def _check_entry(name: str, record: FileRecord) -> None:
    """Raise ValueError for an entry that `describe` cannot have written."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"it names a file outside the bundle, {name[:80]!a}")
    if (
        path.as_posix() != name
        or len(name) > _MOST_NAME
        or not name.isprintable()
        or "\\" in name
        or name == "."
    ):
        raise ValueError(f"it names a file that no bundle has, {name[:80]!a}")
    if type(record.bytes) is not int or not 0 <= record.bytes < 1 << 62:
        raise ValueError(f"it gives an impossible number of bytes for {name!a}")
    if not isinstance(record.xxh3_128, str) or not _CHECKSUM.fullmatch(record.xxh3_128):
        raise ValueError(f"it gives an invalid checksum for {name!a}")


def check_file(path: Path, record: FileRecord) -> None:
    """Raise ExportError unless the path is a plain file with the bytes of the record."""
    try:
        size = os.lstat(path).st_size
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
    with open(open_plain(path), "rb") as file:
        while block := file.read(_BYTES_AT_ONCE):
            state.update(block)
            size += len(block)
    return FileRecord(size, state.hexdigest())


def _changed(path: Path, reason: str) -> ExportError:
    return ExportError(f"'{path}' is not as it was written: {reason}; export the bundle again.")

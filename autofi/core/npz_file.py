"""A reader of `.npz` files of `numpy.savez` that checks their arrays before it allocates memory for them."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def load_arrays(path: Path, kinds: Mapping[str, DTypeLike]) -> dict[str, NDArray[Any]]:
    """Return the arrays of an `.npz` file, which must have exactly these names and types.

    Compressed arrays are refused, so that a small file cannot become a large one. So are headers that announce more
    numbers than follow.

    Raises:
        ValueError: The file is any other. The message is one line without the path.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = sorted(entry.filename for entry in entries)
            if names != sorted(f"{name}.npy" for name in kinds):
                raise ValueError(f"it holds {len(names)} arrays, not {', '.join(sorted(kinds))}")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("its arrays are compressed, and AutoFI writes them uncompressed")
            if sum(entry.file_size for entry in entries) > path.stat().st_size:
                raise ValueError("its arrays overlap")
            return {name: _array(archive, f"{name}.npy", np.dtype(kind)) for name, kind in kinds.items()}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it is not an archive of arrays: {error}") from error


def _array(archive: zipfile.ZipFile, name: str, kind: np.dtype[Any]) -> NDArray[Any]:
    with archive.open(name) as opened:
        file: Any = opened  # NumPy only calls `read`
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{name} has the version {version} of its format, not (1, 0)")
        shape, by_column, found = np.lib.format.read_array_header_1_0(file)
        if found != kind or by_column:
            raise ValueError(f"{name} holds {found}, not {kind}")
        follow = archive.getinfo(name).file_size - file.tell()
        if any(size < 0 for size in shape) or follow != math.prod(shape) * kind.itemsize:
            raise ValueError(f"{name} holds {follow} bytes, and its header says another number")
        # A new array can be written to; a view of the bytes that were read cannot.
        array = np.empty(shape, dtype=kind)
        rest = array.reshape(-1).view(np.uint8).data
        while rest:
            count = file.readinto(rest)
            if not count:
                raise ValueError(f"{name} ends early")
            rest = rest[count:]
        return array

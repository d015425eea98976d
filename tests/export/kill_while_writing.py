"""Writes a bundle again and again, each time killed before one operation on files later than the time before.

    python kill_while_writing.py BUNDLE FOLDER

leaves FOLDER/first/N and FOLDER/again/N: killed at operation N, with nothing or BUNDLE at `model` before.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

sys.path.insert(0, os.getcwd())

import torch

from autofi.bundle.bundle import Bundle, load_bundle, write_bundle

OPERATIONS = ("open", "os.", "shutil.")


def main(bundle: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    loaded = load_bundle(bundle)
    for name in ("first", "again"):
        number = 0
        finished = False
        while not finished:
            number += 1
            place = folder / name / str(number)
            place.mkdir(parents=True)
            if name == "again":
                shutil.copytree(bundle, place / "model")
            child = os.fork()
            if child == 0:
                write_until(number, loaded, place / "model")
                os._exit(0)
            _, status = os.waitpid(child, 0)
            finished = os.WIFEXITED(status)
            assert finished == (os.waitstatus_to_exitcode(status) == 0)


def write_until(number: int, bundle: Bundle, target: Path) -> None:
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event.startswith(OPERATIONS) and any(str(target.parent) in str(part) for part in arguments):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    write_bundle(
        target,
        architecture=bundle.architecture,
        builder=bundle.builder,
        network=bundle.network,
        metrics={"version": "new"},
        origin={},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

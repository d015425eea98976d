"""Runs `autofi export` again and again, each time killed a few operations on files later than before.

    python kill_while_exporting.py DATABASE STUDY FOLDER

leaves FOLDER/N for each operation N of those, with whatever of the bundle `model` there is; the last one
was not killed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, os.getcwd())

import torch

import autofi.export.export
import autofi.study.study
from autofi.cli.app import app

OPERATIONS = ("open", "os.", "shutil.")
STRIDE = 12


def main(database: str, study: str, folder: Path) -> None:
    torch.set_num_threads(1)
    assert autofi.export.export and autofi.study.study  # imported once, for all children
    number, finished = 1 - STRIDE, False
    while not finished:
        number += STRIDE
        place = folder / str(number)
        place.mkdir()
        child = os.fork()
        if child == 0:
            words = [
                "export",
                study,
                "-o",
                str(place / "model"),
                "--format",
                "torch",
                "--storage",
                database,
                "--quiet",
            ]
            export_until(number, place, words)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, -signal.SIGKILL), code
        finished = code == 0


def export_until(number: int, place: Path, arguments: list[str]) -> None:
    left = number

    def count(event: str, found: tuple[object, ...]) -> None:
        nonlocal left
        if event.startswith(OPERATIONS) and any(str(place) in str(part) for part in found):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    try:
        app(arguments, prog_name="autofi")
    except SystemExit as end:
        os._exit(int(end.code or 0))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

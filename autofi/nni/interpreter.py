"""The search for an interpreter that has NNI, which may but need not be this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from autofi.errors import MissingDependencyError
from autofi.nni.tuners import Tuner

VARIABLE = "AUTOFI_NNI_PYTHON"
VERSION = "3.0"
INSTALL = (
    "python3 -m venv nni && nni/bin/pip install nni==3.0 hyperopt, then --nni-python nni/bin/python or "
    f"{VARIABLE} (pip install 'autofi[nni]' puts it in this environment, with older versions of two packages)"
)
#: Seconds to ask an interpreter for its packages.
PATIENCE = 60
#: The script imports none of them: NNI alone takes seconds.
ASK = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""


def find_nni(python: str | Path | None, tuner: Tuner) -> Path:
    """Return an interpreter with NNI and the tuner's packages: the given one, the environment variable's, or this one.

    It takes a tenth of a second.

    Raises:
        MissingDependencyError: The interpreter lacks a package; the message tells how to install it.
    """
    named = str(python or os.environ.get(VARIABLE) or sys.executable)
    # The path is not resolved: in a virtual environment it is a link to an interpreter with other packages.
    chosen = Path(os.path.abspath(os.path.expanduser(named)))
    versions = _versions(chosen, ("nni", *tuner.needs))
    if versions["nni"] != VERSION:
        found = f"NNI {versions['nni']}" if versions["nni"] else "no NNI"
        raise MissingDependencyError(
            f"{chosen} has {found}, and --engine nni needs NNI {VERSION}; {INSTALL}."
        )
    for name in tuner.needs:
        if versions[name] is None:
            raise MissingDependencyError(
                f"{chosen} does not have the package {name}, which NNI's tuner {tuner.name} needs; "
                f"{chosen} -m pip install {name}"
            )
    return chosen


def environment(python: Path) -> dict[str, str]:
    """Return the environment of a process of that interpreter; another one must not read this one's packages."""
    own = python == Path(os.path.abspath(sys.executable))
    return {
        name: value for name, value in os.environ.items() if own or name not in ("PYTHONPATH", "PYTHONHOME")
    }


def _versions(python: Path, packages: tuple[str, ...]) -> dict[str, str | None]:
    try:
        asked = subprocess.run(
            [str(python), "-c", ASK, *packages],
            env=environment(python),
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        found: dict[str, str | None] = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise MissingDependencyError(
            f"{python} does not answer ({error}), and --engine nni needs an interpreter with NNI {VERSION}; {INSTALL}."
        ) from error
    return found

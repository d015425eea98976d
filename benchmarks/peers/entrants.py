"""Who is compared: AutoFI with some options, and the other libraries, each with its process and environment."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from autofi.cli.search_parameters import with_search_options
from benchmarks.peer import TORCH, peer_python

AUTOGLUON = (TORCH, "autogluon.tabular[lightgbm,catboost,xgboost,fastai]==1.6.*")
PYTABKIT = (TORCH, "pyarrow", "pytabkit==1.8.*")
#: Options of a search that are the benchmark's own.
OWN = ("target", "study", "storage", "valid", "test", "split", "seed", "query", "jobs", "workers", "engine")


@dataclass(frozen=True)
class Entrant:
    """A library in one of its variants.

    `own` tells AutoFI from its peers. `timed` tells that it uses all the seconds that it is given, where the rows are
    many; `about` is roughly how many it uses otherwise.
    """

    name: str
    module: str
    variant: str = ""
    environment: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    own: bool = False
    timed: bool = True
    about: float = 15.0


PEERS = (
    Entrant("LightGBM", "trees_worker", "lightgbm", timed=False),
    Entrant("CatBoost", "trees_worker", "catboost", timed=False, about=40.0),
    Entrant("LightGBM tuned", "trees_worker", "lightgbm tuned"),
    Entrant("CatBoost tuned", "trees_worker", "catboost tuned"),
    Entrant("AutoGluon", "autogluon_worker", environment="autogluon"),
    Entrant("RealMLP", "pytabkit_worker", "realmlp", "pytabkit"),
    Entrant("TabM", "pytabkit_worker", "tabm", "pytabkit"),
)
_PACKAGES = {"autogluon": AUTOGLUON, "pytabkit": PYTABKIT}


def search_with(options: str) -> Entrant:
    """Return AutoFI with options as `autofi search` takes them.

    Raises:
        ValueError: There is no such option, it is one of `OWN`, or its value is wrong.
    """
    found: dict[str, Any] = {}

    @with_search_options
    def keep(*, given: dict[str, Any]) -> None:
        found.update(given)

    app = typer.Typer(add_completion=False)
    app.command()(keep)
    try:
        app(shlex.split(options), standalone_mode=False)
    except Exception as error:
        # Those of Click, whatever package holds them, and our own.
        raise ValueError(f"'{options}' are not options of a search: {error}") from error
    refused = sorted(set(found) & set(OWN))
    if refused:
        raise ValueError(
            f"'{refused[0]}' is given in '{options}', and the benchmark sets it itself; leave it out."
        )
    return Entrant(f"AutoFI {options}".strip(), "autofi_worker", options=found, own=True)


def pythons(entrants: Sequence[Entrant], folders: dict[str, Path]) -> dict[str, Path | str]:
    """Return the interpreter of each environment that is needed, or the reason that there is none."""
    found: dict[str, Path | str] = {"": Path(sys.executable)}
    for name in dict.fromkeys(entrant.environment for entrant in entrants):
        if name:
            try:
                found[name] = peer_python(folders[name].absolute(), _PACKAGES[name])
            except (OSError, subprocess.CalledProcessError) as error:
                lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
                found[name] = f"{_PACKAGES[name][-1]} cannot be installed into {folders[name]}: {lines[-1]}"
    return found

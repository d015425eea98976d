"""The command line: arguments in, one call of the public API, and its answer printed."""

from __future__ import annotations

import os

#: Read when OpenMP and OpenBLAS are loaded. Threads that wait for others sleep instead of spinning on a core that
#: another process could use, and NumPy's products, which are small here, come to the same sums on any number of cores.
THREADS = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "1"}


def main() -> None:
    """Run the `autofi` script."""
    for variable, value in THREADS.items():
        os.environ.setdefault(variable, value)
    from autofi.cli.app import app

    app(prog_name="autofi")


__all__ = ["main"]

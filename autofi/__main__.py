"""`python -m autofi` is the `autofi` script."""

from __future__ import annotations

from autofi.cli import main

if __name__ == "__main__":
    main()

"""The command line: arguments in, one call of the public API, and its answer printed."""

from __future__ import annotations


def main() -> None:
    """Run the `autofi` script."""
    from autofi.cli.app import app

    app(prog_name="autofi")


__all__ = ["main"]

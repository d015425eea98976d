"""An exported model over HTTP: the Open Inference Protocol v2 and plain JSON rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autofi.errors import MissingDependencyError

if TYPE_CHECKING:
    from autofi.serving.limits import Limits

_PACKAGES = ("fastapi", "starlette", "uvicorn", "prometheus_client")


def serve(
    directory: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    name: str | None = None,
    limits: Limits | None = None,
    log_level: str = "warning",
    allowed_hosts: Sequence[str] = (),
) -> None:
    """Serve the bundle in a folder until SIGTERM or Ctrl-C, then answer what was accepted and return.

    Whatever runs, the process ends within `limits.shutdown_seconds` of the signal. Requests are answered whose Host is
    `host`, this machine's own name, an address, or one of `allowed_hosts` (`*` is any).

    `name` is the model's in URLs, the folder's unless given; port 0 takes a free one. Raises ConfigError for an
    address that cannot be had, ExportError for a folder that is no bundle, and MissingDependencyError without the
    packages of the extra `serve`.
    """
    try:
        from autofi.serving.server import run
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise MissingDependencyError(
            f"Serving needs the package {error.name}, which is not installed: pip install 'autofi[serve]'."
        ) from error
    run(
        directory,
        host=host,
        port=port,
        name=name,
        limits=limits,
        log_level=log_level,
        allowed_hosts=allowed_hosts,
    )


__all__ = ["serve"]

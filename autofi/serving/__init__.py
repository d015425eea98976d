"""A server of exported models over HTTP: the Open Inference Protocol v2 and plain JSON rows."""

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
    """Serve the bundle in a folder until SIGTERM or Ctrl-C; then answer the accepted requests and return.

    The process ends within `limits.shutdown_seconds` of the signal, whatever it is doing.

    Args:
        directory: The folder of the bundle.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        name: The name of the model in URLs; None for the name of the folder.
        limits: The limits of requests and batches.
        log_level: The log level of Uvicorn.
        allowed_hosts: Further names that a request's Host may have, besides `host`, the names of this machine,
            and any address; `*` allows every name.

    Raises:
        ConfigError: The address is not available.
        ExportError: The folder is not a bundle.
        MissingDependencyError: A package of the extra `serve` is missing.
    """
    try:
        from autofi.serving.server import run
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise MissingDependencyError(
            f"The package {error.name}, which serving needs, is not installed; run pip install 'autofi[serve]'."
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

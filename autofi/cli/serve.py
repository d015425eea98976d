"""The command that serves an exported model over HTTP: `serve`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from autofi.cli import options
from autofi.cli.early_checks import check_bundle
from autofi.errors import ConfigError
from autofi.serving.limits import Limits

SERVE_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi serve model\n\n"
    "autofi serve model --host 0.0.0.0 --port 9000 --name ctr\n\n"
    "autofi serve model --batch-window 5ms --max-batch 4096"
)
LIMITS = "Limits"
_DEFAULT = Limits()


class LogLevel(StrEnum):
    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


def serve(
    bundle: options.Bundle,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8080,
    name: Annotated[
        str | None,
        typer.Option(
            help="The model's name in URLs. [dim]default: the name of the folder[/dim]", show_default=False
        ),
    ] = None,
    max_rows: Annotated[
        int, typer.Option(help="The most rows of a request.", min=1, rich_help_panel=LIMITS)
    ] = _DEFAULT.rows,
    max_bytes: Annotated[
        str,
        typer.Option(
            help="The largest size of a request, such as 500kB or 16MB.",
            metavar="SIZE",
            rich_help_panel=LIMITS,
        ),
    ] = "16MB",
    batch_window: Annotated[
        str,
        typer.Option(
            help="The longest time to collect requests while the model is busy, such as 2ms; 0 for no additional time.",
            metavar="TIME",
            rich_help_panel=LIMITS,
        ),
    ] = "2ms",
    max_batch: Annotated[
        int, typer.Option(help="The most rows that are scored together.", min=1, rich_help_panel=LIMITS)
    ] = _DEFAULT.batch_rows,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse rows at /predict with keys that are not fields of the model.",
            rich_help_panel=LIMITS,
        ),
    ] = False,
    batch_timeout: Annotated[
        str,
        typer.Option(
            help="The longest time to score a batch, such as 30s; then 504, and not ready until it has ended.",
            metavar="TIME",
            rich_help_panel=LIMITS,
        ),
    ] = "30s",
    shutdown_timeout: Annotated[
        str,
        typer.Option(
            help="The longest time from SIGTERM or Ctrl-C to the end of the process.",
            metavar="TIME",
            rich_help_panel=LIMITS,
        ),
    ] = "10s",
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A further Host name that requests may use, besides this machine's names and addresses; * is any.",
            metavar="NAME",
        ),
    ] = None,
    log_level: Annotated[
        LogLevel,
        typer.Option(
            help="The level of the log on standard error; [bold]info[/bold] has a line for every request."
        ),
    ] = LogLevel.WARNING,
) -> None:
    """Answer HTTP requests with probabilities: the Open Inference Protocol v2, JSON rows at /predict, /metrics."""
    check_bundle(bundle)
    import autofi

    limits = Limits(
        rows=max_rows,
        body_bytes=_size(max_bytes),
        batch_rows=max_batch,
        window=options.parse_duration(batch_window, flag="--batch-window", examples="2ms or 0", zero=True),
        strict=strict,
        batch_seconds=options.parse_duration(batch_timeout, flag="--batch-timeout", examples="30s"),
        shutdown_seconds=options.parse_duration(shutdown_timeout, flag="--shutdown-timeout", examples="10s"),
    )
    autofi.serve(
        bundle,
        host=host,
        port=port,
        name=name,
        limits=limits,
        log_level=log_level,
        allowed_hosts=tuple(allowed_host or ()),
    )


def register(app: typer.Typer) -> None:
    app.command(epilog=SERVE_EXAMPLES)(serve)


def _size(text: str) -> int:
    # The import takes a tenth of a second, and only this command needs it.
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        size = int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        size = 0
    if size <= 0:
        raise ConfigError(f"--max-bytes '{text}' is not a size; write for example 500kB, 16MB or 1GiB")
    return size

"""What a row with long lists costs `autofi serve`: `python -m benchmarks.request_cost DIR`, a minute.

A row whose lists have k values is posted to /predict over and over, of a server that runs the bundle's ONNX form and of
one that runs it in torch. CPU seconds are those of the server's process: waiting is not counted.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer
from rich.console import Console
from rich.table import Table

import autofi
from autofi.bundle.manifest import MANIFEST, describe
from autofi.data.schema import FieldKind
from benchmarks.served import HOST, served

#: What is sent to a server before it is measured.
WARM = 20


def main(
    bundle: Annotated[
        Path, typer.Argument(help="Folder written by autofi export, with a multi-valued field.")
    ],
    values: Annotated[str, typer.Option(help="Values of each list.")] = "10,1000,100000",
    repeats: Annotated[int, typer.Option(help="Requests with each number of values.")] = 20,
    rows: Annotated[
        int, typer.Option(help="Rows of a request; one has the long list, others two values.")
    ] = 1,
) -> None:
    """Print milliseconds of CPU a request, and microseconds a value beyond those of the shortest list."""
    counts = [int(text) for text in values.split(",")]
    titles = ("runtime", "values", "bytes", "ms of CPU", "us a value more")
    table = Table(*titles, title=f"{rows} rows, one with lists of so many values; {repeats} requests each")
    with tempfile.TemporaryDirectory() as temporary:
        for runtime, folder in _forms(bundle, Path(temporary)):
            fields = [
                field for field in autofi.load(folder).schema.fields if field.kind is FieldKind.MULTI_VALUED
            ]
            if not fields:
                raise typer.BadParameter("the model reads no multi-valued field")
            with (
                served(folder, "--max-bytes", "1GB") as port,
                httpx.Client(base_url=f"http://{HOST}:{port}") as client,
            ):
                process = _server(port)
                short = {field.name: ["a", "b"] for field in fields}
                _ask(client, [short] * rows, WARM)
                base = 0.0
                for count in counts:
                    long = {field.name: [f"value {number}" for number in range(count)] for field in fields}
                    asked = [long, *[short] * (rows - 1)]
                    before = _seconds(process)
                    size = _ask(client, asked, repeats)
                    spent = (_seconds(process) - before) / repeats
                    base = base or spent
                    more = (spent - base) / max(1, count - counts[0]) / len(fields)
                    shown = "" if count == counts[0] else f"{more * 1e6:.2f}"
                    table.add_row(runtime, f"{count:,}", f"{size:,}", f"{spent * 1e3:.2f}", shown)
    Console(width=100).print(table)


def _forms(bundle: Path, place: Path) -> list[tuple[str, Path]]:
    """The bundle with its ONNX form, and a copy without it, which a server runs in torch."""
    folder = Path(shutil.copytree(bundle, place / "torch"))
    for path in (folder / MANIFEST, *folder.glob("model.onnx*")):
        path.unlink()
    (folder / MANIFEST).write_bytes(describe(folder, autofi=autofi.__version__).render())
    return [("onnx", bundle), ("torch", folder)]


def _server(port: int) -> psutil.Process:
    for process in psutil.Process().children(recursive=True):
        if any(found.laddr.port == port for found in process.net_connections("tcp") if found.laddr):
            return process
    raise RuntimeError(f"no process of ours listens on port {port}")


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _ask(client: httpx.Client, rows: list[dict[str, list[str]]], times: int) -> int:
    """Bytes of a request."""
    request = client.build_request("POST", "/predict", json={"rows": rows}, timeout=600)
    begun = time.monotonic()
    for _ in range(times):
        client.send(request).raise_for_status()
        if time.monotonic() - begun > 600:
            raise TimeoutError("a request takes minutes")
    return len(request.content)


if __name__ == "__main__":
    typer.run(main)

"""From a bundle's folder to a predictor: which of its forms is run, and by what."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autofi.bundle.files import ARCHITECTURE, METRICS, ONNX, PT2, WEIGHTS, existing_bundle
from autofi.bundle.manifest import Manifest, read_manifest
from autofi.bundle.onnx_scorer import OnnxScorer, onnx_available
from autofi.bundle.predictor import Predictor
from autofi.bundle.schema import SCHEMA, read_schema
from autofi.bundle.scorer import Scorer
from autofi.bundle.training_profile import read_training_profile
from autofi.core.optional_dependencies import extras_named
from autofi.core.strict_json import read_object
from autofi.errors import ExportError

if TYPE_CHECKING:
    from autofi.bundle.bundle import Bundle

Runtime = Literal["auto", "onnx", "torch", "pt2"]
_FILE_OF = {"onnx": ONNX, "torch": WEIGHTS, "pt2": PT2}


def load(
    path: Path | str, *, runtime: Runtime = "auto", device: str = "cpu", trust: bool = False
) -> Predictor:
    """Return the predictor of a bundle folder; raises ExportError unless it is whole and unchanged.

    `runtime` onnx needs ONNX Runtime and not torch, torch and pt2 (what `torch.export` saved) need torch; auto is onnx
    where the bundle and the installation have it, else torch. `device` is cpu or cuda.

    Nothing of a bundle is run but by `runtime="pt2"`: torch evaluates texts in such an archive, which may be anything.
    It is loaded only with `trust=True`, for bundles of whoever may run code here.
    """
    folder = existing_bundle(path)
    manifest = read_manifest(folder)
    manifest.verify(folder)
    chosen = _chosen(folder, manifest, runtime)
    if chosen == "pt2" and not trust:
        raise ExportError(
            "torch evaluates texts in an archive of torch.export (pt2), so that one of a stranger's may run any code: "
            f"'{folder}' was asked for with the runtime pt2; use onnx or torch, which run nothing of it, or add "
            "--trust-pt2 (trust=True) if you trust whoever wrote it."
        )
    if chosen == "onnx":
        schema, inputs = read_schema(folder)
        scorer: Scorer = OnnxScorer(folder / ONNX, inputs, device=device)
        measured = _json(folder / METRICS)
        metrics, origin = measured.get("metrics"), measured.get("origin")
        return Predictor(
            scorer,
            schema,
            architecture=_json(folder / ARCHITECTURE),
            metrics=metrics if isinstance(metrics, dict) else {},
            origin=origin if isinstance(origin, dict) else {},
            folder=folder,
            profile=read_training_profile(folder, manifest),
        )
    return _in_torch(folder, manifest, chosen, device)


def _in_torch(folder: Path, manifest: Manifest, runtime: Runtime, device: str) -> Predictor:
    with extras_named():
        from autofi.bundle.bundle import read_bundle
        from autofi.bundle.network_inputs import read_schema_of
        from autofi.bundle.torch_archive import load_program
        from autofi.bundle.torch_scorer import TorchScorer

    bundle: Bundle = read_bundle(folder, manifest)
    program = load_program(folder / PT2) if runtime == "pt2" else None
    return Predictor(
        TorchScorer(bundle, device=device, program=program, folder=folder),
        read_schema_of(bundle),
        architecture=bundle.architecture.to_json(),
        metrics=bundle.metrics,
        origin=bundle.origin,
        folder=folder,
        profile=read_training_profile(folder, manifest),
    )


def _chosen(folder: Path, manifest: Manifest, runtime: Runtime) -> Runtime:
    held = [name for name, file in _FILE_OF.items() if file in manifest.files]
    if runtime == "auto":
        torch = "torch" in held and find_spec("torch") is not None
        runtime = "onnx" if "onnx" in held and (onnx_available() or not torch) else "torch"
    if runtime == "onnx" and SCHEMA not in manifest.files:
        held = [name for name in held if name != "onnx"]
    if runtime not in held:
        raise ExportError(
            f"A bundle is run in a form it was exported in: '{folder}' holds {', '.join(held) or 'none'}, not "
            f"{runtime}; export it with --format {runtime}."
        )
    return runtime


def _json(path: Path) -> dict[str, Any]:
    try:
        return read_object(path)
    except (OSError, ValueError) as error:
        raise ExportError(
            f"The parts of a bundle are JSON: '{path}' is not ({error}); export it again."
        ) from error

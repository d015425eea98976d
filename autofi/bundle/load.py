"""The loader of a bundle's folder: chooses the form and its runtime, and returns a predictor."""

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
    """Return the predictor of a bundle folder.

    Nothing in a bundle is executed, except with `runtime="pt2"`: torch evaluates texts in such an archive,
    which may be any code. That form is loaded only with `trust=True`, for bundles of people who may run code
    here.

    Args:
        path: The folder.
        runtime: onnx needs ONNX Runtime but not torch; torch and pt2 (an archive of `torch.export`) need torch;
            auto is onnx where both the bundle and the installation have it, else torch.
        device: cpu or cuda.
        trust: Allow `runtime="pt2"`.

    Raises:
        ExportError: The bundle is incomplete, was changed, or does not have the form.
    """
    folder = existing_bundle(path)
    manifest = read_manifest(folder)
    manifest.verify(folder)
    chosen = _chosen(folder, manifest, runtime)
    if chosen == "pt2" and not trust:
        raise ExportError(
            f"'{folder}' was not loaded with the runtime pt2, because torch evaluates texts in such an archive, which "
            "may be any code; use onnx or torch, which execute nothing in it, or add --trust-pt2 (trust=True) if you "
            "trust the author."
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
            f"'{folder}' does not hold the form {runtime}, only {', '.join(held) or 'none'}; export it with "
            f"--format {runtime}."
        )
    return runtime


def _json(path: Path) -> dict[str, Any]:
    try:
        return read_object(path)
    except (OSError, ValueError) as error:
        raise ExportError(f"'{path}' is not JSON ({error}); export the bundle again.") from error

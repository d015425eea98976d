"""What is in a bundle's folder, by name, and which folders are bundles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from autofi.bundle.manifest import MANIFEST, read_manifest
from autofi.core.atomic_folder import leftover_of
from autofi.errors import ConfigError, ExportError, nearest

ARCHITECTURE = "architecture.json"
METRICS = "metrics.json"
#: Only where probabilities are calibrated.
CALIBRATION = "calibration.json"
#: Of the form `torch`: the fitted preprocessing, and the weights of the network.
PREPROCESSING = "preprocessing"
WEIGHTS = "weights.safetensors"
#: Of the forms of their names: everything from raw columns on, and the network alone.
ONNX = "model.onnx"
PT2 = "model.pt2"

Form = Literal["onnx", "pt2", "torch"]
FORMS: tuple[Form, ...] = get_args(Form)

#: What the numbers of the form `onnx` are stored as where that is not float32.
Quantization = Literal["int8", "fp16"]
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)


def existing_bundle(directory: Path | str) -> Path:
    """Return the folder, which is there; raises ExportError with the way out where it is not."""
    folder = Path(directory).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ExportError(f"A bundle is a folder: '{folder}' is a file; name what 'autofi export' wrote.")
    aside = leftover_of(folder)
    if aside is not None:
        raise ExportError(
            f"A bundle is a folder: '{folder}' does not exist, for replacing it was cut short; "
            f"rename '{aside}' to it, or export again."
        )
    if not folder.parent.is_dir():
        raise ExportError(
            f"A bundle is a folder: '{folder}' does not exist, nor does its parent; check the path."
        )
    siblings = [path.parent.name for path in folder.parent.glob(f"*/{MANIFEST}")]
    known = nearest(folder.name, [name for name in siblings if not name.startswith(".")])
    raise ExportError(f"A bundle is a folder: '{folder}' does not exist; {known}")


def check_replaceable(target: Path) -> None:
    """Raise ExportError unless nothing, an empty folder or nothing but a bundle is there."""
    if not target.exists():
        return
    if not target.is_dir():
        raise ExportError(f"A bundle is a folder: '{target}' is a file; choose another name.")
    inside = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir())
    if not inside:
        return
    try:
        known = {*read_manifest(target).files, MANIFEST}
    except ExportError as error:
        raise ExportError(
            f"A bundle replaces nothing but a bundle: '{target}' holds other files, such as '{inside[0]}'; "
            "choose another folder or empty this one."
        ) from error
    foreign = [path for path in inside if path not in known]
    if foreign:
        raise ExportError(
            f"A bundle replaces nothing but a bundle: '{target}' also holds '{foreign[0]}', which would be "
            "lost; move it, or choose another folder."
        )


def forms_of(names: Sequence[str]) -> tuple[Form, ...]:
    """Return the forms named, each once and in the order of FORMS; raises ConfigError for others, and for none."""
    for name in names:
        if name not in FORMS:
            raise ConfigError(f"A model has no form '{name}': {nearest(name, FORMS)}")
    if not names:
        raise ConfigError(
            f"A bundle holds a form of the model at least: none is named; known: {', '.join(FORMS)}."
        )
    return tuple(form for form in FORMS if form in names)


def quantization_of(name: str | None, forms: Sequence[Form]) -> Quantization | None:
    """The quantization of this name; raises ConfigError for another, and where no form of these can be quantized."""
    if name is None:
        return None
    found = next((kind for kind in QUANTIZATIONS if kind == name), None)
    if found is None:
        raise ConfigError(f"No quantization is named '{name}': {nearest(name, QUANTIZATIONS)}")
    if "onnx" not in forms:
        raise ConfigError(
            f"The form onnx is quantized, and no other: '{name}' is asked for with {', '.join(forms)}; add onnx to "
            "--format, or leave --quantize out."
        )
    return found

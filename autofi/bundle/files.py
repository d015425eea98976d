"""The names of a bundle's files, and the checks that a folder is a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from autofi.bundle.manifest import MANIFEST, read_manifest
from autofi.core.atomic_folder import leftover_of
from autofi.errors import ConfigError, ExportError, nearest

ARCHITECTURE = "architecture.json"
METRICS = "metrics.json"
#: Present only in an ensemble: its members.
ENSEMBLE = "ensemble.json"
#: Present only where probabilities are calibrated.
CALIBRATION = "calibration.json"
#: The form `torch`: the fitted preprocessing, and the weights of the networks.
PREPROCESSING = "preprocessing"
WEIGHTS = "weights.safetensors"
#: The form `onnx`: everything from raw columns on. The form `pt2`: the network alone.
ONNX = "model.onnx"
PT2 = "model.pt2"

Form = Literal["onnx", "pt2", "torch"]
FORMS: tuple[Form, ...] = get_args(Form)

#: The number types of the form `onnx` other than float32.
Quantization = Literal["int8", "fp16"]
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)


def existing_bundle(directory: Path | str) -> Path:
    """Return the folder of a bundle.

    Raises:
        ExportError: The folder does not exist; the message says what to do.
    """
    folder = Path(directory).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ExportError(
            f"'{folder}' is a file, not a bundle folder; pass the folder that 'autofi export' wrote."
        )
    aside = leftover_of(folder)
    if aside is not None:
        raise ExportError(
            f"The bundle folder '{folder}' does not exist, because its replacement was interrupted; "
            f"rename '{aside}' to '{folder}', or export again."
        )
    if not folder.parent.is_dir():
        raise ExportError(
            f"The bundle folder '{folder}' does not exist, nor does its parent; check the path."
        )
    siblings = [path.parent.name for path in folder.parent.glob(f"*/{MANIFEST}")]
    known = nearest(folder.name, [name for name in siblings if not name.startswith(".")])
    raise ExportError(f"The bundle folder '{folder}' does not exist; {known}")


def check_replaceable(target: Path) -> None:
    """Raise ExportError unless the path is free, an empty folder, or a folder with nothing but a bundle."""
    if not target.exists():
        return
    if not target.is_dir():
        raise ExportError(f"'{target}' is a file, and a bundle is a folder; choose another name.")
    inside = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir())
    if not inside:
        return
    try:
        known = {*read_manifest(target).files, MANIFEST}
    except ExportError as error:
        raise ExportError(
            f"'{target}' holds files that are not of a bundle, such as '{inside[0]}'; choose another folder or empty "
            "this one."
        ) from error
    foreign = [path for path in inside if path not in known]
    if foreign:
        raise ExportError(
            f"'{target}' is a bundle that also holds '{foreign[0]}', which replacing it would delete; move that, or "
            "choose another folder."
        )


def forms_of(names: Sequence[str]) -> tuple[Form, ...]:
    """Return the named forms, each once and in the order of FORMS.

    Raises:
        ConfigError: A name is unknown, or there is none.
    """
    for name in names:
        if name not in FORMS:
            raise ConfigError(f"'{name}' is not a form of a bundle; {nearest(name, FORMS)}")
    if not names:
        raise ConfigError(f"No form of the bundle is named; name at least one of {', '.join(FORMS)}.")
    return tuple(form for form in FORMS if form in names)


def quantization_of(name: str | None, forms: Sequence[Form]) -> Quantization | None:
    """Return the quantization of this name.

    Raises:
        ConfigError: The name is unknown, or none of the forms can be quantized.
    """
    if name is None:
        return None
    found = next((kind for kind in QUANTIZATIONS if kind == name), None)
    if found is None:
        raise ConfigError(f"'{name}' is not a quantization; {nearest(name, QUANTIZATIONS)}")
    if "onnx" not in forms:
        raise ConfigError(
            f"The quantization '{name}' needs the form onnx, but the forms are {', '.join(forms)}; add onnx to "
            "--format, or leave --quantize out."
        )
    return found

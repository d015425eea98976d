"""A trained model as one self-contained folder: writing, verifying, loading and copying it."""

from __future__ import annotations

import json
import math
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from autofi import __version__
from autofi.data.feature_builder import FeatureBuilder
from autofi.data.reading.sql import is_database_url
from autofi.errors import AutoFIError, ExportError, nearest
from autofi.export.calibrations import Calibration, read_calibration
from autofi.export.folder import leftover_of, replaced_folder
from autofi.export.manifest import MANIFEST, Manifest, check_file, describe, read_manifest
from autofi.model.build import build_network, used_builder
from autofi.model.network import Network
from autofi.operators.base import Operator
from autofi.space.architecture import Architecture
from autofi.store.location import mask_password

_ARCHITECTURE = "architecture.json"
_CALIBRATION = "calibration.json"
_METRICS = "metrics.json"
_PREPROCESSING = "preprocessing"
_WEIGHTS = "weights.safetensors"
_PACKAGES = ("torch", "numpy", "pyarrow", "safetensors")
# What reading files can raise that are intact, but of another version or from another hand.
_UNREADABLE = (
    AutoFIError, SafetensorError, BadZipFile, OSError, RuntimeError, ValueError, LookupError, TypeError,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model with all that raw rows need to reach it; `network` is in eval mode and on the CPU."""

    architecture: Architecture
    builder: FeatureBuilder
    network: Network
    metrics: Mapping[str, Any]
    """What was measured when it was made."""
    origin: Mapping[str, Any]
    """Where it came from: study, data fingerprint, versions."""
    manifest: Manifest
    calibration: Calibration | None = None
    """What makes a probability of the network's logit; None is the sigmoid."""


def write_bundle(
    directory: Path,
    *,
    architecture: Architecture,
    builder: FeatureBuilder,
    network: Network,
    metrics: Mapping[str, Any],
    origin: Mapping[str, Any],
) -> None:
    """Write everything that scoring raw rows needs, at once: see `replaced_folder`.

    Of the crosses and statistics only those that the architecture uses are kept. `metrics` and `origin` are
    JSON but for numpy numbers; NaN becomes null. The new bundle is loaded once before it takes its place.
    Raises ExportError when `directory` holds something else than a bundle, when it cannot be written, and
    when the network is not one of this architecture.
    """
    names = builder.encoder.schema.names
    kept = used_builder(architecture, builder, network)
    _check_layout(architecture, names, network)
    versions = {"autofi": __version__, "python": platform.python_version()}
    versions |= {package: metadata.version(package) for package in _PACKAGES}
    known = {"versions": versions, **_without_passwords(origin)}
    with replaced_folder(directory, check=_check_replaceable) as folder:
        _write_json(folder / _ARCHITECTURE, architecture.to_json())
        _write_json(folder / _METRICS, {"metrics": metrics, "origin": known})
        (folder / _PREPROCESSING).mkdir()
        kept.save(folder / _PREPROCESSING)
        weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        save_file(weights, folder / _WEIGHTS)
        manifest = describe(folder, autofi=__version__)
        _read(folder, manifest)
        (folder / MANIFEST).write_bytes(manifest.render())


def load_bundle(directory: Path | str) -> Bundle:
    """The bundle in a folder; raises ExportError, with file and reason, unless it is whole and unchanged."""
    folder = _existing(directory)
    manifest = read_manifest(folder)
    manifest.verify(folder)
    return _read(folder, manifest)


def copy_bundle(source: Path | str, target: Path | str) -> None:
    """Copy a bundle as `write_bundle` writes one, all or nothing; raises ExportError for a damaged source."""
    folder, target = _existing(source), Path(target).expanduser()
    manifest = read_manifest(folder)
    if target.exists() and target.samefile(folder):
        manifest.verify(folder)
        return
    with replaced_folder(target, check=_check_replaceable) as copy:
        _copy_files(folder, manifest, copy)
        (copy / MANIFEST).write_bytes(manifest.render())


def copy_calibrated(
    source: Path | str, target: Path | str, calibration: Calibration, *, metrics: Mapping[str, Any]
) -> None:
    """Copy a bundle with a calibration, `metrics` beside its own; as `copy_bundle`, but never onto the source."""
    folder, target = _existing(source), Path(target).expanduser()
    manifest = read_manifest(folder)
    if target.exists() and target.samefile(folder):
        raise ExportError(
            f"A calibrated bundle is a copy: '{target}' is the bundle itself; choose another folder."
        )
    with replaced_folder(target, check=_check_replaceable) as copy:
        _copy_files(folder, manifest, copy)
        bundle = _read(copy, manifest)
        _write_json(copy / _METRICS, {"metrics": {**bundle.metrics, **metrics}, "origin": bundle.origin})
        _write_json(copy / _CALIBRATION, calibration.to_json())
        (copy / MANIFEST).write_bytes(describe(copy, autofi=__version__).render())


def _copy_files(folder: Path, manifest: Manifest, copy: Path) -> None:
    for name, record in manifest.files.items():
        # A short or damaged source is named as such; what is copied is checked again.
        check_file(folder / name, record)
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, copy / name)
        check_file(copy / name, record)


def _read(folder: Path, manifest: Manifest) -> Bundle:
    """Load verified files."""
    for name in (_ARCHITECTURE, _METRICS, _WEIGHTS):
        if name not in manifest.files:
            raise ExportError(
                f"A bundle has a file '{name}': the manifest of '{folder}' has none; export it again."
            )
    path = folder
    try:
        path = folder / _ARCHITECTURE
        architecture = Architecture.from_json(json.loads(path.read_bytes()))
        path = folder / _METRICS
        measured = json.loads(path.read_bytes())
        metrics, origin = measured["metrics"], measured["origin"]
        path = folder / _CALIBRATION
        written = _CALIBRATION in manifest.files
        calibration = read_calibration(json.loads(path.read_bytes())) if written else None
        path = folder / _PREPROCESSING
        builder = FeatureBuilder.load(path)
        path = folder / _WEIGHTS
        network = build_network(architecture, builder, seed=0)
        network.load_state_dict(load_file(path), strict=True)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ExportError(
            f"The parts of a bundle fit together, and this AutoFI: '{path}' does not ({reason}); "
            "export it again with this version."
        ) from error
    network.eval()
    network.requires_grad_(False)
    return Bundle(architecture, builder, network, metrics, origin, manifest, calibration)


def _existing(directory: Path | str) -> Path:
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


def _check_replaceable(target: Path) -> None:
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


def _check_layout(architecture: Architecture, names: tuple[str, ...], network: Network) -> None:
    # Weights of equal shape in another order would load without a word and predict nonsense.
    asked = [(name, tuple(slots)) for name, slots in architecture.layout(names).items()]
    built = [(name, part.slots) for name, part in network.operators.items() if isinstance(part, Operator)]
    if asked != built:
        different = sorted({name for name, _ in {*asked} ^ {*built}}) or ["their order"]
        raise ExportError(
            f"A bundle holds the network of its architecture: found another one, different in "
            f"{', '.join(different)}; build it from this architecture."
        )


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(_plain(document), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _without_passwords(origin: Mapping[str, Any]) -> dict[str, Any]:
    """A bundle is handed around, and a data source may be the URL of a database."""
    return {
        key: mask_password(value) if isinstance(value, str) and is_database_url(value) else value
        for key, value in origin.items()
    }


def _plain(value: Any) -> Any:
    """The same with numpy numbers as Python's, and null for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

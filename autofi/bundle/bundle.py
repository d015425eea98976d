"""A trained model as one self-contained folder: writing, verifying, loading and copying it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from autofi import __version__
from autofi.bundle.files import (
    ARCHITECTURE,
    CALIBRATION,
    METRICS,
    PREPROCESSING,
    WEIGHTS,
    check_replaceable,
    existing_bundle,
)
from autofi.bundle.manifest import MANIFEST, Manifest, describe, read_manifest
from autofi.bundle.training_profile import TrainingProfile
from autofi.core.atomic_folder import replaced_folder
from autofi.core.json import json_text
from autofi.core.strict_json import read_object
from autofi.data.feature_builder import FeatureBuilder
from autofi.errors import ExportError
from autofi.metrics.calibrators import Calibration, read_calibration
from autofi.model.bounded_build import bounded
from autofi.model.build import build_network, used_builder
from autofi.model.network import Network
from autofi.operators.base import Operator
from autofi.readers.urls import is_database_url
from autofi.space.architecture import Architecture
from autofi.store.storage_url import mask_password

_PACKAGES = ("torch", "numpy", "pyarrow", "safetensors")
#: Characters of what a library says of a file that are passed on.
_REASON = 300


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
    profile: TrainingProfile | None = None,
) -> None:
    """Write everything that scoring raw rows needs, at once: see `replaced_folder`.

    Of the crosses and statistics only those that the architecture uses are kept. `metrics` and `origin` are
    JSON but for numpy numbers; NaN becomes null. With `profile` rows that are scored are compared with training's. The
    new bundle is loaded once before it takes its place.
    Raises ExportError when `directory` holds something else than a bundle, when it cannot be written, and
    when the network is not one of this architecture.
    """
    names = builder.encoder.schema.names
    kept = used_builder(architecture, builder, network)
    _check_layout(architecture, names, network)
    versions = {"autofi": __version__, "python": platform.python_version()}
    versions |= {package: metadata.version(package) for package in _PACKAGES}
    known = {"versions": versions, **_without_passwords(origin)}
    with replaced_folder(directory, check=check_replaceable) as folder:
        write_json(folder / ARCHITECTURE, architecture.to_json())
        write_json(folder / METRICS, {"metrics": metrics, "origin": known})
        (folder / PREPROCESSING).mkdir()
        kept.save(folder / PREPROCESSING)
        weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        if profile is not None:
            profile.write(folder)
        manifest = describe(folder, autofi=__version__)
        read_bundle(folder, manifest)
        (folder / MANIFEST).write_bytes(manifest.render())


def load_bundle(directory: Path | str) -> Bundle:
    """Return the bundle in a folder; raises ExportError, with file and reason, unless it is whole and unchanged."""
    folder = existing_bundle(directory)
    manifest = read_manifest(folder)
    manifest.verify(folder)
    return read_bundle(folder, manifest)


def read_bundle(folder: Path, manifest: Manifest) -> Bundle:
    """Load files that were verified; raises ExportError where they do not fit together."""
    for name in (ARCHITECTURE, METRICS, WEIGHTS):
        if name not in manifest.files:
            raise ExportError(
                f"A bundle has a file '{name}': the manifest of '{folder}' has none; export it again."
            )
    path = folder
    try:
        path = folder / ARCHITECTURE
        architecture = Architecture.from_json(read_object(path))
        path = folder / METRICS
        metrics, origin = measured_of(read_object(path))
        path = folder / CALIBRATION
        written = CALIBRATION in manifest.files
        calibration = read_calibration(read_object(path)) if written else None
        path = folder / PREPROCESSING
        builder = FeatureBuilder.load(path)
        path = folder / WEIGHTS
        weights = load_file(path)
        numbers = sum(tensor.numel() for tensor in weights.values())
        with bounded(numbers, len(weights)):
            network = build_network(architecture, builder, seed=0)
        network.load_state_dict(weights, strict=True)
        _check_finite(weights)
    except Exception as error:  # whatever a file of another hand makes of the library that reads it
        reason = " ".join(str(error).split())[:_REASON] or type(error).__name__
        raise ExportError(
            f"The parts of a bundle fit together, and this AutoFI: '{path}' does not ({reason}); "
            "export it again with this version."
        ) from error
    network.eval()
    network.requires_grad_(False)
    return Bundle(architecture, builder, network, metrics, origin, manifest, calibration)


def measured_of(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics and origin of `metrics.json`; raises ValueError where they are no objects."""
    metrics, origin = document.get("metrics"), document.get("origin")
    if not isinstance(metrics, dict) or not isinstance(origin, dict):
        raise ValueError("it has no metrics and origin")
    return metrics, origin


def _check_finite(weights: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"weights are finite numbers, and '{name[:80]}' has others")


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


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON, numpy numbers among it; NaN becomes null."""
    path.write_text(json_text(document) + "\n", encoding="utf-8")


def _without_passwords(origin: Mapping[str, Any]) -> dict[str, Any]:
    """A bundle is handed around, and a data source may be the URL of a database."""
    return {
        key: mask_password(value) if isinstance(value, str) and is_database_url(value) else value
        for key, value in origin.items()
    }

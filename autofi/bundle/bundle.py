"""A trained model as one self-contained folder: writing, verifying and loading it."""

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
#: The most characters of a library's error that are passed on.
_REASON = 300


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model with all that raw rows need to reach it; `network` is in eval mode and on the CPU."""

    architecture: Architecture
    builder: FeatureBuilder
    network: Network
    metrics: Mapping[str, Any]
    """The metrics measured when the bundle was written."""
    origin: Mapping[str, Any]
    """The study, the data fingerprint and the versions that the bundle comes from."""
    manifest: Manifest
    calibration: Calibration | None = None
    """The map from the network's logit to a probability; None is the sigmoid."""


def write_bundle(
    directory: Path,
    *,
    architecture: Architecture,
    builder: FeatureBuilder,
    network: Network,
    metrics: Mapping[str, Any],
    origin: Mapping[str, Any],
    profile: TrainingProfile | None = None,
    check: bool = True,
) -> None:
    """Write everything that scoring raw rows needs as one folder, at once (see `replaced_folder`).

    Of the crosses and target encodings only those that the architecture uses are kept. The new bundle is loaded
    once before it takes its place.

    Args:
        directory: The folder; a bundle that is there is replaced.
        architecture: The architecture of `network`.
        builder: The fitted preprocessing.
        network: The trained network.
        metrics: JSON that may hold numpy numbers; NaN becomes null.
        origin: The same kind of JSON; passwords of database URLs are masked.
        profile: The training profile that scored rows are compared with; None for no comparison.
        check: False to leave out the loading, which takes most of the time where there are boosted trees.

    Raises:
        ExportError: `directory` holds something other than a bundle, it cannot be written, or the network is
            not one of this architecture.
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
        if check:
            read_bundle(folder, manifest)
        (folder / MANIFEST).write_bytes(manifest.render())


def load_bundle(directory: Path | str) -> Bundle:
    """Return the bundle in a folder.

    Raises:
        ExportError: The bundle is incomplete or was changed; the message names the file and the reason.
    """
    folder = existing_bundle(directory)
    manifest = read_manifest(folder)
    manifest.verify(folder)
    return read_bundle(folder, manifest)


def read_bundle(folder: Path, manifest: Manifest) -> Bundle:
    """Load files that are already verified.

    Raises:
        ExportError: The files do not fit together.
    """
    for name in (ARCHITECTURE, METRICS, WEIGHTS):
        if name not in manifest.files:
            raise ExportError(
                f"The manifest of '{folder}' has no file '{name}', which every bundle has; export it again."
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
    except Exception as error:  # a foreign file can raise anything in the library that reads it
        reason = " ".join(str(error).split())[:_REASON] or type(error).__name__
        raise ExportError(
            f"'{path}' does not fit the other files of the bundle or this AutoFI ({reason}); "
            "export it again with this version."
        ) from error
    network.eval()
    network.requires_grad_(False)
    return Bundle(architecture, builder, network, metrics, origin, manifest, calibration)


def measured_of(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return metrics and origin of `metrics.json`; raise ValueError unless both are objects."""
    metrics, origin = document.get("metrics"), document.get("origin")
    if not isinstance(metrics, dict) or not isinstance(origin, dict):
        raise ValueError("it has no metrics and origin")
    return metrics, origin


def _check_finite(weights: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"the weights '{name[:80]}' are not all finite")


def _check_layout(architecture: Architecture, names: tuple[str, ...], network: Network) -> None:
    # Weights of equal shape in another order would load without an error and predict nonsense.
    asked = [(name, tuple(slots)) for name, slots in architecture.layout(names).items()]
    built = [(name, part.slots) for name, part in network.operators.items() if isinstance(part, Operator)]
    if asked != built:
        different = sorted({name for name, _ in {*asked} ^ {*built}}) or ["their order"]
        raise ExportError(
            f"The network is not one of this architecture, it differs in {', '.join(different)}; build it from this "
            "architecture."
        )


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON that may hold numpy numbers; NaN becomes null."""
    path.write_text(json_text(document) + "\n", encoding="utf-8")


def _without_passwords(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the origin with passwords of database URLs masked, because bundles are handed to other people."""
    return {
        key: mask_password(value) if isinstance(value, str) and is_database_url(value) else value
        for key, value in origin.items()
    }

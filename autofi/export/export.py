"""Export of a bundle in the chosen forms, with the files that its users need."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from autofi import __version__
from autofi.bundle.bundle import Bundle, load_bundle, write_json
from autofi.bundle.files import (
    ARCHITECTURE,
    CALIBRATION,
    ENSEMBLE,
    FORMS,
    METRICS,
    ONNX,
    PREPROCESSING,
    PT2,
    WEIGHTS,
    Form,
    Quantization,
    check_replaceable,
    existing_bundle,
    quantization_of,
)
from autofi.bundle.inputs import GraphInput
from autofi.bundle.manifest import MANIFEST, describe
from autofi.bundle.network_inputs import read_fields
from autofi.bundle.network_reads import example_features, reads_of
from autofi.bundle.onnx_scorer import OnnxScorer
from autofi.bundle.schema import write_schema
from autofi.bundle.scorer import Scorer
from autofi.bundle.torch_archive import load_program, save_program
from autofi.bundle.torch_program import Scoring, export_program, inputs_of, onnx_program
from autofi.bundle.torch_scorer import TorchScorer
from autofi.bundle.training_profile import TRAINING_PROFILE, TRAINING_VALUES
from autofi.core.atomic_folder import replaced_folder
from autofi.core.progress import Progress, SilentProgress
from autofi.errors import ExportError
from autofi.export.mlflow_model import write_mlmodel
from autofi.export.model_card import write_card
from autofi.export.onnx_file import save_onnx
from autofi.export.onnx_opset import OPSET
from autofi.export.onnx_quantize import quantized
from autofi.export.onnx_raw_model import raw_model
from autofi.export.quantize import QUANTIZED, replace_by_quantized
from autofi.export.sample_request import Sample, write_answer, write_sample
from autofi.metrics.calibrators import Calibration

#: The largest difference in probability between a form and the network.
TOLERANCE = 1e-5


class Calibrated(Protocol):
    """A calibration with its metrics, as `autofi.records.calibrate` measures them."""

    @property
    def calibration(self) -> Calibration: ...

    def metrics(self) -> dict[str, Any]: ...


def export_bundle(
    source: Path | str,
    target: Path | str,
    *,
    forms: Sequence[Form] = FORMS,
    calibrated: Calibrated | None = None,
    quantize: Quantization | None = None,
    origin: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write the model of a bundle to a new folder in these forms, all or nothing; takes some seconds per form.

    - onnx: `model.onnx`, everything from raw columns to the probability; beyond 2 GB, its numbers are in a file
      beside it
    - pt2: `model.pt2`, the network alone by torch.export, with the preprocessing of torch beside it
    - torch: the preprocessing and `weights.safetensors`

    Args:
        source: The folder of the bundle.
        target: The new folder.
        forms: The forms.
        calibrated: A calibration that becomes the last step of every form; the metrics include its effect.
        quantize: Store tables and weights of the form onnx as int8 or float16 (see
            `autofi.export.onnx_quantize`); the metrics include the effect. Other forms stay float32.
        origin: Further facts about the origin of the bundle, for metrics and model card.
        progress: Shows the progress; silent by default.

    Raises:
        ConfigError: A quantization is asked for without the form onnx.
        ExportError: The source is damaged, a form cannot be made, or quantizing changes its probabilities.
    """
    quantization_of(quantize, forms)
    shown = progress or SilentProgress()
    shown.phase("export", total=len(forms) + 1)
    folder = existing_bundle(source)
    bundle = load_bundle(folder)
    metrics = {name: value for name, value in bundle.metrics.items() if name != QUANTIZED}
    bundle = replace(bundle, metrics=metrics, origin={**bundle.origin, **(origin or {})})
    if calibrated is not None:
        metrics = {**metrics, **calibrated.metrics()}
        bundle = replace(bundle, calibration=calibrated.calibration, metrics=metrics)
    with replaced_folder(Path(target).expanduser(), check=check_replaceable) as work:
        shutil.copyfile(folder / ARCHITECTURE, work / ARCHITECTURE)
        if bundle.calibration is not None:
            write_json(work / CALIBRATION, bundle.calibration.to_json())
        for name in (ENSEMBLE, TRAINING_PROFILE, TRAINING_VALUES):
            if name in bundle.manifest.files:
                shutil.copyfile(folder / name, work / name)
        if "torch" in forms or "pt2" in forms:
            shutil.copytree(folder / PREPROCESSING, work / PREPROCESSING)
            shutil.copyfile(folder / WEIGHTS, work / WEIGHTS)
        _write_forms(bundle, work, forms, quantize, shown)
        shown.advance()
        (work / MANIFEST).write_bytes(describe(work, autofi=__version__).render())


def _write_forms(
    bundle: Bundle, work: Path, forms: Sequence[Form], quantize: Quantization | None, shown: Progress
) -> None:
    builder = bundle.builder
    reads = reads_of(bundle.network, builder)
    inputs = read_fields(builder, reads)
    write_schema(work, builder.encoder.schema, inputs)
    if "onnx" in forms or "pt2" in forms:
        features = inputs_of(example_features(builder), reads)
        program = export_program(Scoring(bundle.network, builder, bundle.calibration), features)
        if "pt2" in forms:
            save_program(program, work / PT2)
            shown.advance()
        if "onnx" in forms:
            network = onnx_program(program, features, OPSET)
            save_onnx(raw_model(builder, reads, network), work / ONNX)
            shown.advance()
    sample = write_sample(work, bundle, inputs)
    _check_sample(work, sample, bundle, forms, inputs)
    if quantize is not None:
        model = raw_model(builder, reads, quantized(network, quantize))
        found = replace_by_quantized(work, model, quantize, builder.encoder, inputs)
        bundle = replace(bundle, metrics={**bundle.metrics, **found.metrics()})
        scorer = OnnxScorer(work / ONNX, inputs)
        write_answer(work, scorer.probabilities(sample.rows, source="the sample", first_row=0))
    write_json(work / METRICS, {"metrics": bundle.metrics, "origin": bundle.origin})
    write_mlmodel(work)
    write_card(work, bundle, forms, inputs)


def _check_sample(
    work: Path, sample: Sample, bundle: Bundle, forms: Sequence[Form], inputs: Sequence[GraphInput]
) -> None:
    """Raise ExportError unless every written form gives the sample the probabilities of the network."""
    scorers: dict[Form, Scorer] = {}
    if "onnx" in forms:
        scorers["onnx"] = OnnxScorer(work / ONNX, inputs)
    if "pt2" in forms:
        scorers["pt2"] = TorchScorer(bundle, program=load_program(work / PT2))
    for form, scorer in scorers.items():
        found = scorer.probabilities(sample.rows, source="the sample", first_row=0)
        apart = float(np.abs(found - sample.probabilities).max())
        if not apart <= TOLERANCE:
            raise ExportError(
                f"The probabilities of the form {form} differ from those of its network by {apart:.2g} on the sample, "
                f"more than {TOLERANCE}; export the other forms, and please report this."
            )

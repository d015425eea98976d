"""A bundle for use elsewhere: the forms asked for, and what its users need to know of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import onnx

from autofi import __version__
from autofi.export.bundle import Bundle, load_bundle
from autofi.export.card import write_card
from autofi.export.contents import (
    ARCHITECTURE,
    FORMS,
    METRICS,
    ONNX,
    PREPROCESSING,
    PT2,
    WEIGHTS,
    Form,
    check_replaceable,
    existing_bundle,
)
from autofi.export.folder import replaced_folder
from autofi.export.graph.archive import save_program
from autofi.export.graph.model import raw_model, read_fields
from autofi.export.graph.onnx_ops import OPSET
from autofi.export.graph.program import (
    Scoring,
    example_features,
    export_program,
    inputs_of,
    onnx_program,
)
from autofi.export.graph.reads import reads_of
from autofi.export.manifest import MANIFEST, describe
from autofi.export.mlflow_model import write_mlmodel
from autofi.export.raw_schema import write_schema
from autofi.export.sample import write_sample
from autofi.progress import Progress, SilentProgress

#: Beyond this a model's numbers lie in a file beside it: no protobuf is larger.
LARGEST_PROTOBUF = 2**31 - 2**20


def release_bundle(
    source: Path | str,
    target: Path | str,
    *,
    forms: Sequence[Form] = FORMS,
    progress: Progress | None = None,
) -> None:
    """Write the model of a bundle to a new folder in these forms, all or nothing.

    onnx    `model.onnx`, everything from raw columns to the probability; beyond 2 GB its numbers in a file beside it
    pt2     `model.pt2`, the network alone by torch.export, with the preprocessing of torch beside it
    torch   the preprocessing and `weights.safetensors`

    Takes some seconds per form. Raises ExportError for a damaged source, and where a form cannot be made.
    """
    shown = progress or SilentProgress()
    shown.phase("export", total=len(forms) + 1)
    folder = existing_bundle(source)
    bundle = load_bundle(folder)
    with replaced_folder(Path(target).expanduser(), check=check_replaceable) as work:
        for name in (ARCHITECTURE, METRICS):
            shutil.copyfile(folder / name, work / name)
        if "torch" in forms or "pt2" in forms:
            shutil.copytree(folder / PREPROCESSING, work / PREPROCESSING)
            shutil.copyfile(folder / WEIGHTS, work / WEIGHTS)
        _write_forms(bundle, work, forms, shown)
        shown.advance()
        (work / MANIFEST).write_bytes(describe(work, autofi=__version__).render())


def _write_forms(bundle: Bundle, work: Path, forms: Sequence[Form], shown: Progress) -> None:
    builder = bundle.builder
    reads = reads_of(bundle.network, builder)
    inputs = read_fields(builder, reads)
    write_schema(work, builder.encoder.schema, inputs)
    if "onnx" in forms or "pt2" in forms:
        features = inputs_of(example_features(builder), reads)
        program = export_program(Scoring(bundle.network, builder), features)
        if "pt2" in forms:
            save_program(program, work / PT2)
            shown.advance()
        if "onnx" in forms:
            model = raw_model(builder, reads, onnx_program(program, features, OPSET))
            _save(model, work / ONNX)
            shown.advance()
    write_sample(work, bundle, inputs)
    write_mlmodel(work)
    write_card(work, bundle, forms, inputs)


def _save(model: onnx.ModelProto, path: Path) -> None:
    beside = model.ByteSize() > LARGEST_PROTOBUF
    data = f"{path.name}.data" if beside else None
    onnx.save(model, path, save_as_external_data=beside, location=data, all_tensors_to_one_file=True)

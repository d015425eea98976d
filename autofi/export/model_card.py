"""`MODEL_CARD.md` of a bundle: what it is, what it reads, what was measured and how, what it must not be used for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

from autofi.bundle.bundle import Bundle
from autofi.bundle.inputs import OUTPUT, GraphInput
from autofi.evaluation.preprocessing_bytes import fitted_bytes
from autofi.export.quantize import QUANTIZED
from autofi.export.random_rows import ROWS
from autofi.records.winner_reasons import read_before
from autofi.text.architecture import choices, code
from autofi.text.markdown import count, escaped, figure, table, two_columns

CARD = "MODEL_CARD.md"
_PARTS = {"train": "training", "valid": "validation", "test": "test"}
_REACH = NormalDist().inv_cdf(0.975)
_LIMITS = (
    "A probability holds for rows like those it was measured on: the same traffic, the same rule for what is shown, "
    "and a share of clicks like theirs. Where negatives were sampled, it is one of that sample.",
    "A value that training had not is scored as unknown, and a cross that it had not by its fields alone.",
    "Intervals are of the rows that were measured. Another training of the same architecture differs besides.",
    "Fields and pairs stand together with the click. That they cause it, nothing here says.",
)


_TRUST = (
    "Nothing in this folder is a pickle, and AutoFI runs none of it as code. `model.pt2` is the exception: torch "
    "evaluates texts in it. Load it (`--runtime pt2 --trust-pt2`, or `torch.export.load`) only if you trust whoever "
    "wrote it."
)


def write_card(folder: Path, bundle: Bundle, forms: Sequence[str], inputs: Sequence[GraphInput]) -> None:
    """Write the card."""
    origin, target = bundle.origin, bundle.builder.encoder.schema.target
    sections = [
        f"# {escaped(origin.get('study', 'A model'))}",
        f"{escaped(bundle.architecture.describe())}. It gives the probability of {code(target)}"
        f" (output `{OUTPUT}`) for raw rows, in the forms {', '.join(forms)}.",
        *_section("Reads", _inputs(inputs)),
        *_section("Measured", _measured(bundle.metrics)),
        *_section("Protocol", _protocol(origin)),
        *choices(bundle.architecture, listed=sys.maxsize),
        *_section("Size", _size(bundle)),
        *_section("Quantized", _quantized(bundle.metrics)),
        *_section("Limits", "\n".join(f"- {limit}" for limit in _limits(origin))),
        *_section("Safety", _TRUST if "pt2" in forms else ""),
        *_section("Made with", _versions(origin)),
    ]
    (folder / CARD).write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _limits(origin: Mapping[str, Any]) -> list[str]:
    """What the figures must not be taken for."""
    read = read_before(origin.get("choice"))
    return [*([read] if read else []), *_LIMITS]


def _section(title: str, body: str) -> list[str]:
    return [f"## {title}", body] if body else []


def _inputs(inputs: Sequence[GraphInput]) -> str:
    rows = [
        (
            code(given.field.name),
            given.field.kind.value,
            given.datatype + (f", as `{given.name}`" if given.name != given.field.name else ""),
            f"split at {code(given.field.separator)}" if given.field.separator else "",
        )
        for given in inputs
    ]
    return table(("column", "kind", "type in ONNX", ""), rows)


def _measured(metrics: Mapping[str, Any]) -> str:
    rows = []
    for part, name in _PARTS.items():
        found = metrics.get(part)
        if isinstance(found, Mapping) and found.get("auc") is not None:
            rows.append((name, _auc(found), figure(found.get("logloss"), 5), figure(found.get("ece"), 5)))
    return table(("rows", "AUC, 95 % interval", "logloss", "ECE"), rows) if rows else ""


def _auc(found: Mapping[str, Any]) -> str:
    error = found.get("auc_error")
    return figure(found["auc"], 5) + (f" ± {figure(_REACH * error, 5)}" if error is not None else "")


def _protocol(origin: Mapping[str, Any]) -> str:
    known = {"data": "data_source", "fingerprint of the data": "data_fingerprint", "search space": "space"}
    rows = [(name, escaped(origin[key])) for name, key in known.items() if origin.get(key) is not None]
    read = read_before(origin.get("choice"))
    rows += [
        ("measured on" if read and name == "measured once on" else name, escaped(value))
        for name, value in dict(origin.get("protocol", {})).items()
        if value is not None
    ]
    if origin.get("seed") is not None:
        rows.append(("seed", escaped(origin["seed"])))
    return two_columns(rows)


def _size(bundle: Bundle) -> str:
    return two_columns(
        [
            ("trained numbers", count(bundle.network.num_parameters())),
            ("rows of lookup tables", count(bundle.network.table_rows())),
            ("bytes of lookup tables", count(bundle.network.table_bytes())),
            (
                "bytes of vocabularies, crosses and statistics",
                count(fitted_bytes(bundle.network, bundle.builder)),
            ),
        ]
    )


def _quantized(metrics: Mapping[str, Any]) -> str:
    found = metrics.get(QUANTIZED)
    if not isinstance(found, Mapping):
        return ""
    told = two_columns(
        [
            ("tables and weights of `model.onnx`", found["kind"]),
            ("its bytes", count(found["bytes"])),
            ("its bytes in float32", count(found["bytes_float32"])),
            ("mean difference of probability", figure(found["mean_difference"], 6)),
            ("largest difference of probability", figure(found["largest_difference"], 6)),
        ]
    )
    return (
        f"{told}\n\nDifferences are from the float32 model, on {ROWS:,} rows drawn from what the encoder knows of each "
        "field. Other forms are float32. What was measured above was measured in float32."
    )


def _versions(origin: Mapping[str, Any]) -> str:
    return two_columns(
        [(name, escaped(version)) for name, version in dict(origin.get("versions", {})).items()]
    )

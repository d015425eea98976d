"""The model card of a bundle: its purpose, its inputs, its metrics and their protocol, its limits."""

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
from autofi.text.architecture import choices, code
from autofi.text.best_so_far import best_so_far_words
from autofi.text.markdown import count, escaped, figure, table, two_columns
from autofi.text.verdict import read_before

CARD = "MODEL_CARD.md"
_PARTS = {"train": "training", "valid": "validation", "test": "test"}
_REACH = NormalDist().inv_cdf(0.975)
_LIMITS = (
    "Probabilities are valid for rows like those they were measured on: the same traffic, the same rule for what is "
    "shown, and a similar share of clicks. If negatives were sampled, they are probabilities within that sample.",
    "A value that training rows do not have is scored as unknown, and an unseen cross by its fields alone.",
    "Intervals are over the measured rows. They do not include the difference between two trainings of the same "
    "architecture.",
    "Fields and pairs are associated with clicks; nothing here shows that they cause them.",
)


_TRUST = (
    "Nothing in this folder is a pickle, and AutoFI executes none of it as code. `model.pt2` is the exception: torch "
    "evaluates texts in it. Load it (`--runtime pt2 --trust-pt2`, or `torch.export.load`) only if you trust its author."
)


def write_card(folder: Path, bundle: Bundle, forms: Sequence[str], inputs: Sequence[GraphInput]) -> None:
    """Write the card."""
    origin, target = bundle.origin, bundle.builder.encoder.schema.target
    sections = [
        f"# {escaped(origin.get('study', 'A model'))}",
        f"{escaped(bundle.architecture.describe())}. It gives the probability of {code(target)}"
        f" (output `{OUTPUT}`) for raw rows, in the forms {', '.join(forms)}.",
        *([best_so_far_words(origin["best_so_far"])] if origin.get("best_so_far") else []),
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
    """Return the limits of the numbers in the card."""
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
                "bytes of vocabularies, crosses and target encodings",
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
        f"{told}\n\nDifferences are from the float32 model, on {ROWS:,} rows drawn from the values that the "
        "encoder knows "
        "of each field. Other forms are float32. The metrics above were measured in float32."
    )


def _versions(origin: Mapping[str, Any]) -> str:
    return two_columns(
        [(name, escaped(version)) for name, version in dict(origin.get("versions", {})).items()]
    )

"""Several models compared in Markdown: one table per data set, with the published AUC of each model beside its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofi.text.markdown import count, figure, table
from autofi.text.verdict import alike, mean_and_deviation

HEADING = (
    "model",
    "seeds",
    "test AUC",
    "interval",
    "published",
    "difference",
    "test logloss",
    "valid AUC",
    "parameters",
    "seconds",
)


def comparison_markdown(
    models: Mapping[str, Sequence[Mapping[str, Any]]],
    published: Mapping[str, tuple[Mapping[str, float], str]],
    file: str,
) -> str:
    """Return the report as Markdown.

    Args:
        models: By table, the models as `Study.summary()` gives them.
        published: By table, the published AUC of each model, and a note.
        file: The settings that `autofi compare` was called with, for the last line.
    """
    sections = [
        "# Known models side by side",
        "Test AUC and logloss are means over seeds, with the deviation between seeds; the interval is the 95 % "
        "interval of the test AUC, over test rows and seeds. Seconds are those of one training. Best first, by test "
        "AUC; nothing was chosen by test rows.",
    ]
    for name, measured in models.items():
        figures, note = published.get(name, ({}, ""))
        sections += [f"## {name}", note, table(HEADING, _rows(measured, figures)), alike(measured)]
    sections.append(f"Made by `autofi compare {file}`.")
    return "\n\n".join(section for section in sections if section) + "\n"


def write_comparison(
    path: Path,
    models: Mapping[str, Sequence[Mapping[str, Any]]],
    published: Mapping[str, tuple[Mapping[str, float], str]],
    file: str,
) -> None:
    """Write the report; the arguments are those of `comparison_markdown`."""
    path.write_text(comparison_markdown(models, published, file), encoding="utf-8")


def _rows(models: Sequence[Mapping[str, Any]], published: Mapping[str, float]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    measured = [model for model in models if model.get("test") or model.get("valid")]
    for model in sorted(measured, key=lambda model: -((model.get("test") or {}).get("auc") or 0.0)):
        test, told = model.get("test") or {}, published.get(model["name"])
        auc, interval = test.get("auc"), test.get("auc_interval")
        rows.append(
            (
                model["name"],
                model["seeds"],
                mean_and_deviation(test) or "not available",
                f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else "",
                figure(told),
                "" if told is None or auc is None else f"{auc - told:+z.4f}",
                figure(test.get("logloss")),
                figure((model.get("valid") or {}).get("auc")),
                count(model.get("parameters")),
                "" if model.get("seconds") is None else f"{model['seconds']:.1f}",
            )
        )
    return rows

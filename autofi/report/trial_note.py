"""A trial as a page of Markdown: its choices, results, costs and lineage."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from autofi.errors import SearchSpaceError
from autofi.space.architecture import Architecture
from autofi.space.renamed_keys import current_parameters
from autofi.store import TrialRecord
from autofi.text.architecture import boosted_words, choices
from autofi.text.markdown import count, escaped, figure, two_columns


def trial_note(trial: TrialRecord) -> str:
    """Return the note of a trial in any state; names are escaped, so that no field or error can act as markup."""
    sections = [
        _headline(trial),
        *_chosen(trial.architecture),
        *_section("Measured on validation rows", _measured(trial)),
        *_section("Costs", _costs(trial)),
        *_section("Lineage", _lineage(trial)),
    ]
    return "\n\n".join(sections) + "\n"


def _headline(trial: TrialRecord) -> str:
    described = escaped(trial.attrs.get("describe", trial.architecture_id))
    if trial.error is not None:
        return f"**{described}**\n\n**Failed:** {escaped(trial.error)}"
    return f"**{described}**"


def _chosen(stored: Mapping[str, Any]) -> list[str]:
    try:
        architecture = Architecture.from_json(stored)
    except SearchSpaceError:
        # The trial is of a version with other operators.
        return []
    return choices(architecture)


def _measured(trial: TrialRecord) -> list[tuple[str, str]]:
    valid, attrs = trial.valid or {}, trial.attrs
    found = [(_named(name), figure(value, 5)) for name, value in valid.items() if value is not None]
    share = attrs.get("boosted_share")
    if share is not None and "boosting" in trial.architecture:
        found += [
            ("beside the network", boosted_words(share)),
            ("AUC of the network alone", figure(attrs.get("own_auc"), 5)),
        ]
    if attrs.get("evaluations") is not None:
        found.append(("best evaluation", f"{attrs.get('best_evaluation')} of {attrs['evaluations']}"))
    return found


def _costs(trial: TrialRecord) -> list[tuple[str, str]]:
    seconds = None if trial.seconds is None else f"{trial.seconds:.1f}"
    latency = trial.attrs.get("latency")
    costs = (
        ("parameters", count(trial.parameters)),
        ("table rows", count(trial.attrs.get("table_rows"))),
        ("table bytes", count(trial.table_bytes)),
        ("FLOPs of a row", count(trial.attrs.get("flops"))),
        ("microseconds of a row", None if latency is None else f"{latency:.1f}"),
        ("seconds of training", seconds),
    )
    return [(name, value) for name, value in costs if value]


def _lineage(trial: TrialRecord) -> list[tuple[str, str]]:
    attrs = trial.attrs
    retried = attrs.get("retry_of")
    versions = ", ".join(f"{name} {version}" for name, version in (attrs.get("versions") or {}).items())
    params = current_parameters(trial.params)
    variants = ", ".join(
        f"{name} {params[name]}" for name in ("fields", "pairs", "products") if name in params
    )
    lineage = (
        ("stage", trial.stage),
        ("variant of the proposal", variants),
        ("retry of", None if retried is None else f"trial {retried}"),
        ("seed", str(trial.seed)),
        ("architecture", trial.architecture_id),
        ("data", attrs.get("data_fingerprint")),
        ("versions", versions),
        ("begun", _moment(trial.started)),
        ("ended", _moment(trial.finished)),
    )
    return [(name, escaped(value)) for name, value in lineage if value]


def _section(title: str, rows: list[tuple[str, str]]) -> list[str]:
    return [f"## {title}", two_columns(rows)] if rows else []


def _named(name: str) -> str:
    return name if name == "logloss" else name.upper()


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")

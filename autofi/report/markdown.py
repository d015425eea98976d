"""A study as Markdown tables, and its settings as YAML: the files that are committed under `studies/<name>/`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from autofi.core.option_names import NNI
from autofi.store import StudyRecord
from autofi.text.architecture import boosted_words, told
from autofi.text.ensemble import MEMBER_HEADING, ensemble_row, ensemble_words, member_rows
from autofi.text.markdown import count, escaped, figure, table
from autofi.text.objective_values import FRONT, front_table, goals_words, missed_words
from autofi.text.verdict import alike, course, mean_and_deviation, read_before, untested_words, verdict

Summary = Mapping[str, Any]
#: Trials shown, best first.
SHOWN_TRIALS = 20


def study_yaml(record: StudyRecord) -> str:
    """Return space, data and settings of a study as YAML, with the fingerprints that show if a repeat is the same."""
    settings = {key: value for key, value in dict(record.settings).items() if value not in (None, {}, [])}
    if settings.get("source"):
        # The folder of the file means something on one machine only; its name says which file it was.
        settings["source"] = _name(str(settings["source"]))
    if settings.get("engine") == NNI:
        # NNI's tuner proposed the trials; the sampler was not used.
        settings.pop("sampler", None)
    text: str = yaml.safe_dump(
        {
            "study": record.name,
            "space": record.space_name,
            "space_fingerprint": record.space_fingerprint,
            "data_fingerprint": record.data_fingerprint,
            "settings": settings,
            "versions": dict(record.versions),
        },
        sort_keys=False,
        allow_unicode=True,
    )
    return text


def report_markdown(record: StudyRecord, summary: Summary, trials: Sequence[Mapping[str, Any]]) -> str:
    """Return the report as Markdown.

    Args:
        record: The study.
        summary: The result of `Study.summary()`.
        trials: The rows of `Study.leaderboard()`.
    """
    sections = [
        f"# {record.name}",
        f"Data `{_name(record.data_source)}` (fingerprint `{record.data_fingerprint[:12]}`), "
        f"space `{record.space_name}` (fingerprint `{record.space_fingerprint[:12]}`), "
        f"{len(trials)} {'architecture' if len(trials) == 1 else 'architectures'} trained from scratch.",
        untested_words(summary) or _verdict(summary.get("comparison")),
        _apart(summary.get("apart")),
        *_goals(summary),
        *_warnings(summary.get("warnings") or []),
        "## Winner against the baselines",
        "Means over seeds. The interval is the 95 % interval of the test AUC, over test rows and seeds; "
        "seconds are those of one training.",
        _models(summary),
        alike(_all_models(summary)),
        *_ensemble(summary),
        " ".join(summary.get("reasons") or []),
        read_before(summary.get("choice")),
        "## Pairs",
        _pairs(summary.get("pairs") or []),
        "## Fields",
        table(
            ("field", "represented by"),
            ((escaped(f["name"]), " + ".join(f["forms"])) for f in summary.get("fields") or []),
        ),
        *_streams(summary.get("streams") or []),
        *_boosted(summary.get("boosted_share")),
        *_front(summary),
        "## Architectures tried",
        " ".join(f"{sentence}." for sentence in course(summary)),
        _trials(trials),
        "## Time and versions",
        ", ".join(
            f"{name} {value:.0f} s"
            for name, value in (summary.get("seconds") or {}).items()
            if value is not None
        )
        + ". "
        + ", ".join(f"{name} {version}" for name, version in record.versions.items())
        + ".",
        f"Made by `autofi report {shlex.quote(record.name)} --format md`.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def write_report(
    directory: Path, record: StudyRecord, summary: Summary, trials: Sequence[Mapping[str, Any]]
) -> None:
    """Write `study.yaml` and `report.md` into a folder, which is created if it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "study.yaml").write_text(study_yaml(record), encoding="utf-8")
    (directory / "report.md").write_text(report_markdown(record, summary, trials), encoding="utf-8")


def _verdict(comparison: Mapping[str, Any] | None) -> str:
    if not comparison:
        return "No baseline was measured on test rows, so there is nothing to compare the winner with."
    said, figures = verdict(comparison)
    return f"**{said}** ({figures})."


def _warnings(warnings: Sequence[Mapping[str, Any]]) -> list[str]:
    if not warnings:
        return []
    return [
        "## Warnings about the data",
        "\n".join(f"- {escaped(warning['sentence'])}" for warning in warnings),
    ]


def _apart(names: Sequence[str] | None) -> str:
    if names is None:
        return ""
    shared = " × ".join(map(escaped, names))
    return f"No validation row shares {shared} with a training row; the folds of training rows keep it apart too."


def _all_models(summary: Summary) -> list[Summary]:
    """Return the ensemble, the winner, then the baselines by falling test AUC."""
    models = [*ensemble_row(summary), *([summary["winner"]] if summary.get("winner") else [])]
    return models + sorted(
        summary.get("baselines") or [], key=lambda model: -((model.get("test") or {}).get("auc") or 0.0)
    )


def _models(summary: Summary) -> str:
    rows = []
    models = _all_models(summary)
    for model in models:
        valid, test = model.get("valid") or {}, model.get("test") or {}
        interval = test.get("auc_interval")
        rows.append(
            (
                model["name"],
                model["seeds"],
                figure(valid.get("auc")),
                mean_and_deviation(test),
                f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else "",
                figure(test.get("logloss")),
                count(model.get("parameters")),
                count(model.get("table_bytes")),
                "" if model.get("seconds") is None else f"{model['seconds']:.1f}",
            )
        )
    heading = (
        "model",
        "seeds",
        "valid AUC",
        "test AUC",
        "interval",
        "test logloss",
        "parameters",
        "table bytes",
        "seconds",
    )
    if not any((model.get("test") or {}).get("gauc") is not None for model in models):
        return table(heading, rows)
    gaucs = [figure((model.get("test") or {}).get("gauc")) for model in models]
    return table((*heading, "test GAUC"), [(*row, gauc) for row, gauc in zip(rows, gaucs, strict=True)])


def _ensemble(summary: Summary) -> list[str]:
    rows = [(*others, escaped(described)) for *others, described in member_rows(summary)]
    return [ensemble_words(summary), table(MEMBER_HEADING, rows)] if rows else []


def _pairs(pairs: Sequence[Mapping[str, Any]]) -> str:
    chosen = [pair for pair in pairs if pair["choice"] != "naive"]
    told = f"{len(pairs) - len(chosen)} of {len(pairs)} pairs are naive."
    if not chosen:
        return told
    rows = (
        (f"{escaped(pair['left'])} × {escaped(pair['right'])}", pair["choice"], pair["form"])
        for pair in chosen
    )
    return told + "\n\n" + table(("pair", "choice", "form"), rows)


def _streams(streams: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["## Streams", "\n".join(f"- {escaped(line)}" for line in told(streams))] if streams else []


def _boosted(share: float | None) -> list[str]:
    return [] if share is None else ["## Beside the network", f"- {boosted_words(share)}"]


def _goals(summary: Summary) -> list[str]:
    words = goals_words(summary)
    return [f"Searched for {words}.", missed_words(summary)] if words else []


def _front(summary: Summary) -> list[str]:
    heading, rows = front_table(summary)
    return ["## Front", f"{FRONT} `autofi export {shlex.quote(str(summary['study']))} --trial N` writes any.",
            table(heading, rows)] if rows else []  # fmt: skip


def _trials(trials: Sequence[Mapping[str, Any]]) -> str:
    limited = any(trial.get("feasible") is not None for trial in trials)
    rows = [
        (
            trial["trial"],
            figure(trial["valid_auc"], 5),
            figure(trial["valid_logloss"], 5),
            count(trial["parameters"]),
            f"{trial['seconds']:.1f}",
            trial["architecture"],
            *(("yes" if trial["feasible"] else "no",) if limited else ()),
        )
        for trial in trials[:SHOWN_TRIALS]
    ]
    heading = ("trial", "valid AUC", "valid logloss", "parameters", "seconds", "architecture")
    return table((*heading, "within limits") if limited else heading, rows)


def _listed(items: Iterable[tuple[str, Any]], form: str) -> str:
    return ", ".join(form.format(name, value) for name, value in items if value is not None) + "."


def _name(source: str) -> str:
    """Return the last two parts of a path, enough to recognise the file; any other text stays unchanged."""
    return source if "://" in source or "/" not in source else "/".join(Path(source).parts[-2:])

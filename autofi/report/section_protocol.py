"""The section on the protocol of the measurements and on how to repeat them."""

from __future__ import annotations

from autofi.report.blocks import Block, Code, Section, Table, Text
from autofi.report.findings import Findings
from autofi.report.markdown import study_yaml
from autofi.report.repeat_command import repeat_search, study_commands
from autofi.report.study_figures import StudyFigures
from autofi.text.verdict import read_before

_RULES = (
    "Vocabularies, counts of crosses, target encodings and borders come from training rows only. Validation "
    "rows decide "
    "between architectures.",
    "AUC is computed over all rows together.",
)


def protocol_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return rules, seeds, times, versions, the commands to repeat the search, and the settings as YAML."""
    record, summary = findings.record, findings.summary
    seconds = {name: value for name, value in (summary.get("seconds") or {}).items() if value is not None}
    rows = [
        ["study", record.name],
        ["begun", record.created_at.strftime("%Y-%m-%d %H:%M UTC")],
        ["data", record.data_source],
        ["fingerprint of the data", record.data_fingerprint],
        ["search space", f"{record.space_name} ({record.space_fingerprint[:12]})"],
        ["seconds", ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())],
        ["versions", ", ".join(f"{name} {version}" for name, version in record.versions.items())],
    ]
    once = (
        read_before(summary.get("choice")) or "Test rows were read once, by the models retrained after that."
    )
    blocks: list[Block] = [Text(" ".join((_RULES[0], once, _RULES[1]))), Table(("", ""), rows)]
    repeat = repeat_search(findings)
    if repeat is not None:
        where = "In Python" if repeat.in_python else "Pasted into a shell, in an empty folder"
        blocks += [
            Text(f"{where}, this repeats the search; the new study is kept in repeated.db there:"),
            Code(repeat.code),
            *map(Text, repeat.notes),
        ]
    blocks += [
        Text("These commands show the study, export its model, and explain the probabilities of rows:"),
        Code(study_commands(findings)),
        Text("All settings:"),
        Code(study_yaml(record)),
    ]
    return Section("protocol", "Protocol, and how to repeat it", blocks)

"""The section on the fields and pairs that all good models rely on, not the winner alone."""

from __future__ import annotations

import shlex
from functools import partial

from autofi.rashomon.result import RashomonSet
from autofi.report.blocks import Block, Code, Notice, Section, Table, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures

#: The most pairs whose halos are drawn, highest scores first; the most pairs of the table.
HALOS, LISTED = 4, 20


def rashomon_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the interaction scores of pairs and triples over all good models, main effects, and halos."""
    found = findings.rashomon
    title = "Interactions over all good models"
    name, storage = shlex.quote(findings.record.name), shlex.quote(str(findings.summary["storage"]))
    again = Code(f"autofi report {name} -o report.html --rashomon 0.05 --storage {storage}")
    blocks: list[Block]
    if found is None:
        blocks = [
            Notice(
                "Not explored yet. The command below measures how much each model that is about as good as the winner "
                "relies on each field, and on each pair beyond its fields. It takes minutes and opens the data "
                "again; if "
                "it is killed, it continues where it stopped."
            ),
            again,
        ]
        return Section("rashomon", title, blocks)
    own = _around_the_winner(findings, found)
    blocks = [] if own else [Notice(_elsewhere(found)), again]
    center = "the winner" if own else f"'{found.reference.name}'"
    blocks += [
        Text(_told(found, center)),
        drawing(
            "rashomon_swarm",
            figures.rashomon_swarm,
            f"A dot is a model, the star {center} with its interval.",
            half=True,
        ),
        drawing(
            "rashomon_cloud",
            figures.rashomon_cloud,
            "From the least to the largest score of any model.",
            half=True,
        ),
        drawing("rashomon_fields", partial(figures.rashomon_swarm, 1), half=True),
    ]
    if found.triples:
        blocks.append(drawing("rashomon_triples", partial(figures.rashomon_swarm, 3), half=True))
    pairs = [halo.names for halo in found.halos if len(halo.names) == 2]
    ranked = [cloud.names for cloud in found.pairs if tuple(cloud.names) in {tuple(names) for names in pairs}]
    if ranked:
        blocks.append(
            Text(
                "A halo makes two fields weaker or stronger together, each as far as costs the same by itself. Fields "
                "that do not interact lie on the circle, within its band; fields that interact lie off it."
            )
        )
    for number, names in enumerate(ranked[:HALOS]):
        blocks.append(drawing(f"rashomon_halo_{number}", partial(figures.rashomon_halo, *names), half=True))
    triple = next((halo.names for halo in found.halos if len(halo.names) == 3), None)
    if triple is not None:
        blocks.append(drawing("rashomon_halo_triple", partial(figures.rashomon_halo, *triple)))
    blocks.append(_table(found, center))
    return Section("rashomon", title, blocks)


def _around_the_winner(findings: Findings, found: RashomonSet) -> bool:
    """Return True where the set was explored around the architecture that is the winner now."""
    winners = (trial.architecture_id for trial in findings.trials if trial.number == findings.won)
    return any(found.reference.name.startswith(f"winner {key},") for key in winners)


def _elsewhere(found: RashomonSet) -> str:
    return (
        f"Explored around '{found.reference.name}', which is not the current winner: another trial was the "
        "winner then, "
        "or the winner's validation logloss is too far above the best. This explores again:"
    )


def _told(found: RashomonSet, center: str) -> str:
    return (
        f"{len(found.models)} models have at most {found.level:.5f} validation logloss, {found.eps:.0%} above "
        "the best: "
        f"{len(found.trained)} trained ones, and others made by masking the inputs of the network of {center}. "
        "A score is the rise of the loss when all fields of a group are shuffled together, less the rises when each is "
        "shuffled alone, "
        f"on {found.repeats} times {found.rows:,} validation rows. A score far from 0 on either side is an "
        "interaction; "
        "below 0, both fields are needed for the same thing, and shuffling the second costs little more."
    )


def _table(found: RashomonSet, center: str) -> Table:
    rows = [
        [
            " × ".join(cloud.names),
            f"{cloud.reference.mean:.5f}",
            f"{cloud.reference.low:.5f} to {cloud.reference.high:.5f}",
            f"{cloud.low:.5f} to {cloud.high:.5f}",
            str(cloud.models),
        ]
        for cloud in found.pairs[:LISTED]
    ]
    return Table(("pair", f"score of {center}", "95 % interval", "range over models", "models"), rows)

"""The architecture that won."""

from __future__ import annotations

from autofi.report.blocks import Block, Section, Table, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures
from autofi.text.architecture import boosted_words, told


def network_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the network as a graph, and its sizes as a table."""
    blocks: list[Block] = [drawing("network", figures.network)]
    architecture = findings.architecture
    if architecture is not None:
        sizes, head = architecture.sizes, architecture.head
        network = [
            ["embedding size", str(sizes.embedding_dim)],
            ["head", f"{head.name} {'-'.join(map(str, head.hidden))}".strip()],
            ["ensemble head of", str(head.ensemble)],
            ["least count of a value", str(architecture.min_count)],
            ["least count of a memorized cross", str(architecture.cross_min_count)],
            ["learning rate", f"{architecture.training.learning_rate:g}"],
            ["batch size", f"{architecture.training.batch_size:,}"],
        ]
        network += [["stream", line] for line in told(architecture.chosen_streams())]
        rows = [] if architecture.trees_alone else network
        share = findings.summary.get("boosted_share")
        rows += [["beside the network", boosted_words(share)]] if share is not None else []
        blocks += [Text(f"{architecture.describe()}."), Table(("", ""), rows)]
    return Section("architecture", "Architecture", blocks)

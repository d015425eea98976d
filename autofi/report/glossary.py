"""The words of a report that not everybody knows, with a sentence each; a section explains the ones it uses."""

from __future__ import annotations

import re
from collections.abc import Iterable

from autofi.operators.registry import candidates
from autofi.report.blocks import Block, Drawing, Notice, Section, Table, Text

#: By word as the page writes it: a pattern of its other forms, and its meaning.
WORDS: dict[str, tuple[str, str]] = {
    "AUC": (
        "",
        "The chance that a clicked row has a higher prediction than one without a click: 0.5 by chance, 1 for a "
        "perfect order.",
    ),
    "GAUC": ("", "The AUC within each group (such as a user), averaged over groups by their rows."),
    "logloss": (
        "",
        "The mean of -log of the probability given to the actual outcome: lower is better; a confident mistake costs "
        "the most.",
    ),
    "ECE": (
        "expected calibration error",
        "Expected calibration error: how far predicted click rates are from observed ones, on average over bins of "
        "rows.",
    ),
    "average precision (AP)": (
        r"AP \d|average precision",
        "The area below precision over recall: 1 for a perfect order, the click rate by chance.",
    ),
    "ROC": (
        "",
        "For every threshold, the share of clicks that is flagged against the share of other rows that is flagged.",
    ),
    "lift": ("", "The click rate of the flagged rows, divided by the click rate of all rows."),
    "precision": ("", "The click rate of the rows that are flagged."),
    "recall": ("", "The share of all clicks that is among the flagged rows."),
    "threshold": ("thresholds", "A row is flagged if its predicted probability is at least this number."),
    "95 % interval": (
        "intervals?",
        "If measured again on other rows of the same kind, the figure would lie in this range in 95 of 100 cases.",
    ),
    "validation rows": (
        "valid|validation",
        "Rows held out of training, by which architectures are chosen and trainings are stopped.",
    ),
    "test rows": ("test", "Rows held out of everything, and read only by the models chosen in the end."),
    "held-out rows": ("held out|held-out", "Rows that a model was not trained on: validation or test rows."),
    "memorize": (
        "memoriz(?:e|es|ed|ing)",
        "A pair of values gets a vector, or a click rate, of its own, learned from the rows that have both.",
    ),
    "factorize": (
        "factoriz(?:e|es|ed|ing)",
        "A pair of values is scored by a product of the two values' vectors, so that unseen pairs have a score too.",
    ),
    "naive": ("", "A pair is left out: the model sees both fields, but nothing of their combination."),
    "cross": ("crosses", "Two or more fields taken together, as if they were one."),
    "field": ("fields", "A column that the model reads."),
    "form": ("forms", "A representation of a field or a pair that the network reads, such as an embedding."),
    "interaction stream": (
        "streams?",
        "A part of the network that reads the vectors of all fields and adds a score of its own, such as a cross "
        "network; also called an interaction.",
    ),
    "head": (
        "heads?|read-outs?",
        "The last part of the network, which turns the outputs of fields and pairs into a score.",
    ),
    "ensemble head": (
        "ensemble head of|in an ensemble|members",
        "Several small heads behind one shared layer, each trained on its own loss and averaged when they score.",
    ),
    "gate": ("gates", "A factor by which training may take a value, or a field, out of the model for good."),
    "boosted trees": (
        "",
        "LightGBM's decision trees on target encodings and numbers; their score is added to the network's.",
    ),
    "logit": ("logits", "The score before it becomes a probability: log of p / (1 - p)."),
    "baseline": ("baselines", "A known model that is trained on the same rows for comparison."),
    "winner": ("", "The architecture that was chosen and trained again with several seeds."),
    "finalist": (
        "finalists",
        "A leading trial that is trained with further seeds before the winner is chosen.",
    ),
    "seed": (
        "seeds",
        "The number that all random choices of a training follow: differences between seeds are chance.",
    ),
    "trial": ("trials", "One architecture, trained from scratch and measured on validation rows."),
    "architecture": (
        "architectures",
        "The parts of a network: forms of fields, choices of pairs, interaction streams, sizes.",
    ),
    "inherited weights": (
        "inherited",
        "Weights of one large network that contains all architectures (a supernet): each architecture is scored with "
        "its part of them, without a training of its own.",
    ),
    "supernet": ("supernets", "One network that holds every architecture of the search as a part of it."),
    "stand-alone": ("", "Scored by its own weights, after training from scratch."),
    "Spearman's rank correlation": (
        "rank correlation",
        "1 where two scores put architectures in the same order, 0 where they have nothing to do with each other.",
    ),
    "PED-ANOVA": (
        "",
        "A measure of how much the value of a setting decides whether a trial is among the best.",
    ),
    "Pareto front": ("front", "The trials that no other trial beats in every objective."),
    "FLOPs": ("flops", "Multiplications and additions of the matrix products for one row."),
    "latency": ("", "Microseconds that the network takes for one row on one thread of a processor."),
    "parameters": ("trained numbers", "The numbers that training learned: rows of tables and weights."),
    "table bytes": (
        "bytes of tables|tables",
        "The memory of the rows of values and crosses, the largest part of most models.",
    ),
    "permutation importance": (
        "importance of fields|importances?(?= by permutation)",
        "How much worse a model gets when the values of a field are shuffled among rows.",
    ),
    "shuffled": ("shuffling", "Replaced by the values of other rows, drawn at random."),
    "masking": ("masked", "Making what a network reads of a field fainter or stronger."),
    "halo": (
        "halos",
        "The difference between masking two fields together and the sum of masking each alone.",
    ),
    "score (of a pair)": (
        "scores? of the winner|interaction scores?",
        "The rise of the loss with both fields shuffled, less the rises with each alone; 0 without an interaction.",
    ),
    "drift": (
        "",
        "How much the values of a field differ from those of training rows (population stability index): above 0.25 "
        "is much.",
    ),
    "unseen": ("", "A value is unseen if no training row has it."),
    "buckets": ("bucket", "Ranges of a number, each of which is read as one value."),
    "fingerprint": ("", "A hash: equal only for equal content."),
    "calibration": (
        "",
        "The agreement of predictions with click rates: of rows predicted at 10 %, about 10 % are clicked.",
    ),
    "embedding": ("embeddings", "A list of learned numbers for each value of a field."),
    "± (deviation)": ("±", "How far single results lie from their mean, over seeds or rows."),
}


def explained(section: Section) -> list[tuple[str, str]]:
    """Return the words and the operators of a section with their meanings; words are in the order of WORDS."""
    text = " ".join(_texts(section))
    found = [(word, meaning) for word, (also, meaning) in WORDS.items() if _pattern(word, also).search(text)]
    known = candidates()
    named = sorted(name for name in set(re.findall(r"[a-z]+(?:_[a-z]+)+", text)) if name in known)
    return [*found, *((name, _sentence(known[name].summary)) for name in named)]


def _pattern(word: str, also: str) -> re.Pattern[str]:
    plain = re.escape(word.partition(" (")[0])
    either = "|".join(filter(None, (plain, also)))
    # Abbreviations match in upper case only: "ROC" does not match "roc".
    flags = 0 if word.isupper() else re.IGNORECASE
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)", flags)


def _texts(section: Section) -> Iterable[str]:
    yield section.title
    for block in section.blocks:
        yield from _of_block(block)


def _of_block(block: Block) -> Iterable[str]:
    if isinstance(block, Text | Notice):
        yield block.text
    elif isinstance(block, Table):
        yield from block.heading
        for row in block.rows:
            yield from row
    elif isinstance(block, Drawing):
        layout = block.figure.layout
        yield from filter(
            None, (block.caption, layout.title.text, layout.xaxis.title.text, layout.yaxis.title.text)
        )
        for trace in block.figure.data:
            yield trace.name or ""
            yield from map(str, ("colorbar" in trace and trace.colorbar.ticktext) or ())


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


__all__ = ["WORDS", "explained"]

"""Every word that not everybody knows is explained in the section where it stands."""

from __future__ import annotations

import re
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from autofi.report.blocks import Drawing, Notice, Section, Table, Text
from autofi.report.findings import Findings
from autofi.report.glossary import WORDS, explained
from autofi.report.html_page import page_html
from autofi.report.sections import SECTIONS
from autofi.report.study_figures import StudyFigures
from tests.report.test_html_page import Read

#: Words that a page may hold in any of its sections, and by what they are explained.
HARD = {
    "ECE": "ECE",
    "GAUC": "GAUC",
    "AUC": "AUC",
    "logloss": "logloss",
    "memorizes": "memorize",
    "factorized": "factorize",
    "naive": "naive",
    "inherited weights": "inherited weights",
    "finalist": "finalist",
    "held out": "held-out rows",
    "lift": "lift",
    "recall": "recall",
    "PED-ANOVA": "PED-ANOVA",
    "FLOPs": "FLOPs",
    "halo": "halo",
    "drift": "drift",
    "logit": "logit",
    "head": "head",
    "ensemble head of": "ensemble head",
    "streams": "interaction stream",
    "front": "Pareto front",
    "fingerprint": "fingerprint",
}


def section(*blocks: object) -> Section:
    return Section("a", "A title", blocks)  # type: ignore[arg-type]


def words(found: Section) -> list[str]:
    return [word for word, _ in explained(found)]


@pytest.mark.parametrize(("written", "word"), HARD.items())
def test_a_word_is_found_in_sentences_notices_headings_and_figures(written: str, word: str) -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[1])).update_xaxes(title=f"the {written}")
    for block in (
        Text(f"Of {written}, this."),
        Notice(f"({written})"),
        Table((written, "b"), [("c", "d")]),
        Table(("a", "b"), [("c", written)]),
        Drawing("name", go.Figure(), f"A caption: {written}."),
        Drawing("name", figure),
    ):
        assert word in words(section(block)), block


def test_parts_of_words_and_other_cases_are_none() -> None:
    assert words(section(Text("Information on proceeds, naively recalled for a uniform."))) == []
    assert "ROC" not in words(section(Text("a field named roc")))


def test_operators_are_explained_by_their_summaries() -> None:
    found = dict(explained(section(Table(("form",), [("factorize_hadamard+memorize_statistics",)]))))
    assert found["factorize_hadamard"].startswith("The element-wise product of two embeddings")
    assert "memorize_statistics" in found
    assert "no_operator" not in dict(explained(section(Text("no_operator"))))


def test_meanings_are_sentences() -> None:
    for word, (_, meaning) in WORDS.items():
        assert meaning.endswith("."), word
        assert meaning[0].isupper() or meaning[0].isdigit(), word
        assert len(meaning) < 200, word


def test_the_page_explains_each_section_beside_its_title(findings: Findings) -> None:
    page = page_html(findings)
    figures = StudyFigures(findings)
    for made in (make(findings, figures) for make in SECTIONS):
        begins = page.index(f'<section id="{made.anchor}">')
        found = explained(made)
        assert found, made.anchor
        block = page[begins : page.index("</details>", begins)]
        assert block.index("<h2>") < block.index('<details class="words">') < block.index("<dl>")
        told = [text.removesuffix(":") for text in re.findall(r"<dt>(.*?)</dt>", block)]
        assert len(told) == len(found)
    by_section = {made.anchor: words(made) for made in (make(findings, figures) for make in SECTIONS)}
    assert {"ECE", "seed"} <= set(by_section["models"])
    assert {"precision", "recall", "lift", "threshold"} <= set(by_section["ranking"])
    assert "inherited weights" in by_section["search"]
    assert {"memorize", "factorize", "naive"} <= set(by_section["pairs"])


def test_meanings_are_no_markup(findings: Findings) -> None:
    evil = "<img src=x> memorized ECE"
    page = page_html(replace(findings, record=replace(findings.record, data_source=evil)))
    assert not any(tag == "img" for tag, _ in Read(page).elements)

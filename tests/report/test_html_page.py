"""A page holds all of a study in one file, and its texts are no markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import autofi
from autofi.errors import ConfigError
from autofi.report.findings import Findings
from autofi.report.html_page import page_html
from autofi.report.sections import SECTIONS
from autofi.report.summary_sentences import answer
from autofi.space.architecture import Architecture
from autofi.study.study import Study
from tests.report.reported import write_study

ORDER = [
    "answer",
    "models",
    "ranking",
    "importance",
    "pairs",
    "rashomon",
    "architecture",
    "trade-offs",
    "search",
    "inherited",
    "parameters",
    "calibration",
    "frequency",
    "costs",
    "data",
    "protocol",
]


class Read(HTMLParser):
    """Elements with their attributes, and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.inside):
            self.texts.append(data)


@pytest.fixture(scope="module")
def page(findings: Findings) -> str:
    return page_html(findings)


def test_sections_stand_in_their_order_and_every_link_leads_to_one(page: str) -> None:
    read = Read(page)
    assert [attrs["id"] for tag, attrs in read.elements if tag == "section"] == ORDER
    assert len(SECTIONS) == len(ORDER)
    links = [attrs["href"] for tag, attrs in read.elements if tag == "a"]
    assert links == [f"#{anchor}" for anchor in ORDER]


def test_a_page_needs_no_other_file(page: str) -> None:
    read = Read(page)
    for tag, attrs in read.elements:
        for name in ("src", "href"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:,")), (tag, value)
    outside = page[: page.index("<script>")]
    assert "http" not in re.sub(r'<script type="application/json".*?</script>', "", outside, flags=re.DOTALL)
    assert page.count("plotly.js v") == 1


def test_every_figure_has_its_data(page: str) -> None:
    read = Read(page)
    plots = [attrs["data-figure"] for tag, attrs in read.elements if attrs.get("class") == "plot"]
    assert {
        "models",
        "roc",
        "precision_recall",
        "lift",
        "interaction_map",
        "pair_choices",
        "network",
        "history",
        "calibration",
    } <= set(plots)
    for name in plots:
        text = re.search(rf'id="data-{name}">(.*?)</script>', page, re.DOTALL)
        assert text is not None
        assert json.loads(text[1])["data"]


def test_the_answer_has_three_sentences(page: str, findings: Findings) -> None:
    told = " ".join(Read(page).texts)
    test = findings.summary["winner"]["test"]
    assert f"the winner has a test AUC of {test['auc']:.4f}" in told
    assert "The winner is better than all-naive, the best baseline" in told
    assert "after 1 min 15 s of searching and retraining" in told
    assert "trial 5 has 2.0 kB of tables for 0.0010 less validation AUC" in told


def test_the_answer_names_what_stands_beside_the_pairs(findings: Findings) -> None:
    leader = findings.leader
    assert leader is not None
    architecture = replace(
        Architecture.from_json(leader.architecture),
        streams={"selected_products": {"crosses": [["field 0", "field 1", "field 2"]]}},
    )
    found = replace(
        findings,
        trials=tuple(
            replace(trial, architecture_json=json.dumps(architecture.to_json())) if trial == leader else trial
            for trial in findings.trials
        ),
        summary={**findings.summary, "boosted_share": 0.25},
    )
    beside = "selected_products, crosses field 0 × field 1 × field 2; boosted trees, 25% of the logit."
    assert answer(found)[1].endswith(f" Beside that: {beside}")
    assert "Beside that" not in answer(findings)[1]


def test_a_trap_in_the_data_is_warned_of_before_the_rest(page: str) -> None:
    data = page[page.index('<section id="data">') : page.index('<section id="protocol">')]
    told = Read(data).texts
    warned = [text for text in told if "user × item gives the class away" in text]
    assert len(warned) == 1
    assert told.index(warned[0]) < told.index("click rate")


def test_a_winner_that_reads_a_pair_which_gives_the_class_away_is_told_so(findings: Findings) -> None:
    assert findings.checks is not None
    first, *_ = findings.checks.warnings
    warning = replace(first, fields=("field 0", "field 1"))
    told = page_html(replace(findings, checks=replace(findings.checks, warnings=(warning,))))
    told_first = " ".join(Read(told[: told.index('<section id="models">')]).texts)
    assert "1 warning, and the architecture above reads field 0 × field 1." in told_first
    other = replace(first, fields=("field 2", "field 3", "field 4"))
    told = page_html(replace(findings, checks=replace(findings.checks, warnings=(other,))))
    assert "1 warning. See" in " ".join(Read(told).texts)


def test_gates_say_how_many_rows_they_kept(page: str) -> None:
    costs = Read(page[page.index('<section id="costs">') : page.index('<section id="data">')]).texts
    start = costs.index("gated_embedding")
    assert [text for text in costs[start:] if text.strip()][:4] == ["gated_embedding", "50", "100", "50%"]


def test_a_page_before_the_set_was_explored_names_the_command(findings: Findings) -> None:
    page = page_html(replace(findings, rashomon=None, checks=None, costs=None, frequencies={}))
    told = " ".join(Read(page).texts)
    assert "autofi report mine -o report.html --rashomon 0.05" in told
    assert "The data was not checked" in told


def test_a_set_around_another_model_than_the_winner_says_so(findings: Findings) -> None:
    assert findings.rashomon is not None
    assert "which is not the current winner" not in " ".join(Read(page_html(findings)).texts)
    reference, *others = findings.rashomon.models
    before = replace(findings.rashomon, models=(replace(reference, name="winner a0, seed 0"), *others))
    told = " ".join(Read(page_html(replace(findings, rashomon=before))).texts)
    assert "Explored around 'winner a0, seed 0', which is not the current winner" in told
    assert "score of 'winner a0, seed 0'" in told and "score of the winner" not in told


def test_names_with_markup_stay_texts(findings: Findings) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    record = replace(findings.record, name=evil, data_source=evil)
    summary = dict(findings.summary)
    summary["pairs"] = [{"left": evil, "right": "b", "choice": "memorize", "form": evil}]
    summary["winner"] = {**summary["winner"], "name": evil}
    page = page_html(replace(findings, record=record, summary=summary))
    assert not any(tag == "img" for tag, _ in Read(page).elements)
    assert evil in "".join(Read(page).texts)


def test_a_search_that_runs_has_a_page(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    write_study(path, finished=False)
    found = autofi.open_study("mine", path).findings()
    told = " ".join(Read(page_html(replace(found, searching=True))).texts)
    assert "The search goes on: 6 of 8 trials have ended, and trial 3 leads with valid AUC 0.7800" in told
    assert "The search is still running" in told
    told = " ".join(Read(page_html(found)).texts)
    assert "The search has stopped before its winner was retrained" in told


def test_a_report_has_the_form_that_its_name_ends_in(reported: Study, tmp_path: Path) -> None:
    written = reported.report(tmp_path / "a" / "mine.html")
    assert written.read_text("utf-8").startswith("<!doctype html>")
    document = json.loads(reported.report(tmp_path / "mine.json").read_text("utf-8"))
    assert [trial["auc"] for trial in document["trials"]] == [0.71, 0.74, 0.73, 0.78, 0.69, 0.779]
    assert len(document["answer"]) == 3
    folder = reported.report(tmp_path / "mine", "md")
    assert sorted(path.name for path in folder.iterdir()) == ["report.md", "study.yaml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "mine", "mine.json"]


@pytest.mark.parametrize(
    ("path", "form", "message"),
    [
        ("mine.html", "json", r"ends in \.json"),
        ("mine.html", "md", r"'mine\.html' is a file"),
        ("mine.pdf", None, r"ends in \.html"),
        ("mine", "pdf", r"Known: html, json, md"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(
    reported: Study,
    path: str,
    form: str | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        reported.report(path, form)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_refused(reported: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="The report cannot be written to"):
        reported.report(tmp_path / "file" / "mine.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

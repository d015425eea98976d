"""The dashboard in a real browser: its pages hold the map, the table, the notes and the files, without an error.

Needs Chromium (`apt install chromium`, or AUTOFI_TEST_CHROMIUM names one); no browser is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from autofi.dashboard.access import Access
from autofi.study.dashboard_notes import draw_study, note_trial
from tests.dashboard.browsing import WAIT_MS, Seen, needs_chromium, served, visiting
from tests.dashboard.studies import architecture, begin, measure, names, searching

pytest.importorskip("optuna_dashboard")
TOKEN = "correct-horse"
FIELDS = 39

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a study of 39 fields is served: two trials that ended well, one that failed with markup in its error."""
    path = str(tmp_path_factory.mktemp("studies") / "a.db")
    with searching(path, fields=FIELDS) as handle:
        for turn, auc in enumerate((0.71, 0.79)):
            measure(handle, architecture(FIELDS, turn=turn), auc)
        failed = begin(handle, architecture(FIELDS, turn=2))
        handle.fail_trial(failed, "<img src=x onerror=\"document.title='broken'\"> and $x$")
        note_trial(handle, failed)
        handle.record_stage("winner", {"architecture_id": architecture(FIELDS, turn=1).id, "trial": 1})
        draw_study(handle)
    with served(path, Access(token=TOKEN, allow_changes=True)) as found:
        yield found


@pytest.fixture
def seen(browser: Any, place: str) -> Iterator[Seen]:
    """A visitor who has opened the address with the token."""
    with visiting(browser, place, viewport={"width": 1400, "height": 2800}) as shown:
        shown.go(f"/dashboard?token={TOKEN}")
        shown.page.wait_for_url(f"{place}/dashboard**")
        shown.page.get_by_text("mine").first.wait_for()
        yield shown


def test_the_token_is_not_left_in_the_address(seen: Seen) -> None:
    assert TOKEN not in seen.page.url
    assert "token" not in seen.page.url


def test_the_study_has_its_map_and_its_table(seen: Seen) -> None:
    seen.go("/dashboard/studies/1")
    drawn = seen.page.locator("[id='user-defined-plot:interaction-map']")
    drawn.locator(".hm image").wait_for()
    assert drawn.locator(".xtick text").count() == drawn.locator(".ytick text").count() == FIELDS
    assert drawn.locator(".gtitle").text_content() == "Pairs of trial 1, the winner"
    # All of it is inside its card.
    card, lowest = drawn.bounding_box(), drawn.locator(".xtick text").last.bounding_box()
    assert lowest["y"] + lowest["height"] <= card["y"] + card["height"]

    inside = drawn.locator(".nsewdrag").bounding_box()
    step = inside["width"] / FIELDS, inside["height"] / FIELDS
    drawn.scroll_into_view_if_needed()
    inside = drawn.locator(".nsewdrag").bounding_box()
    seen.page.mouse.move(inside["x"] + 20.5 * step[0], inside["y"] + 3.5 * step[1])
    choice, form = architecture(FIELDS, turn=1).choice(names(FIELDS)[3], names(FIELDS)[20])
    told = drawn.locator(".hoverlayer .hovertext")
    told.wait_for()
    assert told.text_content() == f"field 3 × field 20{choice}" + (f": {form}" if form else "")

    table = seen.page.locator("[id='user-defined-plot:trials']")
    table.locator(".table .cell-text").first.wait_for()
    cells = [text.strip() for text in table.locator(".table .cell-text").all_text_contents()]
    assert [cells.count(value) for value in ("0.79000", "0.71000")] == [1, 1]
    assert cells.index("0.79000") < cells.index("0.71000")


def test_a_trial_has_its_note_and_its_files(seen: Seen) -> None:
    seen.go("/dashboard/studies/1/trials?numbers=1")
    page = seen.page
    page.get_by_role("heading", name="Lineage").wait_for()
    assert page.get_by_role("heading", name="Pairs", exact=True).count() == 1
    assert page.get_by_role("cell", name="91,011").count() == 0
    assert page.get_by_role("cell", name="1,200").count() == 1
    assert page.get_by_role("cell", name=architecture(FIELDS, turn=1).id).count() == 1
    page.get_by_text("architecture.json").first.wait_for()
    page.get_by_text("predictions.npz").first.wait_for()


def test_an_error_is_text_whatever_it_looks_like(seen: Seen) -> None:
    seen.go("/dashboard/studies/1/trials?numbers=2")
    seen.page.get_by_text("<img src=x onerror=").first.wait_for()
    assert seen.page.title() != "broken"
    assert seen.page.locator("img[src=x]").count() == 0


def test_only_a_visitor_with_the_token_gets_in_and_may_write_a_note(
    seen: Seen, browser: Any, place: str
) -> None:
    write = """async () => {
        const answer = await fetch("/api/studies/1/note", {method: "PUT",
            headers: {"Content-Type": "application/json"},
            body: JSON.stringify({version: 1, body: "written here"})});
        return answer.status;
    }"""
    assert seen.page.evaluate(write) == 204
    seen.go("/dashboard/studies/1/note")
    seen.page.get_by_text("written here", exact=True).first.wait_for()
    stranger = browser.new_context().new_page()
    assert stranger.goto(f"{place}/dashboard").status == 401
    assert "needs its token" in stranger.locator("body").text_content()
    assert stranger.evaluate(write) == 401
    stranger.context.close()


def test_a_link_on_another_site_leads_in(browser: Any, place: str) -> None:
    """A strict cookie is not sent after such a link until a page of the dashboard asks for something."""
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    elsewhere = place.replace("127.0.0.1", "localhost")
    page.goto(f"{elsewhere}/dashboard")
    page.set_content(f'<a href="{place}/dashboard?token={TOKEN}">studies</a>')
    page.get_by_text("studies").click()
    page.get_by_text("mine").first.wait_for()
    assert page.url.startswith(f"{place}/dashboard")
    context.close()

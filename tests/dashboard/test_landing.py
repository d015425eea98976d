"""The list of studies in a real browser: live, on a phone, in the dark, and the way to Optuna's dashboard and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofi.dashboard.access import Access
from autofi.engine.stopping import StoppingRule
from autofi.store import StudyHandle, StudyStore, resolve_storage
from autofi.store.database import Database
from autofi.store.optuna_stages import StageTrial
from autofi.store.stage_keys import STOPPED
from tests.dashboard.browsing import needs_chromium, served, visiting
from tests.dashboard.studies import architecture, begin, measure
from tests.store.examples import CREATED

pytest.importorskip("optuna_dashboard")
pytestmark = needs_chromium
TOKEN = "correct-horse"
LONG = "a-name-of-one-word-that-has-no-room-on-a-phone-" + "x" * 60
#: What would be markup, if a page took text for it.
MARKUP = "<img src=x onerror=\"document.title='broken'\">"
WIDE, PHONE = {"width": 1400, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, StudyHandle]]:
    """Where four studies are served, and the handle of the one that is being searched."""
    path = str(tmp_path_factory.mktemp("studies") / "a.db")
    with StudyStore(resolve_storage(path)) as store:
        store.create_or_resume("waits", **{**CREATED, "data_source": MARKUP}).close()
        with store.create_or_resume(LONG, **CREATED) as handle:
            StoppingRule(5).keep(handle)
            measure(handle, architecture(), 0.66)
            handle.record_stage(STOPPED, {"reason": "the time is up", "trials": 1})
        with (
            store.create_or_resume("trains", **CREATED) as trains,
            store.create_or_resume("mine", **CREATED) as mine,
        ):
            StoppingRule(3).keep(trains)
            trains.record_stage(STOPPED, {"reason": "enough", "trials": 3})
            StoppingRule(10).keep(mine)
            measure(mine, architecture(turn=1), 0.71)
            mine.write_stage(
                "explore", [StageTrial("0", 0.4)], measured="logloss", direction="minimize", about={}
            )
            with served(path) as place:
                yield place, mine


def test_it_shows_every_study_with_its_state_and_follows_the_search(
    browser: Any, live: tuple[str, StudyHandle]
) -> None:
    place, handle = live
    with visiting(browser, place, viewport=WIDE) as seen:
        seen.go("/")
        rows = seen.page.get_by_role("row")
        mine = rows.filter(has=seen.page.get_by_role("link", name="mine", exact=True))
        mine.get_by_text("searching").wait_for()
        states = {"trains": "retraining", LONG: "stopped", "waits": "waiting"}
        for name, state in states.items():
            assert rows.filter(has_text=name).locator(".state").text_content() == state
        assert rows.count() == 1 + 4
        assert rows.filter(has_text="waits").get_by_text(MARKUP).count() == 1
        assert mine.locator(".count").text_content() == "1 of 10"
        assert mine.locator(".best").text_content() == "0.7100"
        assert seen.page.title() == "(2) AutoFI studies"

        seen.page.evaluate("window.stays = true")
        mine.get_by_role("link", name="Report of mine").focus()
        begun = begin(handle, architecture(turn=2))
        mine.get_by_text("1 running").wait_for()
        handle.finish_trial(begun, 0.83)
        mine.get_by_text("2 of 10").wait_for()
        assert mine.locator(".best").text_content() == "0.8300"
        assert mine.get_by_role("progressbar").evaluate("bar => bar.value / bar.max") == 0.2
        # The page was not loaded anew, and whoever works with the keyboard is where they were.
        assert seen.page.evaluate("window.stays && document.activeElement.textContent") == "Report"


def test_from_the_list_to_the_report_to_optuna_and_back(browser: Any, live: tuple[str, StudyHandle]) -> None:
    place, _ = live
    with visiting(browser, place, viewport=WIDE) as seen:
        page = seen.page
        seen.go("/")
        page.get_by_role("link", name="mine", exact=True).click()
        page.wait_for_url(f"{place}/report/mine")
        page.locator('a[href^="/dashboard/studies/"]').first.click()
        page.get_by_role("heading", name="History").wait_for()
        links = page.get_by_role("navigation", name="AutoFI")
        links.get_by_role("link", name="report of mine").click()
        page.wait_for_url(f"{place}/report/mine")
        page.locator('a[href="/"]').first.click()
        page.get_by_role("link", name="mine in Optuna's dashboard", exact=True).click()
        page.get_by_role("heading", name="History").wait_for()
        links.get_by_role("link", name="studies").click()
        page.wait_for_url(f"{place}/")
        page.get_by_role("table", name="Studies").wait_for()


def test_a_report_says_when_there_is_more_to_show_and_stays_as_it_is_until_asked(
    browser: Any, live: tuple[str, StudyHandle]
) -> None:
    place, handle = live
    with visiting(browser, place, viewport=WIDE) as seen:
        page = seen.page
        seen.go("/report/mine")
        more = page.get_by_role("status")
        assert more.is_hidden()
        page.evaluate("window.stays = true")
        number = measure(handle, architecture(turn=3), 0.84)
        told = more.get_by_text("There is more to show of this study by now.")
        told.wait_for()
        assert page.evaluate("window.stays")
        more.get_by_role("link", name="Show it").click()
        page.locator("#search td", has_text="0.8400").first.wait_for()
        assert page.locator("#search tbody tr").first.locator("td").first.text_content() == str(number)
        assert page.get_by_role("status").is_hidden()


def test_the_links_follow_the_study_that_is_looked_at(browser: Any, live: tuple[str, StudyHandle]) -> None:
    place, _ = live
    with visiting(browser, place, viewport=WIDE) as seen:
        page = seen.page
        seen.go("/dashboard")
        links = page.get_by_role("navigation", name="AutoFI")
        links.get_by_role("link", name="studies").wait_for()
        assert links.get_by_role("link").count() == 1
        # A view of the same page: it is not loaded anew.
        page.evaluate("window.stays = true")
        page.get_by_text("trains").first.click()
        links.get_by_role("link", name="report of trains").wait_for()
        page.go_back()
        page.get_by_text("mine/explore").first.click()
        # A stage leads to the report of its study.
        assert links.get_by_role("link", name="report of mine").get_attribute("href") == "/report/mine"
        page.go_back()
        links.get_by_role("link", name="report of").wait_for(state="hidden")
        assert page.evaluate("window.stays")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read_in_both_schemes(
    browser: Any, live: tuple[str, StudyHandle], scheme: str
) -> None:
    place, _ = live
    with visiting(browser, place, viewport=PHONE, color_scheme=scheme) as seen:
        seen.go("/")
        seen.page.get_by_role("link", name=LONG, exact=True).wait_for()
        for width in (1130, 1100, 800, PHONE["width"]):
            seen.page.set_viewport_size({**PHONE, "width": width})
            assert seen.page.evaluate(FARTHEST) <= width
        # A table for who listens to it, whatever it is laid out as.
        assert seen.page.get_by_role("table", name="Studies").get_by_role("row").count() == 5
        contrasts = seen.page.evaluate(CONTRASTS)
        assert min(contrasts) >= 4.5
        assert seen.page.evaluate(LIGHTNESS) == pytest.approx(
            {"light": 0.92, "dark": 0.007}[scheme], abs=0.03
        )


LUMINANCE = """
const luminance = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
"""
#: Where what reaches farthest to the right ends.
FARTHEST = """() => Math.max(...[document.documentElement.scrollWidth,
    ...[...document.querySelectorAll("main, tbody *")].map((one) => one.getBoundingClientRect().right)])"""
#: WCAG's contrast of every text of the table with the card that it is on.
CONTRASTS = f"""() => {{ {LUMINANCE}
    return [...document.querySelectorAll("tbody tr")].flatMap((row) => {{
        const behind = luminance(getComputedStyle(row).backgroundColor);
        return [...row.querySelectorAll("a, span, time")].filter((one) => one.textContent).map((one) => {{
            const text = luminance(getComputedStyle(one).color);
            return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
        }});
    }});
}}"""
LIGHTNESS = f"() => {{ {LUMINANCE} return luminance(getComputedStyle(document.body).backgroundColor); }}"


def test_without_studies_it_says_what_to_type(browser: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    Database(resolve_storage(path)).close()
    with served(path) as place, visiting(browser, place, viewport=WIDE) as seen:
        seen.go("/")
        seen.page.get_by_role("heading", name="No studies yet").wait_for()
        assert f"autofi search --storage sqlite:///{path}" in seen.page.locator("pre").all_text_contents()
        assert seen.page.get_by_role("table").count() == 0
        # The first one appears by itself.
        with StudyStore(resolve_storage(path)) as store, store.create_or_resume("first", **CREATED):
            seen.page.get_by_role("link", name="first", exact=True).wait_for()
        assert seen.page.get_by_role("heading", name="No studies yet").count() == 0


def test_a_dashboard_that_ended_is_told_and_the_list_stays(browser: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    with StudyStore(resolve_storage(path)) as store:
        store.create_or_resume("mine", **CREATED).close()
    with served(path) as place:
        context = browser.new_context()
        page = context.new_page()
        page.goto(place)
        page.get_by_role("link", name="mine", exact=True).wait_for()
    page.get_by_role("status").get_by_text("does not answer").wait_for()
    assert page.get_by_role("link", name="mine", exact=True).count() == 1
    context.close()


def test_with_a_token_the_list_is_behind_it(browser: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    with StudyStore(resolve_storage(path)) as store:
        store.create_or_resume("mine", **CREATED).close()
    with served(path, Access(token=TOKEN)) as place:
        with visiting(browser, place, viewport=WIDE) as seen:
            seen.go(f"/?token={TOKEN}")
            seen.page.get_by_role("link", name="mine", exact=True).wait_for()
            assert seen.page.url == f"{place}/"
            seen.go("/report/mine")
            seen.go("/dashboard/studies/1")
            seen.page.get_by_role("link", name="report of mine").wait_for()
        stranger = browser.new_context().new_page()
        assert stranger.goto(place).status == 401
        stranger.context.close()

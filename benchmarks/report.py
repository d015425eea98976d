"""A report of a large study: `python -m benchmarks.report`; 741 pairs and 5,000 trials take five minutes to write.

Measured: seconds to read the study and to make the page, its bytes, and in Chromium (playwright drives it) the time
until the page has loaded, until its first figure is drawn, and until all are.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import typer
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from rich.table import Table as OptunaDashboardAttributes

from autofi.cli.output import console
from autofi.report.html_page import page_html
from autofi.space.architecture import Architecture
from autofi.store import StudyStore, resolve_storage
from autofi.study.study import open_study

FORMS = (("factorize_hadamard",), ("memorize_embedding",), ("factorize_inner", "memorize_statistics"))
DISTRIBUTIONS = {
    "training.learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "embedding": IntDistribution(4, 64),
    "pairs": CategoricalDistribution(("selected", "naive", "rates", "likely")),
}
STUDY = "large"


def main(
    fields: Annotated[int, typer.Option(help="Fields; 39 have 741 pairs.")] = 39,
    trials: Annotated[int, typer.Option(help="Complete trials.")] = 5_000,
    folder: Annotated[Path | None, typer.Option(help="Where to keep database and page.")] = None,
) -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory(prefix="autofi-report-") as made:
        place = folder or Path(made)
        place.mkdir(parents=True, exist_ok=True)
        storage = str(place / "a.db")
        if not Path(storage).exists():
            _write(storage, fields, trials)
        begun = time.perf_counter()
        found = open_study(STUDY, storage).findings()
        read = time.perf_counter()
        page = page_html(found)
        made_in = time.perf_counter() - read
        path = place / "report.html"
        path.write_text(page, encoding="utf-8")
        shown = OptunaDashboardAttributes("", "")
        shown.add_row("trials", f"{len(found.trials):,}")
        shown.add_row("seconds to read the study", f"{read - begun:.2f}")
        shown.add_row("seconds to make the page", f"{made_in:.2f}")
        shown.add_row("bytes of the page", f"{path.stat().st_size:,}")
        for name, seconds in _opened(path).items():
            shown.add_row(name, f"{seconds:.2f}")
        console().print(shown)


def _write(storage: str, fields: int, trials: int) -> None:
    g = random.Random(0)
    names = [f"field {number}" for number in range(fields)]
    pairs = list(combinations(names, 2))
    with (
        StudyStore(resolve_storage(storage)) as store,
        store.create_or_resume(
            STUDY,
            space_name="default",
            space_json="{}",
            space_fingerprint="5a" * 32,
            data_source="clicks.parquet",
            data_fingerprint="da" * 32,
            settings={"seed": 0},
        ) as handle,
    ):
        handle.record_stage("fields", {"names": names, "apart": None})
        for number in range(trials):
            chosen = g.sample(pairs, g.randint(0, 60))
            architecture = Architecture(
                fields=dict.fromkeys(names, ("embedding",)), pairs={pair: g.choice(FORMS) for pair in chosen}
            )
            params: dict[str, Any] = {
                "training.learning_rate": 10 ** g.uniform(-4, -1),
                "embedding": g.randint(4, 64),
                "pairs": g.choice(("selected", "naive", "rates", "likely")),
            }
            auc = 0.7 + 0.1 * (1 - 1 / (1 + len(chosen))) + g.gauss(0, 0.004)
            trial = handle.start_trial(
                stage="search",
                architecture_id=f"{architecture.id}-{number}",
                architecture=architecture.to_json(),
                seed=0,
                params=params,
                distributions=DISTRIBUTIONS,
                attrs={"describe": architecture.describe(), "flops": 10_000 + 50 * len(chosen)},
            )
            assert trial is not None
            figures = {"auc": auc, "logloss": 0.9 - auc / 2}
            costs = {"parameters": 1_000 * (1 + len(chosen)), "table_bytes": 4_000 * (1 + len(chosen))}
            handle.finish_trial(trial, auc, attrs={"valid": figures, "seconds": 2.0, **costs})


def _opened(path: Path) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("AUTOFI_TEST_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        begun = time.perf_counter()
        page.goto(path.resolve().as_uri())
        loaded = time.perf_counter() - begun
        page.wait_for_selector(".plot .main-svg")
        first = time.perf_counter() - begun
        page.evaluate("document.querySelectorAll('.plot').forEach((plot) => plot.scrollIntoView())")
        for plot in page.query_selector_all(".plot"):
            plot.scroll_into_view_if_needed()
            page.wait_for_function("(plot) => plot.querySelector('.main-svg')", arg=plot)
        everything = time.perf_counter() - begun
        browser.close()
    return {
        "seconds until loaded": loaded,
        "until the first figure": first,
        "until all figures were looked at": everything,
    }


if __name__ == "__main__":
    typer.run(main)

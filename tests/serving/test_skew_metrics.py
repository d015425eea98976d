"""A server counts the rows it scores against those of training, and tells in its log what is far off."""

from __future__ import annotations

import logging
import re

import pyarrow as pa
import pytest

from autofi import Predictor
from autofi.serving.app import create_app
from autofi.serving.served_model import ServedModel
from autofi.serving.skew_metrics import SECONDS_BETWEEN_LINES, SkewMonitor
from tests.export.models import make_table
from tests.serving.servers import running

ROWS = make_table(200, seed=3).select(["city", "price", "tags"]).to_pylist()


def values(text: str, field: str) -> dict[str, float]:
    found = re.findall(rf'^autofi_values_total{{field="{field}",state="(\w+)"}} (\S+)$', text, re.MULTILINE)
    return {state: float(count) for state, count in found}


def test_metrics_count_values_by_field(served: ServedModel, caplog: pytest.LogCaptureFixture) -> None:
    with running(create_app(served)) as client:
        assert values(client.get("/metrics").text, "city") == {"seen": 0, "unseen": 0, "missing": 0}
        for city, price in (("Rome", 1.0), ("Atlantis", 1e9), (None, None)):
            rows = [row | {"city": city, "price": price, "tags": "a|zz"} for row in ROWS[:3]]
            assert client.post("/predict", json={"rows": rows}).status_code == 200
        known = "Rome" in set(make_table(6000, seed=1)["city"].to_pylist())
        text = client.get("/metrics").text
    assert values(text, "city") == {"seen": 3 * known, "unseen": 3 + 3 * (not known), "missing": 3}
    assert values(text, "price") == {"seen": 3, "out_of_range": 3, "missing": 3}
    assert values(text, "tags") == {"seen": 9, "unseen": 9, "missing": 0}
    assert re.search(r"^autofi_compared_rows_total 9.0$", text, re.MULTILINE)
    assert re.search(r'^autofi_training_share{field="city",state="unseen"} 0.0$', text, re.MULTILINE)
    assert not caplog.records  # of nine rows nothing is said


def test_the_log_has_one_line_per_field_and_hour(
    predictor: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    counts, now = predictor.skew_counts(), [0.0]
    assert counts is not None
    monitor = SkewMonitor(counts, clock=lambda: now[0])
    table = make_table(200, seed=3)
    strange = table.set_column(table.column_names.index("city"), "city", pa.array(["Atlantis"] * 200))
    caplog.set_level(logging.WARNING, logger="uvicorn.error")
    logging.getLogger("uvicorn.error").propagate = True
    monitor.add(table)
    assert not caplog.records
    for moment, lines in ((1.0, 1), (2.0, 1), (SECONDS_BETWEEN_LINES + 1.0, 2)):
        now[0] = moment
        monitor.add(strange)
        told = [record.getMessage() for record in caplog.records]
        assert told == ["city: 100 % unseen, 0 % in training (of the last 200 rows compared)"] * lines


def test_a_model_whose_bundle_does_not_say_is_served_all_the_same(served: ServedModel) -> None:
    plain = ServedModel(served.name, served.schema, served.score, served.study, served.architecture)
    with running(create_app(plain)) as client:
        assert client.post("/predict", json={"rows": [{"city": "Rome"}]}).status_code == 200
        assert "autofi_values" not in client.get("/metrics").text

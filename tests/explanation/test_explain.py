"""Raw rows are explained as they are scored, and cells are told as training saw them."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import autofi
from autofi.bundle.bundle import load_bundle
from autofi.bundle.load import load
from autofi.errors import ConfigError, DataError, ExportError
from autofi.explanation.explain import Explainer
from autofi.explanation.explanation import Explanation, FieldPart, PairPart, added
from autofi.explanation.masking import contributions
from autofi.export.export import export_bundle
from autofi.metrics.calibrators import Platt
from autofi.operators.exponential_neurons import ExponentialNeurons
from autofi.readers import open_table
from tests.explanation.models import CROSS_MIN_COUNT, MIN_COUNT, ObservedTrial, table
from tests.export.models import Model, make_unseen
from tests.export.test_calibrated_bundle import copy_calibrated
from tests.light.bundles import BUNDLE, ROWS as WITH_CLICKS

NEW = table(40, seed=9).drop_columns(["click"])
STRANGE = pa.table(
    {
        "city": ["c1", "nowhere", None],
        "site": ["s1", "s1", "nothing"],
        "hour": ["h1", "h1", "h1"],
        "price": [0.5, None, 1e9],
        "tags": ["a|new", "", "new"],
    }
)


def field(explanation: Explanation, name: str) -> FieldPart:
    (found,) = [part for part in explanation.fields if part.name == name]
    return found


def pair(explanation: Explanation, *names: str) -> PairPart:
    (found,) = [part for part in explanation.pairs if set(part.fields) == set(names)]
    return found


def hits(part: FieldPart | PairPart) -> dict[str, bool | None]:
    return {form.name: form.hit for form in part.forms}


@pytest.mark.parametrize("rows", [1, 10, 1000])
def test_the_first_rows_are_explained_with_the_probabilities_of_predict(
    additive: ObservedTrial, rows: int
) -> None:
    found = autofi.explain(additive.folder, NEW, rows=rows)
    assert [explanation.row for explanation in found] == list(range(1, min(rows, len(NEW)) + 1))
    expected = load(additive.folder, runtime="torch").predict_proba(NEW)[:rows]
    told = [explanation.probability for explanation in found]
    np.testing.assert_allclose(told, expected, rtol=0, atol=1e-6)
    logits = np.array([explanation.logit for explanation in found])
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), told, rtol=0, atol=1e-9)


def test_more_rows_than_are_held_at_once_are_numbered_through(additive: ObservedTrial) -> None:
    many = table(700, seed=3)
    found = autofi.explain(additive.bundle, many, rows=None)
    assert [explanation.row for explanation in found] == list(range(1, 701))
    expected = load(additive.folder, runtime="torch").predict_proba(many)
    told = [explanation.probability for explanation in found]
    np.testing.assert_allclose(told, expected, rtol=0, atol=1e-6)
    assert len(autofi.explain(additive.bundle, many, rows=300)) == 300


def test_an_additive_network_adds_up_to_its_logit(additive: ObservedTrial) -> None:
    bias = float(additive.bundle.network.head.bias)
    clicked = additive.bundle.builder.statistics.prior
    for explanation in autofi.explain(additive.bundle, NEW):
        assert explanation.baseline == pytest.approx(bias, abs=1e-6)
        assert explanation.rest == pytest.approx(0, abs=1e-5)
        total = bias + sum(map(added, explanation.parts()))
        assert total == pytest.approx(explanation.logit, abs=1e-5)
        assert explanation.average == pytest.approx(math.log(clicked / (1 - clicked)))
        assert explanation.trees is None


def test_a_fields_contribution_holds_its_pairs(additive: ObservedTrial) -> None:
    for explanation in autofi.explain(additive.bundle, NEW):
        for part in explanation.fields:
            pairs = [each.contribution for each in explanation.pairs if part.name in each.fields]
            assert part.contribution == pytest.approx(part.own + sum(pairs), abs=1e-5)


def test_crosses_are_hit_where_training_saw_their_cell_often_enough(additive: ObservedTrial) -> None:
    encoder, dataset = additive.bundle.builder.encoder, additive.dataset
    (rows,) = encoder.transform(open_table(NEW))
    train, names = dataset.rows("train"), list(encoder.schema.names)
    assert train.labels is not None
    found = autofi.explain(additive.bundle, NEW, rows=None)
    told = Counter[tuple[bool | None, bool | None]]()
    for row, explanation in enumerate(found):
        for left, right in (("city", "site"), ("city", "hour")):
            columns = [names.index(left), names.index(right)]
            same = (train.ids[:, columns] == rows.ids[row, columns]).all(1)
            part = pair(explanation, left, right)
            count = int(same.sum())
            assert hits(part)["memorize_embedding"] == (count >= CROSS_MIN_COUNT)
            if (left, right) == ("city", "hour"):
                assert hits(part)["memorize_statistics"] == (count > 0)
                assert part.seen == count
                rate = float(train.labels[same].mean()) if count else None
                assert part.rate == pytest.approx(rate)
            else:
                assert part.hit == (count >= CROSS_MIN_COUNT)
                # Of cells seen once the model keeps no count.
                assert part.seen == (count if count > 1 else None)
                assert part.rate is None
            told[hits(part)["memorize_embedding"], part.hit] += 1
            assert (
                part.status
                == {(True, True): "hit", (False, True): "partly", (False, False): "missed"}[
                    hits(part)["memorize_embedding"] or False, part.hit or False
                ]
            )
        assert pair(explanation, "hour", "site").hit is pair(explanation, "hour", "site").status is None
    assert told[True, True] > 5 and told[False, False] > 5 and told[False, True] > 5


def test_values_are_told_as_read_with_what_training_knew_of_them(additive: ObservedTrial) -> None:
    encoder, train = additive.bundle.builder.encoder, additive.dataset.rows("train")
    assert train.labels is not None
    (rows,) = encoder.transform(open_table(NEW))
    for row, explanation in enumerate(autofi.explain(additive.bundle, NEW, rows=None)):
        for place, name in enumerate(encoder.schema.names):
            part = field(explanation, name)
            raw = NEW[name][row].as_py()
            assert part.value == (tuple(raw.split("|")) if name == "tags" else raw)
            same = train.ids[:, place] == rows.ids[row, place]
            assert part.seen == int(same.sum())
            if name == "city":
                rate = float(train.labels[same].mean()) if same.any() else None
                assert part.rate == pytest.approx(rate)
                known = "unseen" if not same.any() else "known" if same.sum() >= MIN_COUNT else "rare"
                assert part.status == known
                assert hits(part) == {"embedding": known == "known", "statistics": bool(same.any())}


def test_missing_and_unseen_values_are_fine_and_told(additive: ObservedTrial) -> None:
    first, second, third = autofi.explain(additive.folder, STRANGE)
    assert [field(each, "city").status for each in (first, second, third)] == ["known", "unseen", "missing"]
    assert [field(each, "price").status for each in (first, second, third)] == ["known", "missing", "known"]
    assert [field(each, "tags").status for each in (first, second, third)] == ["partly", "missing", "unseen"]
    assert field(second, "city").seen == 0
    assert field(second, "price").value is None
    assert pair(second, "city", "site").hit is False


def test_an_infinite_number_is_told_as_a_text(additive: ObservedTrial) -> None:
    rows = STRANGE.drop_columns(["price"]).append_column("price", pa.array([math.inf, -math.inf, 1.0]))
    found = autofi.explain(additive.folder, rows)
    assert [field(each, "price").value for each in found] == ["inf", "-inf", 1.0]
    json.dumps([each.to_json() for each in found], allow_nan=False)


def test_weights_of_arm_net_are_those_of_its_attention(attentive: ObservedTrial) -> None:
    stream = attentive.bundle.network.streams["exponential_neurons"]
    assert isinstance(stream, ExponentialNeurons)
    found = autofi.explain(attentive.bundle, NEW, rows=5)
    builder, network = attentive.bundle.builder, attentive.bundle.network
    (rows,) = builder.encoder.transform(open_table(NEW))
    selected = network.select(builder.of_rows(rows))
    # The vectors by hand: those of the embeddings, then of the bag.
    vectors = torch.cat([network.operators[name](selected[name]) for name in ("bag", "embedding")], 1)
    shares = stream.crosses(vectors.unflatten(1, (-1, 4))).numpy()
    names = stream.inputs.fields
    for row, explanation in enumerate(found):
        (part,) = explanation.streams
        assert [each.name for each in part.weights] == [
            f"head {head}, neuron {neuron}" for head in (1, 2) for neuron in (1, 2, 3)
        ]
        for each, expected in zip(part.weights, shares[row], strict=True):
            assert sum(each.weights.values()) == pytest.approx(1, abs=1e-5)
            assert each.weights == pytest.approx(
                {name: share for name, share in zip(names, expected, strict=True) if share}, abs=1e-6
            )
    assert any(len(each.weights) < len(names) for e in found for each in e.streams[0].weights)


def test_every_operator_is_explained_and_trees_are_a_line_of_their_own(
    every_operator: Model, every_operator_bundle: Path
) -> None:
    unseen = make_unseen(30)
    found = autofi.explain(every_operator_bundle, unseen, rows=None)
    expected = every_operator.probabilities(unseen)
    np.testing.assert_allclose([each.probability for each in found], expected, rtol=0, atol=1e-6)
    builder, weights = every_operator.builder, every_operator.network.boosted_weights
    assert builder.boosted is not None and weights is not None
    (rows,) = builder.encoder.transform(open_table(unseen))
    trees = builder.boosted.transform(rows.ids, rows.numbers) * float(weights[1])
    np.testing.assert_allclose([each.trees or 0 for each in found], trees, rtol=0, atol=1e-5)
    assert any(part.trees for part in found[0].pairs)
    nothing = [
        (each.trees or 0) - sum(part.trees or 0 for part in (*each.fields, *each.pairs)) for each in found
    ]
    np.testing.assert_allclose(nothing, nothing[0], rtol=0, atol=1e-5)
    for explanation in found:
        total = explanation.baseline + sum(map(added, explanation.parts())) + explanation.rest
        assert total + (explanation.trees or 0) == pytest.approx(explanation.logit, abs=1e-5)
    # The intercept of both is part of the baseline.
    without = copy.deepcopy(every_operator.network)
    assert without.boosted_weights is not None
    without.boosted_weights[2] = 0.0
    masked = contributions(without, without.select(builder.of_rows(rows))).baseline.numpy() - trees
    np.testing.assert_allclose([each.baseline for each in found], masked - 0.3, rtol=0, atol=1e-5)
    assert set(found[0].operators) == {"gated_embedding", "gated_field"}


def test_a_calibrated_bundle_tells_calibrated_probabilities(
    every_operator_bundle: Path, tmp_path: Path
) -> None:
    platt = Platt(slope=0.6, intercept=-0.8)
    copy_calibrated(every_operator_bundle, tmp_path / "model", platt, metrics={})
    unseen = make_unseen(5)
    (plain, *_), (found, *_) = (
        autofi.explain(path, unseen) for path in (every_operator_bundle, tmp_path / "model")
    )
    assert found.logit == plain.logit
    assert found.probability == pytest.approx(float(platt.apply(plain.logit)), abs=1e-9)
    assert found.probability == pytest.approx(load(tmp_path / "model").predict_proba(unseen)[0], abs=1e-6)


def test_explanations_are_plain_json(attentive: ObservedTrial) -> None:
    (found,) = autofi.explain(attentive.folder, STRANGE, rows=1)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(told) == {
        "row", "probability", "logit", "average", "baseline", "trees", "rest", "fields", "pairs", "streams", "operators"
    }  # fmt: skip
    assert told["fields"][0].keys() == {
        "name", "value", "status", "seen", "rate", "forms", "own", "contribution", "trees"
    }  # fmt: skip
    assert told["pairs"][0].keys() == {
            "fields", "hit", "seen", "rate", "forms", "contribution", "trees"
        }  # fmt: skip
    assert told["streams"][0].keys() == {"name", "contribution", "weights"}


def test_an_empty_batch_has_no_explanations(additive: ObservedTrial) -> None:
    batch = NEW.slice(0, 0).combine_chunks().to_batches() or [
        pa.RecordBatch.from_pylist([], schema=NEW.schema)
    ]
    assert Explainer(additive.bundle).of_batch(batch[0]) == []


def test_what_predict_refuses_is_refused(additive: ObservedTrial, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'city' is missing"):
        autofi.explain(additive.folder, NEW.drop_columns(["city"]))
    rows = NEW.slice(0, 2).drop_columns(["price"]).append_column("price", pa.array(["1.5", "cheap"]))
    with pytest.raises(DataError, match=r"Row 2 .* has 'cheap' in column 'price'"):
        autofi.explain(additive.folder, rows)
    with pytest.raises(ConfigError, match="rows=0"):
        autofi.explain(additive.folder, NEW, rows=0)
    with pytest.raises(ExportError, match="does not exist"):
        autofi.explain(tmp_path / "none", NEW)


def test_a_bundle_without_the_form_torch_is_refused(tmp_path: Path) -> None:
    export_bundle(BUNDLE, tmp_path / "model", forms=("onnx",))
    with pytest.raises(ExportError, match=r"which explanations need; export it with --format torch"):
        autofi.explain(tmp_path / "model", WITH_CLICKS)


def test_a_damaged_bundle_is_refused(additive: ObservedTrial, tmp_path: Path) -> None:
    export_bundle(additive.folder, tmp_path / "model", forms=("torch",))
    (tmp_path / "model" / "architecture.json").write_text("{}")
    with pytest.raises(ExportError, match=r"architecture\.json"):
        autofi.explain(tmp_path / "model", NEW)
    assert load_bundle(additive.folder).architecture == additive.bundle.architecture

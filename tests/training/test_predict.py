"""Networks have the weights that validation rows give them and their boosted trees, and are trained without trees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autofi.data.features import Features
from autofi.errors import InvalidArchitectureError
from autofi.metrics.ranking import auc, logloss
from autofi.model.model import BOOSTED
from autofi.model.network import Network
from autofi.operators.base import Sizes
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import TrainingSettings
from autofi.training.fit import PACE_BEHIND, TREES_ALONE_AFTER, FitReport, fit
from autofi.training.predict import judged_rows, predict, set_join_weights
from autofi.training.row_source import Rows
from tests.supernet.tables import FIELDS, cell_table

TABLE = cell_table(3000, {(0, 1): 1.5, (2, 3): 0.5})
SETTINGS = TrainingSettings(learning_rate=2e-2, batch_size=200, epochs=3, patience=2)


def make(*, boosted: bool = True) -> Network:
    layout = {"embedding": [(field,) for field in range(FIELDS)]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Network(layout, TABLE.shapes, Sizes(4, 4, 4), HeadSizes(hidden=(16,)), boosted=boosted)


def boosted_by(logits: torch.Tensor) -> Features:
    return replace(TABLE.features, boosted=logits.float().numpy())


def knowing(noise: float) -> torch.Tensor:
    """Logits that know the labels but for noise."""
    chance = torch.randn(len(TABLE.labels), generator=torch.Generator().manual_seed(1))
    return (TABLE.labels * 2 - 1) * 0.5 + noise * chance


def rows_of(network: Network, logits: torch.Tensor, part: slice) -> Rows:
    return Rows(network.select(boosted_by(logits)), TABLE.labels).part(part)


VALID = slice(2000, 3000)


def join_by(network: Network, rows: Rows) -> np.ndarray:
    return set_join_weights(network, rows, judged_rows(network, rows)).predictions


@pytest.mark.parametrize("weighed", [False, True])
def test_a_network_predicts_with_the_weights_that_it_is_given(weighed: bool) -> None:
    network = make()
    rows = rows_of(network, knowing(0.7), VALID)
    if weighed:
        rows = replace(rows, weights=torch.linspace(0.1, 2.0, len(rows)))
    settled = join_by(network, rows)
    plain = make(boosted=False)
    own = predict(plain, Rows(plain.select(TABLE.features), TABLE.labels).part(VALID))
    assert network.boosted_weights is not None
    first, second, intercept = network.boosted_weights.double().numpy()
    trees = knowing(0.7).double().numpy()[VALID]
    expected = 1 / (1 + np.exp(-first * np.log(own / (1 - own)) - second * trees - intercept))
    np.testing.assert_allclose(predict(network, rows), expected, atol=1e-6)
    assert network.boosted
    assert second > 0.1
    assert intercept != 0
    # The returned predictions are by other weights, fold for fold, and near these.
    assert 0 < np.abs(settled - expected).max() < 0.1


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_trees_that_know_nothing_weigh_nothing_and_are_not_asked_for(scale: float) -> None:
    network = make()
    with torch.no_grad():
        # Where a network is too sure of itself, less of it is better: that is no merit of the trees.
        for parameter in network.head.parameters():
            parameter.mul_(scale)
    chance = 0.1 * torch.randn(len(TABLE.labels), generator=torch.Generator().manual_seed(2))
    settled = join_by(network, rows_of(network, chance, VALID))
    assert network.boosted_weights is not None
    assert network.boosted_weights.tolist() == [1.0, 0.0, 0.0]
    without = Rows(network.select(TABLE.features), TABLE.labels).part(VALID)
    assert BOOSTED not in without.selected
    assert not network.boosted
    np.testing.assert_allclose(predict(network, without), settled, atol=1e-12)


def test_features_without_the_trees_that_a_network_counts_on_are_refused() -> None:
    network = make()
    join_by(network, rows_of(network, knowing(0.7), VALID))
    with pytest.raises(InvalidArchitectureError, match="The features have no logit of boosted trees"):
        network.select(TABLE.features)


def test_the_network_is_trained_as_if_there_were_none() -> None:
    logits = knowing(0.3)
    logits[:2000] = torch.nan  # what training rows have: nobody may read it
    trained = []
    for network in (make(), make(boosted=False)):
        rows = rows_of(network, logits, slice(0, 2000))
        fit(network, rows, None, SETTINGS, generator=torch.Generator().manual_seed(0))
        trained.append(network)
    for left, right in zip(trained[0].parameters(), trained[1].parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=0)


def test_a_repeated_training_has_the_weights_of_the_first() -> None:
    logits = knowing(0.5)
    first, second = make(), make()
    train, valid = (rows_of(first, logits, part) for part in (slice(0, 2000), VALID))
    report = fit(first, train, valid, SETTINGS, generator=torch.Generator().manual_seed(0))
    assert 0 < report.boosted_share <= 1
    again = fit(second, train, None, SETTINGS, generator=torch.Generator().manual_seed(0), repeat=report)
    assert again.boosted_weights == report.boosted_weights
    np.testing.assert_allclose(predict(second, valid), predict(first, valid), atol=1e-6)


def test_a_report_has_the_predictions_that_it_was_measured_by() -> None:
    network = make()
    train, valid = (rows_of(network, knowing(0.5), part) for part in (slice(0, 2000), VALID))
    report = fit(network, train, valid, SETTINGS, generator=torch.Generator().manual_seed(0))
    labels, found = valid.labels.numpy(), report.valid_predictions
    assert found is not None
    assert (report.auc, report.logloss) == (auc(labels, found), logloss(labels, found))
    assert not np.array_equal(found, predict(network, valid))


def test_rows_that_belong_together_are_in_one_fold_of_a_training() -> None:
    network = make()
    train, valid = (rows_of(network, knowing(0.5), part) for part in (slice(0, 2000), VALID))
    found = []
    for together in (None, np.arange(len(valid)) // 50):
        report = fit(
            make(), train, valid, SETTINGS, generator=torch.Generator().manual_seed(0), together=together
        )
        assert report.valid_predictions is not None
        found.append(report.valid_predictions)
    assert not np.array_equal(*found)


def test_weights_of_earlier_versions_have_no_intercept() -> None:
    network, earlier = make(), make()
    state = network.state_dict() | {"boosted_weights": torch.tensor([0.7, 0.4])}
    earlier.load_state_dict(state)
    assert len(state["boosted_weights"]) == 2
    assert earlier.boosted_weights is not None
    assert earlier.boosted_weights.tolist() == pytest.approx([0.7, 0.4, 0.0])
    selected = rows_of(earlier, knowing(0.5), VALID).selected
    earlier.eval()
    with torch.no_grad():
        expected = 0.7 * earlier.own_logits(selected) + 0.4 * selected[BOOSTED]
        torch.testing.assert_close(earlier(selected), expected)


def test_trees_without_a_network_are_not_trained() -> None:
    with torch.random.fork_rng(devices=[]):
        network = Network({}, TABLE.shapes, Sizes(4, 4, 4), HeadSizes(name="none", hidden=()), boosted=True)
    train, valid = (rows_of(network, knowing(0.5), part) for part in (slice(0, 2000), VALID))
    report = fit(network, train, valid, SETTINGS, generator=torch.Generator().manual_seed(0))
    assert (report.steps, report.evaluations, report.trees_alone) == (0, 0, True)
    trees = knowing(0.5).double().numpy()[VALID]
    weights = report.boosted_weights
    expected = 1 / (1 + np.exp(-weights.trees * trees - weights.intercept))
    np.testing.assert_allclose(predict(network, valid), expected, atol=1e-6)
    assert report.auc == pytest.approx(auc(valid.labels.numpy(), trees), abs=0.01)
    again = fit(network, train, None, SETTINGS, generator=torch.Generator().manual_seed(0), repeat=report)
    assert isinstance(again, FitReport)
    assert (again.steps, again.boosted_weights) == (0, report.boosted_weights)


def run_beside(logits: torch.Tensor, *, to_beat: float | None) -> FitReport:
    network = make()
    train, valid = (rows_of(network, logits, part) for part in (slice(0, 2000), VALID))
    long = replace(SETTINGS, epochs=10, patience=10)
    return fit(network, train, valid, long, generator=torch.Generator().manual_seed(0), to_beat=to_beat)


def test_a_network_that_adds_nothing_to_trees_and_is_far_behind_ends_early() -> None:
    # These trees know the truth, so that no network can add to it.
    truth = torch.from_numpy(TABLE.logits)
    whole = run_beside(truth, to_beat=None)
    assert whole.evaluations == 10
    ended = run_beside(truth, to_beat=0.95)
    assert ended.evaluations == TREES_ALONE_AFTER
    assert ended.history == whole.history[:TREES_ALONE_AFTER]
    assert ended.auc == pytest.approx(whole.auc, abs=0.005)
    # It goes on where it is not far behind, and where it knows what the trees do not.
    assert run_beside(truth, to_beat=whole.own_auc - 0.02).evaluations == 10
    adding = run_beside(knowing(1.5), to_beat=0.95)
    assert adding.evaluations > TREES_ALONE_AFTER
    assert adding.evaluations == min(10, adding.decayed[0] + PACE_BEHIND)
    assert run_beside(truth, to_beat=0.95) == replace(ended, seconds=pytest.approx(ended.seconds, abs=60))


def test_where_evaluations_are_slow_one_is_enough_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autofi.training.fit.TREES_ALONE_SHARE", 0.0)
    assert run_beside(torch.from_numpy(TABLE.logits), to_beat=0.95).evaluations == 1
    assert run_beside(knowing(1.5), to_beat=0.95).evaluations > 1

"""Boosted trees have the weight that validation rows give them, and none that is not earned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from autofi.data.features import Features
from autofi.errors import InvalidArchitectureError
from autofi.metrics.ranking import logloss
from autofi.model.network import BOOSTED, Network
from autofi.operators.base import Sizes
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import TrainingSettings
from autofi.training.fit import fit
from autofi.training.predict import RIDGE, fit_tree_weight, predict
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


@pytest.mark.parametrize("weighed", [False, True])
def test_the_weights_have_the_lowest_logloss(weighed: bool) -> None:
    network = make()
    rows = rows_of(network, knowing(0.7), VALID)
    if weighed:
        rows = replace(rows, weights=torch.linspace(0.1, 2.0, len(rows)))
    settled = fit_tree_weight(network, rows)
    plain = make(boosted=False)
    own = predict(plain, Rows(plain.select(TABLE.features), TABLE.labels).part(VALID))
    labels = rows.labels.numpy()
    given = None if rows.weights is None else rows.weights.numpy()
    logits = np.log(own / (1 - own)), knowing(0.7).double().numpy()[VALID]

    def mixed(weights: np.ndarray) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-weights[0] * logits[0] - weights[1] * logits[1])))

    def judged(weights: np.ndarray) -> float:
        return logloss(labels, mixed(weights), given) + RIDGE / 2 * float((weights**2).sum())

    best = minimize(judged, [0.5, 0.5], tol=1e-12).x
    assert network.boosted_weights is not None
    np.testing.assert_allclose(network.boosted_weights.numpy(), best, atol=0.01)
    assert best[1] > 0.1
    np.testing.assert_allclose(settled, mixed(network.boosted_weights.numpy()), atol=1e-6)
    np.testing.assert_allclose(predict(network, rows), settled, atol=1e-6)
    assert network.boosted


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_trees_that_know_nothing_weigh_nothing_and_are_not_asked_for(scale: float) -> None:
    network = make()
    with torch.no_grad():
        # Where a network is too sure of itself, less of it is better: that is no merit of the trees.
        for parameter in network.head.parameters():
            parameter.mul_(scale)
    chance = 0.1 * torch.randn(len(TABLE.labels), generator=torch.Generator().manual_seed(2))
    settled = fit_tree_weight(network, rows_of(network, chance, VALID))
    assert network.boosted_weights is not None
    assert network.boosted_weights.tolist() == [1.0, 0.0]
    without = Rows(network.select(TABLE.features), TABLE.labels).part(VALID)
    assert BOOSTED not in without.selected
    assert not network.boosted
    np.testing.assert_allclose(predict(network, without), settled, atol=1e-12)


def test_features_without_the_trees_that_a_network_counts_on_are_refused() -> None:
    network = make()
    fit_tree_weight(network, rows_of(network, knowing(0.7), VALID))
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

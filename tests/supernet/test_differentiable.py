"""Search by gradient: choices are learned from the rows they are meant to be learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from autofi.supernet.differentiable import (
    COLD,
    HOT,
    ChoiceWeights,
    Method,
    gumbel_softmax,
    gumbel_temperature,
    train_by_gradient,
)
from autofi.supernet.supernet import Slot, Supernet
from autofi.training.row_source import Rows
from tests.supernet.tables import FIELDS, PAIRS, Table, cell_table, make_supernet, slots_with

OPTIONS = ((), ("memorize_embedding",))
STRONG = PAIRS.index((0, 2))


@pytest.fixture(scope="module")
def table() -> Table:
    return cell_table(6000, {(0, 2): 2.0})


def train(table: Table, supernet: Supernet, *, rows: Rows | None = None, **changes: Any) -> ChoiceWeights:
    settings: dict[str, Any] = {
        "weight_index": torch.arange(4000),
        "choice_index": torch.arange(4000, 6000),
        "epochs": 1,
        "learning_rate": 1e-2,
        "embedding_l2": 0.0,
        "batch_size": 200,
        "generator": torch.Generator().manual_seed(1),
    }
    return train_by_gradient(supernet, rows or table.rows(supernet), **{**settings, **changes})


def test_gumbel_finds_the_strongest_memorized_pair(table: Table) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS))
    seen: list[int] = []
    learned = train(table, supernet, epochs=6, on_epoch=seen.append)
    memorize = learned.shares[FIELDS:, 1]
    assert int(memorize.argmax()) == STRONG
    assert learned.options[FIELDS + STRONG] == 1
    assert memorize[STRONG] > memorize.sort().values[-2] + 0.1
    assert learned.options[:FIELDS] == (0,) * FIELDS
    assert seen == [1, 2, 3, 4, 5, 6]


def test_joint_finds_a_strong_pair_too(table: Table) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS))
    learned = train(table, supernet, method="joint", epochs=6, choice_learning_rate=2e-2)
    assert learned.shares[FIELDS + STRONG, 1] > 0.6


def test_temperature_falls_geometrically_from_hot_to_cold() -> None:
    temperatures = np.array([gumbel_temperature(step, 50) for step in range(50)])
    assert temperatures[0] == HOT
    assert temperatures[-1] == pytest.approx(COLD)
    np.testing.assert_allclose(temperatures[1:] / temperatures[:-1], (COLD / HOT) ** (1 / 49))
    assert gumbel_temperature(0, 1) == HOT


def test_gumbel_noise_draws_options_by_their_shares() -> None:
    alpha = torch.tensor([[0.0, 1.0, -0.5], [0.5, 0.0, -torch.inf]])
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([gumbel_softmax(alpha, 0.3, generator) for _ in range(20_000)])
    torch.testing.assert_close(draws.sum(2), torch.ones(20_000, 2))
    assert (draws[:, 1, 2] == 0).all()
    winners = torch.nn.functional.one_hot(draws.argmax(2), 3).float().mean(0)
    torch.testing.assert_close(winners, alpha.softmax(1), atol=0.012, rtol=0)


def test_a_low_temperature_is_near_one_option_and_a_high_one_near_even() -> None:
    alpha = torch.zeros(200, 3)
    cold, hot = (gumbel_softmax(alpha, t, torch.Generator().manual_seed(0)) for t in (0.01, 100.0))
    assert cold.max(1).values.mean() > 0.95
    torch.testing.assert_close(hot, torch.full_like(hot, 1 / 3), atol=0.05, rtol=0)


@pytest.mark.parametrize("method", ["gumbel", "joint"])
def test_choices_learn_from_choice_rows_only_unless_joint(table: Table, method: Method) -> None:
    """With the network's weights held still, only the rows that alpha steps on can change it."""

    def alpha_with(flipped: slice) -> torch.Tensor:
        supernet = make_supernet(table, slots_with(OPTIONS))
        labels = table.labels.clone()
        labels[flipped] = 1 - labels[flipped]
        rows = Rows(supernet.select(table.features), labels)
        return train(table, supernet, rows=rows, method=method, learning_rate=0.0).alpha

    unchanged = alpha_with(slice(0, 0))
    of_weight_rows, of_choice_rows = alpha_with(slice(0, 4000)), alpha_with(slice(4000, 6000))
    assert torch.equal(of_weight_rows, unchanged) == (method == "gumbel")
    assert torch.equal(of_choice_rows, unchanged) == (method == "joint")


@pytest.mark.parametrize("method", ["gumbel", "joint"])
def test_weights_learn_from_weight_rows_only(table: Table, method: Method) -> None:
    """With the choices held still, the labels of the choice rows leave no trace in the network."""

    def weights_with(flipped: slice) -> torch.Tensor:
        supernet = make_supernet(table, slots_with(OPTIONS))
        labels = table.labels.clone()
        labels[flipped] = 1 - labels[flipped]
        rows = Rows(supernet.select(table.features), labels)
        train(table, supernet, rows=rows, method=method, choice_learning_rate=0.0)
        return torch.cat([parameter.detach().flatten() for parameter in supernet.parameters()])

    unchanged = weights_with(slice(0, 0))
    assert torch.equal(weights_with(slice(4000, 6000)), unchanged)
    assert not torch.equal(weights_with(slice(0, 4000)), unchanged)


@pytest.mark.parametrize("method", ["gumbel", "joint"])
def test_slots_may_offer_different_numbers_of_options(table: Table, method: Method) -> None:
    slots = slots_with(OPTIONS)
    slots[-1] = Slot(PAIRS[-1], ((), ("memorize_embedding",), ("factorize_inner",)))
    learned = train(table, make_supernet(table, slots), method=method)
    assert learned.alpha.shape == (len(slots), 3)
    for row, slot in enumerate(slots):
        assert learned.alpha[row, : len(slot.options)].isfinite().all()
        assert (learned.alpha[row, len(slot.options) :] == -torch.inf).all()
        assert learned.options[row] < len(slot.options)
    torch.testing.assert_close(learned.shares.sum(1), torch.ones(len(slots)))


@pytest.mark.parametrize("method", ["gumbel", "joint"])
def test_same_generator_same_result(table: Table, method: Method) -> None:
    one, two = (train(table, make_supernet(table, slots_with(OPTIONS)), method=method) for _ in range(2))
    assert torch.equal(one.alpha, two.alpha)
    other = train(
        table,
        make_supernet(table, slots_with(OPTIONS)),
        method=method,
        generator=torch.Generator().manual_seed(2),
    )
    assert not torch.equal(one.alpha, other.alpha)


def test_joint_starts_from_noise_and_gumbel_even(table: Table) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS))
    even = train(table, supernet, choice_learning_rate=0.0)
    assert (even.alpha[FIELDS:] == 0).all()
    assert even.options == (0,) * (FIELDS + len(PAIRS))
    noise = train(table, supernet, method="joint", choice_learning_rate=0.0)
    assert 0 < noise.alpha[FIELDS:].std() < 1


def test_joint_cools_by_tau_a_step(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS))
    mixtures: list[torch.Tensor] = []
    original = Supernet.weighted_mask

    def recorded(self: Supernet, weights: torch.Tensor) -> Any:
        mixtures.append(weights.detach().clone())
        return original(self, weights)

    monkeypatch.setattr(Supernet, "weighted_mask", recorded)
    alpha = train(table, supernet, method="joint", choice_learning_rate=0.0, tau=0.1).alpha
    assert len(mixtures) == 20
    for step, mixture in enumerate(mixtures):
        torch.testing.assert_close(mixture, (alpha / max(0.01, 1 - 0.1 * step)).softmax(1))


def test_gumbel_needs_rows_for_the_choices(table: Table) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS))
    for index in (None, torch.arange(0)):
        with pytest.raises(ValueError, match="choice_index"):
            train(table, supernet, choice_index=index)

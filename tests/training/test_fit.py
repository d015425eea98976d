"""Training keeps the best weights, slows down on a bad evaluation, and repeats itself from its seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from autofi.metrics.ranking import auc, logloss
from autofi.model.network import Network
from autofi.operators import base
from autofi.operators.base import Sizes
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import LossName, TrainingSettings
from autofi.training import fit as module, predict as prediction
from autofi.training.fit import FitReport, fit
from autofi.training.losses import LOSSES
from autofi.training.optimizers import make_optimizers, optimizers_of
from autofi.training.predict import predict
from autofi.training.row_source import Rows, cut
from autofi.training.sparse_adam import RowAdam
from autofi.training.step import train_rows
from tests.supernet.tables import FIELDS, PAIRS, cell_table

TABLE = cell_table(3000, {(0, 1): 1.5, (2, 3): 0.5})
SETTINGS = TrainingSettings(learning_rate=2e-2, batch_size=200, epochs=12, patience=2, embedding_l2=0.0)
LAYOUT = {"embedding": [(f,) for f in range(FIELDS)], "memorize_embedding": list(PAIRS)}


def make(head: HeadSizes = HeadSizes(hidden=(16,)), *, seed: int = 0) -> Network:  # noqa: B008
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(LAYOUT, TABLE.shapes, Sizes(4, 4, 4), head)


def rows_of(network: Network) -> tuple[Rows, Rows]:
    rows = Rows(network.select(TABLE.features), TABLE.labels)
    return rows.part(slice(0, 2000)), rows.part(slice(2000, 3000))


def run(
    network: Network, settings: TrainingSettings = SETTINGS, *, seed: int = 0, **changes: Any
) -> FitReport:
    train, valid = rows_of(network)
    changes.setdefault("valid", valid)
    return fit(
        network,
        train,
        changes.pop("valid"),
        settings,
        generator=torch.Generator().manual_seed(seed),
        **changes,
    )


@pytest.mark.parametrize("monitor", ["auc", "logloss"])
def test_it_ends_with_the_weights_of_its_best_evaluation(monitor: Any) -> None:
    network = make()
    states: list[dict[str, torch.Tensor]] = []
    figures: list[tuple[float, float]] = []

    def remember(number: int, auc: float, logloss: float, speed: float) -> None:
        assert number == len(states) + 1 and speed > 0
        states.append({name: value.clone() for name, value in network.state_dict().items()})
        figures.append((auc, logloss))

    report = run(network, replace(SETTINGS, monitor=monitor), on_evaluation=remember)
    values = [f[0] if monitor == "auc" else -f[1] for f in figures]
    best = int(np.argmax(values))
    assert report.history == tuple(figures)
    assert report.best_evaluation == best + 1 < report.evaluations == len(figures)
    assert (report.auc, report.logloss) == figures[best]
    for name, value in network.state_dict().items():
        assert torch.equal(value, states[best][name])
    _, valid = rows_of(network)
    scores = predict(network, valid)
    assert auc(valid.labels.numpy(), scores) == report.auc > 0.6
    assert logloss(valid.labels.numpy(), scores) == report.logloss


def test_it_stops_after_so_many_bad_evaluations() -> None:
    report = run(make(), replace(SETTINGS, patience=3, decay=1.0, epochs=40))
    values = [value for value, _ in report.history]
    assert report.evaluations == report.best_evaluation + 3 < 40
    assert max(values[report.best_evaluation :]) <= report.auc + 1e-6
    assert report.steps == report.evaluations * 10


def test_the_learning_rate_falls_on_bad_evaluations_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def remember(*arguments: Any, **settings: Any) -> Any:
        made.extend(optimizers_of(*arguments, **settings))
        return made

    monkeypatch.setattr(module, "optimizers_of", remember)
    rates: list[float] = []

    def look(*_: Any) -> None:
        rates.append(made[0].adam.param_groups[0]["lr"])

    report = run(make(), replace(SETTINGS, decay=0.5), on_evaluation=look)
    values = [value for value, _ in report.history]
    expected, best = SETTINGS.learning_rate, -np.inf
    for rate, value in zip(rates, values, strict=True):
        assert rate == pytest.approx(expected)
        expected *= 1.0 if value > best + 1e-6 else 0.5
        best = max(best, value)
    assert rates[-1] < rates[0]


def test_same_seed_same_result() -> None:
    networks = [make(), make(), make()]
    reports = [run(network, seed=seed) for network, seed in zip(networks, (1, 1, 2), strict=True)]
    assert reports[0].history == reports[1].history != reports[2].history
    for left, right in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(left, right)


def test_it_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    run(make(), replace(SETTINGS, epochs=1))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_training_that_cannot_catch_up_ends_early() -> None:
    long = replace(SETTINGS, epochs=14, patience=14)
    whole = run(make(), long)
    assert whole.evaluations == 14
    # Not before its learning rate has fallen, and then only once its pace since is known.
    ended = run(make(), long, to_beat=0.999)
    assert ended.evaluations == whole.decayed[0] + module.PACE_BEHIND < 14
    assert run(make(), long, to_beat=whole.auc - 0.05).evaluations == 14


def test_a_training_that_takes_too_long_ends_unless_it_is_ahead() -> None:
    long = replace(SETTINGS, epochs=6, patience=6)
    ended = run(make(), long, to_beat=0.999, most_seconds=1e-9)
    assert ended.evaluations == 1 and not ended.whole(long)
    assert run(make(), long, most_seconds=1e-9).evaluations == 1
    assert run(make(), long, to_beat=0.01, most_seconds=1e-9).evaluations == 6
    assert run(make(), long, to_beat=0.999, most_seconds=1e9).evaluations == 6


def test_several_evaluations_an_epoch_cut_it_evenly() -> None:
    report = run(make(), replace(SETTINGS, epochs=1, evaluations=4))
    assert report.evaluations == 4
    assert report.steps == 4 * 3  # 500 rows in batches of at most 200


@pytest.mark.parametrize("with_valid", [True, False])
def test_a_repeat_lasts_as_long_and_decays_where_the_first_did_without_validation(with_valid: bool) -> None:
    network = make()
    first = FitReport(
        0.7, 0.5, best_evaluation=3, evaluations=5, steps=50, seconds=1.0, history=(), decayed=(2, 4)
    )
    report = run(network, repeat=first, **({} if with_valid else {"valid": None}))
    assert (report.evaluations, report.best_evaluation, report.steps) == (3, 3, 30)
    assert report.history == ()
    assert np.isnan(report.auc)
    twin = make()
    train, _ = rows_of(twin)
    optimizers = make_optimizers(twin, SETTINGS.learning_rate, SETTINGS.embedding_l2)
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # as own_randomness does: training draws what it takes for unseen
        for number in (1, 2, 3):
            order = torch.randperm(2000, generator=generator)
            train_rows(twin, train.batches([order], 200), optimizers)
            if number == 2:
                for optimizer in optimizers:
                    optimizer.scale_learning_rate(SETTINGS.decay)
    for left, right in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize(("rows", "size"), [(1, 5), (5, 5), (6, 5), (11, 5), (4097, 4096), (1000, 7), (0, 5)])
def test_batches_are_few_even_and_complete(rows: int, size: int) -> None:
    index = torch.randperm(rows)
    parts = cut(index, size)
    assert len(parts) == -(-rows // size)
    assert torch.equal(torch.cat([*parts, index[:0]]), index)
    lengths = [len(part) for part in parts] or [0]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1


def test_one_row_more_than_a_batch_does_not_break_batch_normalisation() -> None:
    network = make(HeadSizes(hidden=(8,), batch_norm=True))
    train, valid = rows_of(network)
    fit(
        network,
        train.part(slice(0, 201)),
        valid,
        replace(SETTINGS, epochs=1),
        generator=torch.Generator().manual_seed(0),
    )
    assert np.isfinite(predict(network, valid)).all()


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    single, double = make().eval(), make().eval()  # in training each draws what it takes for unseen
    rows, _ = rows_of(single)
    rows = rows.part(slice(0, 100))
    weights = torch.ones(100)
    weights[:50] = 2.0
    twice = rows.take(torch.cat([torch.arange(100), torch.arange(50)]))
    for network, given in ((single, replace(rows, weights=weights)), (double, twice)):
        torch.nn.functional.binary_cross_entropy_with_logits(
            network(given.selected), given.labels, given.weights, reduction="sum"
        ).backward()
    for left, right in zip(single.parameters(), double.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad)


def test_predicting_does_not_depend_on_how_rows_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make(HeadSizes(hidden=(8,), batch_norm=True, dropout=0.5))
    _, valid = rows_of(network)
    whole = predict(network, valid)
    monkeypatch.setattr(prediction, "SCORING_ROWS", 7)
    np.testing.assert_allclose(predict(network, valid), whole, rtol=1e-5)
    assert predict(network, valid.part(slice(0, 0))).shape == (0,)
    assert whole.dtype == np.float64


def test_rows_are_taken_together() -> None:
    network = make()
    rows, _ = rows_of(network)
    weighed = replace(rows, weights=torch.arange(2000.0))
    index = torch.tensor([5, 3, 3])
    taken = weighed.take(index)
    assert len(taken) == 3 and taken.weights is not None
    assert taken.weights.tolist() == [5.0, 3.0, 3.0]
    for name, tensor in taken.selected.items():
        assert torch.equal(tensor, rows.selected[name][index])
    assert torch.equal(weighed.part(slice(3, 6)).labels, rows.labels[3:6])


def test_large_tables_are_trained_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LARGE_TABLE", 10)
    network = make()
    assert sum(isinstance(optimizer, RowAdam) for optimizer in make_optimizers(network, 1e-2, 0.0)) == 2
    train, valid = rows_of(network)
    seen = train.selected["memorize_embedding"][:300]
    before = network.operators["memorize_embedding"].table.detach().clone()
    fit(
        network,
        train.part(slice(0, 300)),
        None,
        SETTINGS,
        generator=torch.Generator().manual_seed(0),
        repeat=FitReport(0.7, 0.5, 2, 2, 2, 1.0, ()),
    )
    after = network.operators["memorize_embedding"].table.detach()
    touched = torch.zeros(len(after), dtype=torch.bool)
    touched[(seen + network.operators["memorize_embedding"].offsets).flatten().long()] = True
    assert not touched.all()
    assert torch.equal((after != before).any(1), touched)
    whole = make()
    assert run(whole, replace(SETTINGS, embedding_l2=1e-3)).auc > 0.6
    assert np.isfinite(predict(whole, valid)).all()


@pytest.mark.parametrize("l2", [1e-5, 1e-2])
def test_training_by_row_is_as_good_as_training_whole_tables(
    monkeypatch: pytest.MonkeyPatch, l2: float
) -> None:
    settings = replace(SETTINGS, embedding_l2=l2, epochs=10, patience=10)
    whole = run(make(), settings)
    monkeypatch.setattr(base, "LARGE_TABLE", 10)
    by_row = run(make(), settings)
    assert by_row.auc == pytest.approx(whole.auc, abs=0.002)
    assert by_row.logloss == pytest.approx(whole.logloss, abs=0.002)


@pytest.mark.parametrize("loss", LOSSES)
def test_branches_are_trained_by_their_loss(loss: LossName) -> None:
    def network() -> Network:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            layout = {"embedding": [(f,) for f in range(FIELDS)]}
            streams = {"fused_crosses": {"linear_layers": 2, "exponential_layers": 1}}
            return Network(
                layout, TABLE.shapes, Sizes(4, 4, 4), HeadSizes("none", hidden=()), streams=streams
            )

    longer = replace(SETTINGS, epochs=20, patience=20, decay=1.0)
    report = run(network(), replace(longer, loss=loss))
    assert report.auc > 0.6
    if loss != "bce":
        assert run(network(), longer).history != report.history

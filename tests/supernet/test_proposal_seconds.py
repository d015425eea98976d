"""The estimate of a proposal's time: more with rows, epochs and pairs; of many pairs only the screen counts."""

from __future__ import annotations

import pytest

from autofi.space.load import load_space
from autofi.supernet import proposal_seconds as module
from autofi.supernet.proposal_seconds import SCREEN_SECONDS, proposal_seconds
from autofi.supernet.screening import BASE_EPOCHS
from autofi.testing.strategies import SPEC, example_dataset

SPACE = load_space("default")
PAIRS = len(SPEC.names) * (len(SPEC.names) - 1) // 2


def test_it_is_that_of_the_screen_and_of_supernets_for_every_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = example_dataset()
    screen = SCREEN_SECONDS * PAIRS * dataset.parts["train"].stop
    assert proposal_seconds(dataset, SPACE, epoch=0.0) == pytest.approx(screen)
    added = proposal_seconds(dataset, SPACE, epoch=3.0) - screen
    supernets = SPACE.search.epochs * (module.FOLDS - 1) * module.SUPERNET_EPOCH
    assert added == pytest.approx(3.0 * (BASE_EPOCHS + supernets))
    monkeypatch.setattr(module, "ENOUGH_ROWS", 100)
    one = proposal_seconds(dataset, SPACE, epoch=3.0) - screen
    assert one == pytest.approx(3.0 * (BASE_EPOCHS + supernets / (module.FOLDS - 1)))


def test_of_many_pairs_the_screen_is_worth_it_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = example_dataset()
    monkeypatch.setattr(module, "MOST_TARGET_ENCODED", PAIRS - 1)
    screen = SCREEN_SECONDS * PAIRS * dataset.parts["train"].stop
    assert proposal_seconds(dataset, SPACE, epoch=3.0) == pytest.approx(screen + 3.0 * BASE_EPOCHS)

"""Stages of a search are Optuna studies beside it: linked, written once, gone with an earlier study of that name."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from autofi.store import StudyHandle, StudyStore, resolve_storage
from autofi.study.dashboard_stages import SHOWN, show_proposal, show_trained, shown_of
from autofi.supernet.exploration import Exploration, ScoredArchitecture
from autofi.supernet.proposal import Proposal

FORMS = {"ad": ("embedding",), "site": ("embedding", "statistics")}
PAIR = ("ad", "site")
SLOTS = (
    (("ad",), (("embedding",), ("statistics",))),
    (PAIR, ((), ("factorize_hadamard",), ("memorize_embedding",))),
)
STREAMS = ({}, {"fm": {}, "linear": {}})
EXPLORATION = Exploration(
    SLOTS,
    STREAMS,
    (
        ScoredArchitecture((0, 0), 0, 0.50),
        ScoredArchitecture((0, 2), 1, 0.40, gain=0.1, standard_error=0.01),
        ScoredArchitecture((1, 1), 0, 0.45, gain=0.001, standard_error=0.01),
    ),
)
EVIDENCE = (
    {"slot": list(PAIR), "forms": ["memorize_embedding"], "gain": 0.02, "standard_error": 0.001},
    {"slot": ["site"], "forms": ["embedding", "statistics"], "gain": 0.01, "standard_error": 0.002},
)
PROPOSAL = Proposal(FORMS, FORMS, {}, {}, {}, evidence=EVIDENCE, exploration=EXPLORATION)


def made(url: str) -> StudyHandle:
    return StudyStore(resolve_storage(url)).create_or_resume(
        "mine",
        space_name="optinter",
        space_json="{}",
        space_fingerprint="f",
        data_source="clicks",
        data_fingerprint="d",
        settings={},
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


def loaded(url: str, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=url)


def test_what_the_supernet_accepted_and_what_was_explored_are_studies(url: str) -> None:
    with made(url) as handle:
        show_proposal(handle, PROPOSAL)
    supernet, explore = (loaded(url, f"mine/{stage}") for stage in ("supernet", "explore"))
    (selection,) = supernet.trials
    assert selection.value == pytest.approx(0.03)
    assert selection.intermediate_values == pytest.approx({1: 0.02, 2: 0.03})
    assert selection.user_attrs["moves"][0] == "ad × site: memorize_embedding (+0.02000 ± 0.00100)"
    assert [trial.value for trial in explore.trials] == [0.50, 0.40, 0.45]
    assert explore.best_trial.params == {
        "memorized pairs": 1,
        "factorized pairs": 0,
        "forms of fields": 1,
        "streams": "fm+linear",
    }
    assert explore.best_trial.user_attrs["differs"] == "ad × site: naive → memorize_embedding"
    assert explore.user_attrs["sure to gain"] == 1
    stages = {"supernet": "mine/supernet", "explore": "mine/explore"}
    assert loaded(url, "mine").user_attrs["autofi_stages"] == stages
    assert {study.user_attrs["autofi_of"] for study in (supernet, explore)} == {"mine"}


def test_a_stage_is_written_once(url: str) -> None:
    with made(url) as handle:
        show_proposal(handle, PROPOSAL)
        before = loaded(url, "mine/explore").trials
        show_proposal(handle, PROPOSAL)
    assert loaded(url, "mine/explore").trials == before


def test_a_stage_of_an_earlier_study_of_that_name_gives_way(url: str) -> None:
    with made(url) as handle:
        show_proposal(handle, PROPOSAL)
    optuna.delete_study(study_name="mine", storage=url)
    with made(url) as handle:
        few = Exploration(SLOTS, STREAMS, EXPLORATION.scored[:1])
        show_proposal(handle, Proposal(FORMS, FORMS, {}, {}, {}, exploration=few))
    assert len(loaded(url, "mine/explore").trials) == 1


def test_a_strategy_without_a_supernet_has_no_such_stages(url: str) -> None:
    with made(url) as handle:
        show_proposal(handle, Proposal(FORMS, FORMS, {}, {}, {}))
        show_trained(handle)
    assert optuna.get_all_study_names(url) == ["mine"]


def test_every_seed_that_was_trained_to_the_end_is_a_trial(url: str) -> None:
    with made(url) as handle:
        for seed, auc in enumerate((0.71, 0.72)):
            handle.record_model(
                role="winner", name="winner", seed=seed, metrics={"valid": {"auc": auc}, "test": {"auc": 0.7}}
            )
        handle.record_model(role="baseline", name="lightgbm", seed=0, metrics={"valid": {"auc": 0.69}})
        show_trained(handle)
        show_trained(handle)
    trained = loaded(url, "mine/retrain").trials
    assert [(trial.user_attrs["model"], trial.user_attrs["seed"], trial.value) for trial in trained] == [
        ("winner", 0, 0.71),
        ("winner", 1, 0.72),
        ("lightgbm", 0, 0.69),
    ]
    assert trained[0].user_attrs["test AUC"] == 0.7


def test_of_many_the_best_and_an_even_share_of_the_rest_are_shown() -> None:
    many = Exploration(
        SLOTS, STREAMS, tuple(ScoredArchitecture((0, 0), 0, 0.5 - 0.0001 * number) for number in range(1_000))
    )
    shown = shown_of(many)
    places = [place for place, _ in shown]
    assert places == sorted(places) and places[0] == 0
    assert set(range(1_000 - SHOWN, 1_000)) <= set(places)
    assert SHOWN < len(places) <= 2 * SHOWN + 1

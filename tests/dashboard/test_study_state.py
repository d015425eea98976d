"""The state of a study follows what a search records, sitting after sitting, and who lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofi.dashboard.study_state import WINNER, state_of, stopped_by
from autofi.engine.stopping import StoppingRule
from autofi.store import StudyHandle, StudyStore, resolve_storage
from autofi.store.stage_keys import GOAL, PROPOSAL, STOPPED
from tests.store.examples import CREATED, measured, start

REASON = "the 3 trials asked for are done"


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return StudyStore(resolve_storage(str(tmp_path / "a.db")))


def now(store: StudyStore) -> str:
    (study,) = store.overview([GOAL, STOPPED])
    return str(state_of(study))


def stop(handle: StudyHandle) -> None:
    handle.record_stage(STOPPED, {"reason": REASON, "trials": 3})


def test_a_study_goes_from_waiting_to_complete_and_on_again(store: StudyStore) -> None:
    with store.create_or_resume("mine", **CREATED) as handle:
        assert now(store) == "searching"
    assert now(store) == "waiting"
    with store.create_or_resume("mine", **CREATED) as handle:
        StoppingRule(3).keep(handle)
        handle.record_stage(PROPOSAL, {})
        handle.finish_trial(start(handle), 0.7, measured(0.7))
        assert now(store) == "searching"
        stop(handle)
        assert now(store) == "retraining"
        handle.record_stage(WINNER, {"architecture_id": "a1"})
        assert now(store) == "retraining"
    assert now(store) == "complete"
    # Another sitting, of more trials: the winner is of the one before.
    with store.create_or_resume("mine", **CREATED) as handle:
        StoppingRule(6).keep(handle)
        assert now(store) == "searching"
        assert stopped_by(store.overview([STOPPED])[0]) is None
    assert now(store) == "stopped"
    # Somebody retrains the best of what there is.
    with store.open("mine") as handle:
        handle.claim()
        handle.record_stage(WINNER, {"architecture_id": "a1"})
    assert now(store) == "complete"


def test_a_search_that_ended_without_a_winner_is_stopped_and_says_why(store: StudyStore) -> None:
    with store.create_or_resume("mine", **CREATED) as handle:
        StoppingRule(3).keep(handle)
        stop(handle)
    (study,) = store.overview([GOAL, STOPPED])
    assert (str(state_of(study)), stopped_by(study)) == ("stopped", REASON)


def test_workers_search_on_after_their_leader_died(store: StudyStore) -> None:
    with store.create_or_resume("mine", **CREATED) as leader, store.open("mine") as worker:
        StoppingRule(3).keep(leader)
        start(worker)
        leader.close()
        assert now(store) == "searching"
        worker.close()
        assert now(store) == "stopped"


def test_a_study_of_trials_and_nothing_else_is_stopped(store: StudyStore) -> None:
    with store.create_or_resume("mine", **CREATED) as handle:
        handle.finish_trial(start(handle), 0.7, measured(0.7))
    assert now(store) == "stopped"

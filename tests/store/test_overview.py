"""The list of studies at a glance says what reading every trial of every study says, on each kind of database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import optuna
import pytest
from optuna.storages import RDBStorage

from autofi.store import ModelRole, StorageURL, StudyHandle, StudyStore, TrialState
from autofi.store.optuna_stages import StageTrial
from tests.store.examples import CREATED, measured, start

MakeStudy = Callable[..., StudyHandle]
LIMITED = {**CREATED["settings"], "objectives": ["logloss", "auc"], "limits": ["table_bytes<=4kB"]}


def test_counts_best_values_and_moments_are_those_of_the_trials(
    store: StudyStore, make_study: MakeStudy
) -> None:
    plain, limited = make_study(store, "plain"), make_study(store, "limited", settings=LIMITED)
    for number, auc in enumerate((0.71, 0.79, 0.75)):
        plain.finish_trial(start(plain, architecture_id=f"a{number}"), auc, measured(auc))
    plain.fail_trial(start(plain, architecture_id="broken"), "out of memory")
    plain.prune_trial(start(plain, architecture_id="slow"))
    start(plain, architecture_id="running")
    (limit,) = limited.goals.limits
    for number, (logloss, over) in enumerate(((0.40, 1.0), (0.45, -5.0), (0.43, 0.0))):
        trial = start(limited, architecture_id=f"a{number}")
        limited.finish_trial(trial, (logloss, 0.7), measured(0.7), violations={str(limit): over})

    for found, handle in zip(store.overview(), (plain, limited), strict=True):
        trials = handle.trials()
        assert found.name == handle.name
        assert found.optuna_id == handle.optuna_study._study_id
        assert found.trials == Counter(trial.state for trial in trials)
        moments = [moment for trial in trials for moment in (trial.started, trial.finished) if moment]
        assert abs((found.changed - max(moments)).total_seconds()) < 1
        assert (found.data_source, found.space_name) == (CREATED["data_source"], CREATED["space_name"])
        kept = [trial.value for trial in trials if trial.state is TrialState.COMPLETE and trial.feasible]
        assert found.best == (max(kept) if handle is plain else min(kept))
    assert [found.best for found in store.overview()] == [0.79, 0.43]


def test_a_study_within_no_limit_has_no_best_value(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store, settings=LIMITED)
    (limit,) = study.goals.limits
    study.finish_trial(start(study), (0.4, 0.7), measured(0.7), violations={str(limit): 3.0})
    (found,) = store.overview()
    assert (found.best, found.trials) == (None, {TrialState.COMPLETE: 1})


def test_it_says_who_is_at_work(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store)
    assert [(found.led, found.workers, found.running) for found in store.overview()] == [(True, 0, 0)]
    start(study)
    assert [(found.led, found.workers, found.running) for found in store.overview()] == [(True, 1, 1)]
    study.close()
    # Its trial is as it was left; nobody runs it.
    (found,) = store.overview()
    assert (found.led, found.workers, found.running) == (False, 0, 0)
    assert found.trials == {TrialState.RUNNING: 1}


def test_stages_are_told_with_the_payloads_that_were_asked_for(
    store: StudyStore, make_study: MakeStudy
) -> None:
    before = datetime.now(UTC)
    study = make_study(store)
    study.record_stage("goal", {"trials": 7})
    study.record_stage("proposal", {"much": "x" * 1000})
    (found,) = store.overview(["goal", "stopped"])
    assert found.stages["goal"].payload == {"trials": 7}
    assert found.stages["proposal"].payload is None
    assert before <= found.stages["goal"].recorded_at <= found.changed <= datetime.now(UTC)


def test_the_version_changes_with_whatever_there_is_to_show(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store)
    seen = [store.overview()[0].version]

    def differs() -> None:
        seen.append(store.overview()[0].version)
        assert seen[-1] != seen[-2]

    assert store.overview()[0].version == seen[0]
    number = start(study)
    differs()
    study.finish_trial(number, 0.7, measured(0.7))
    differs()
    study.record_stage("winner", {"architecture_id": "a1"})
    differs()
    study.record_model(role=ModelRole.WINNER, name="winner", seed=0, metrics={"valid": {"auc": 0.7}})
    differs()
    assert store.overview()[0].version == seen[-1]


def test_studies_of_stages_are_no_studies_but_known_to_theirs(
    store: StudyStore, make_study: MakeStudy, outside: RDBStorage
) -> None:
    study, other = make_study(store), make_study(store, "other")
    for stage in ("explore", "retrain"):
        study.write_stage(stage, [StageTrial("0", 0.4)], measured="logloss", direction="minimize", about={})
    optuna.create_study(storage=outside, study_name="foreign")
    ids = {summary.study_name: summary._study_id for summary in optuna.get_all_study_summaries(outside)}
    assert [(found.name, dict(found.linked)) for found in store.overview()] == [
        ("clicks", {"explore": ids["clicks/explore"], "retrain": ids["clicks/retrain"]}),
        ("other", {}),
    ]
    assert other.name in ids


def test_stages_of_a_deleted_study_are_not_those_of_the_next_one_of_its_name(
    store: StudyStore, make_study: MakeStudy, outside: RDBStorage
) -> None:
    study = make_study(store)
    study.write_stage("explore", [StageTrial("0", 0.4)], measured="logloss", direction="minimize", about={})
    study.close()
    optuna.delete_study(study_name="clicks", storage=outside)
    assert store.overview() == ()
    make_study(store)
    assert [dict(found.linked) for found in store.overview()] == [{}]


def test_looking_waits_for_no_writer_and_makes_no_database(url: StorageURL, tmp_path: object) -> None:
    if url.file is None:
        pytest.skip("of files: servers lock rows")
    with StudyStore(url) as writing, writing.create_or_resume("mine", **CREATED) as study:
        with StudyStore(url, looking=True) as looking, writing._database.session():
            # The transaction holds the file's lock.
            assert [found.name for found in looking.overview()] == ["mine"]
            assert looking.open("mine").trials() == ()
        study.record_stage("after", {})
    url.file.unlink()
    assert StudyStore(url, looking=True).overview() == ()
    assert not url.file.exists()

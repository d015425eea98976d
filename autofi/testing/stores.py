"""The contract of the store of studies, over a database of any kind: trials, studies, records, ownership, Optuna."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.storages import RDBStorage
from sqlalchemy import select, update

from autofi.core.process_identity import current_process
from autofi.errors import ConfigError, StoreError, StudyMismatchError, StudyNotFoundError
from autofi.objectives.objectives import Goals
from autofi.store import ModelRole, StorageURL, StudyHandle, StudyStore, TrialState, lease
from autofi.store.database import Database
from autofi.store.tables import StudyRow
from autofi.testing.study_examples import (
    ARCHITECTURE,
    CHOICES,
    CREATED,
    DISTRIBUTIONS,
    PARAMS,
    measured,
    start,
)

MakeStudy = Callable[..., StudyHandle]


class StoreContract:
    """The contract of the store in every database; a subclass has a fixture `url`, a `StorageURL` without studies."""

    @pytest.fixture
    def store(self, url: StorageURL) -> Iterator[StudyStore]:
        """The store in the database."""
        with StudyStore(url) as opened:
            yield opened

    @pytest.fixture
    def outside(self, url: StorageURL) -> Iterator[RDBStorage]:
        """Return the database as another Optuna program sees it."""
        with seen_by_optuna(url) as storage:
            yield storage

    @pytest.fixture
    def make_study(self) -> Iterator[MakeStudy]:
        """`make_study(store, name, **changes)`: see `studies_closed`."""
        with studies_closed() as make:
            yield make

    def test_round_trip(self, store: StudyStore, make_study: MakeStudy) -> None:
        before = datetime.now(UTC)
        study = make_study(store)
        number = start(study, seed=7, attrs={"note": "kept", "budget": np.float32(0.5)})
        (running,) = study.trials()
        assert (running.state, running.finished, running.value) == (TrialState.RUNNING, None, None)

        study.finish_trial(number, np.float64(0.71), measured(0.71))
        (trial,) = study.trials()
        assert trial.number == number == 0
        assert trial.state == TrialState.COMPLETE
        assert trial.stage == "scratch"
        assert trial.architecture == ARCHITECTURE
        assert trial.architecture_id == "a1"
        assert trial.params == PARAMS
        assert trial.seed == 7
        assert trial.value == 0.71
        assert trial.valid == {"auc": 0.71, "logloss": 0.4}
        assert (trial.parameters, trial.table_bytes, trial.seconds) == (1200, 4800, 1.5)
        assert trial.attrs == {"note": "kept", "budget": 0.5}
        assert trial.started is not None and trial.finished is not None
        assert before - timedelta(seconds=1) <= trial.started <= trial.finished <= datetime.now(UTC)

    def test_a_failed_trial_says_why_and_where(self, store: StudyStore, make_study: MakeStudy) -> None:
        study = make_study(store)
        number = start(study)
        try:
            raise RuntimeError("loss is nan")
        except RuntimeError as error:
            study.fail_trial(number, error)
        (trial,) = study.trials()
        assert trial.state == TrialState.FAIL
        assert trial.error is not None
        assert trial.error.startswith("RuntimeError: loss is nan at ")
        assert 'raise RuntimeError("loss is nan")' in trial.error

    def test_an_end_is_final(self, store: StudyStore, make_study: MakeStudy) -> None:
        study = make_study(store)
        number = start(study)
        study.finish_trial(number, 0.7, measured(0.7))
        with pytest.raises(StoreError, match="trial 0 of study 'clicks' is not running"):
            study.finish_trial(number, 0.9, measured(0.9))
        with pytest.raises(StoreError, match="trial 5 of study 'clicks' is not running"):
            study.fail_trial(5, "no such trial")
        assert study.trials()[0].valid == {"auc": 0.7, "logloss": 0.4}

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_value_is_finite(self, store: StudyStore, make_study: MakeStudy, value: float) -> None:
        study = make_study(store)
        number = start(study)
        with pytest.raises(ValueError, match="trial 0 has the value"):
            study.finish_trial(number, value, {})
        assert study.trials()[0].state == TrialState.RUNNING

    def test_several_objectives_and_limits_are_kept_by_name(
        self, store: StudyStore, make_study: MakeStudy, outside: RDBStorage
    ) -> None:
        settings = {"objectives": ["logloss", "auc", "latency"], "limits": ["latency<=200", "auc>=.5"]}
        study = make_study(store, settings=settings)
        within = {"latency<=200.0": -20.0, "auc>=0.5": -0.2}
        beyond = {"latency<=200.0": 50.0, "auc>=0.5": -0.3}
        for seed, (values, violations) in enumerate(
            [((0.4, 0.7, 180.0), within), ((0.3, 0.8, 250.0), beyond)]
        ):
            study.finish_trial(start(study, seed=seed), values, measured(values[1]), violations=violations)
        first, second = study.trials()
        assert (first.value, first.values) == (0.4, {"logloss": 0.4, "auc": 0.7, "latency": 180.0})
        assert [first.violations, second.violations] == [within, beyond]
        assert [first.feasible, second.feasible] == [True, False]
        seen = optuna.load_study(study_name="clicks", storage=outside)
        assert seen.metric_names == ["valid logloss", "valid AUC", "latency (us)"]
        assert [trial.number for trial in seen.best_trials] == [0]
        # What optuna-dashboard reads.
        assert seen.trials[1].system_attrs["constraints"] == [50.0, -0.3]
        (summary,) = store.list()
        assert (summary.trials, summary.best_valid_auc) == (2, 0.7)

    def test_there_is_a_value_for_every_objective(self, store: StudyStore, make_study: MakeStudy) -> None:
        study = make_study(store, settings={"objectives": ["auc", "flops"]})
        number = start(study)
        with pytest.raises(ValueError, match="has 1 values, and the study has the objectives"):
            study.finish_trial(number, 0.7)
        with pytest.raises(ValueError, match="trial 0 has the value inf"):
            study.finish_trial(number, (0.7, float("inf")))
        assert study.trials()[0].state == TrialState.RUNNING

    def test_parameters_fit_their_distributions(self, store: StudyStore, make_study: MakeStudy) -> None:
        study = make_study(store)
        with pytest.raises(ValueError, match="'width' has no distribution"):
            start(study, params={"width": 3})
        with pytest.raises(ValueError):
            start(study, params={"embedding size": 5000})
        with pytest.raises(ValueError):
            start(study, params={"pair user×item": "hash"})
        assert study.trials() == ()

    def test_attributes_fit_every_database(self, store: StudyStore, make_study: MakeStudy) -> None:
        study = make_study(store)
        with pytest.raises(ValueError, match="attribute 'curve' has 70002 bytes, and 60000 is the most"):
            start(study, attrs={"curve": "x" * 70_000})
        # An architecture of a hundred fields has five thousand pairs.
        large = {f"field {i}×field {j}": "memorize" for i in range(100) for j in range(i)}
        start(study, architecture=large)
        assert study.trials()[0].architecture == large

    def test_not_a_number_is_kept_as_missing(self, store: StudyStore, make_study: MakeStudy) -> None:
        study = make_study(store)
        study.finish_trial(start(study), 0.5, {"valid": {"auc": 0.5, "logloss": float("inf")}})
        assert study.trials()[0].valid == {"auc": 0.5, "logloss": None}

    def test_an_architecture_is_kept_once_for_all_seeds(
        self, store: StudyStore, make_study: MakeStudy
    ) -> None:
        study = make_study(store)
        for seed in range(3):
            study.finish_trial(start(study, seed=seed), 0.7, measured(0.7))
        assert [trial.seed for trial in study.trials()] == [0, 1, 2]
        assert all(trial.architecture == ARCHITECTURE for trial in study.trials())

    def test_record_round_trip(self, store: StudyStore, make_study: MakeStudy) -> None:
        study = make_study(store)
        study.close()
        record = store.open("clicks").record
        assert record == study.record
        assert record.space == {"pairs": list(CHOICES), "title": "größe"}
        assert record.settings == {"seed": 3, "seeds": [0, 1, 2], "split": "random:0.8,0.1,0.1"}
        assert record.versions["optuna"] == optuna.__version__
        assert record.created_at.tzinfo is UTC

    def test_other_objectives_or_limits_are_refused(self, store: StudyStore, make_study: MakeStudy) -> None:
        make_study(store, settings={"objectives": ["auc", "flops"], "limits": ["flops<=1k"]}).close()
        assert Goals.from_json(store.settings("clicks") or {}) == Goals.parse(
            ["auc", "flops"], ["flops<=1000"]
        )
        assert store.settings("other") is None
        with pytest.raises(StudyMismatchError) as refusal:
            make_study(store, settings={"objectives": ["auc"]})
        assert str(refusal.value) == (
            "study 'clicks' was made with other objectives or limits (auc, flops, flops<=1000.0, now auc); "
            "give the new search another name (--study)."
        )

    def test_resume_continues_and_keeps_the_stored_settings(
        self, store: StudyStore, make_study: MakeStudy
    ) -> None:
        with make_study(store) as study:
            study.finish_trial(start(study), 0.7, measured(0.7))
        again = make_study(store, settings={"seed": 99})
        assert again.record.settings == study.record.settings
        assert start(again, architecture_id="a2") == 1
        assert [trial.architecture_id for trial in again.trials()] == ["a1", "a2"]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"space_name": "autofis", "space_fingerprint": "ff" * 32},
                "study 'clicks' was made with another search space ('optinter' 5a5a5a5a5a5a, "
                "now 'autofis' ffffffffffff); give the new search another name (--study).",
            ),
            (
                {"data_source": "new.csv", "data_fingerprint": "ee" * 32},
                "study 'clicks' was made with other data ('clicks.parquet' dadadadadada, "
                "now 'new.csv' eeeeeeeeeeee); give the new search another name (--study).",
            ),
        ],
    )
    def test_another_space_or_other_data_is_refused(
        self, store: StudyStore, make_study: MakeStudy, changes: dict[str, str], message: str
    ) -> None:
        make_study(store).close()
        with pytest.raises(StudyMismatchError) as refusal:
            make_study(store, **changes)
        assert str(refusal.value) == message

    def test_other_data_by_an_earlier_reading_is_said_to_be_that(
        self, store: StudyStore, make_study: MakeStudy
    ) -> None:
        make_study(store).close()
        with pytest.raises(
            StudyMismatchError, match="made with an earlier version of AutoFI, which read and split"
        ):
            make_study(store, data_fingerprint="ee" * 32, settings={"reading": 2})

    def test_an_unknown_name_gets_the_nearest(self, store: StudyStore, make_study: MakeStudy) -> None:
        make_study(store, "clicks")
        with pytest.raises(StudyNotFoundError, match="no study 'clickz'.*did you mean 'clicks'"):
            store.open("clickz")

    @pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "ends.", "a\nb", "x" * 121])
    def test_a_name_is_a_folder_name(self, store: StudyStore, make_study: MakeStudy, name: str) -> None:
        with pytest.raises(ConfigError, match="a study's name has 1 to 120") as error:
            make_study(store, name)
        assert str(error.value).isprintable()

    def test_list(self, store: StudyStore, make_study: MakeStudy) -> None:
        assert store.list() == ()
        make_study(store, "empty")
        study = make_study(store, "clicks")
        for seed, value in enumerate([0.6, 0.8, 0.7]):
            study.finish_trial(start(study, seed=seed), value, measured(value))
        study.fail_trial(start(study, seed=4), "out of memory")
        start(study, seed=5)
        for name in ("first", "second"):
            study.record_model(role="winner", name=name, architecture_id=f"id of {name}", seed=0, metrics={})
        empty, clicks = store.list()
        assert (empty.name, empty.trials, empty.best_valid_auc, empty.winner) == ("empty", 0, None, None)
        assert (clicks.name, clicks.trials, clicks.best_valid_auc) == ("clicks", 3, 0.8)
        assert clicks.winner == "id of second"
        assert (clicks.data_source, clicks.space_name) == ("clicks.parquet", "optinter")
        assert clicks.created_at == study.record.created_at

    def test_a_study_of_another_program_is_left_alone(
        self, store: StudyStore, make_study: MakeStudy, outside: RDBStorage
    ) -> None:
        make_study(store, "mine")
        foreign = optuna.create_study(study_name="foreign", storage=outside)
        foreign.add_trial(optuna.trial.create_trial(value=1.0))
        with pytest.raises(StoreError, match="study 'foreign'.* was made by another Optuna program"):
            make_study(store, "foreign")
        with pytest.raises(StudyNotFoundError):
            store.open("foreign")
        assert [summary.name for summary in store.list()] == ["mine"]

    def test_a_study_deleted_in_the_dashboard_is_gone_with_all_it_had(
        self, store: StudyStore, make_study: MakeStudy, outside: RDBStorage
    ) -> None:
        with make_study(store) as study:
            study.finish_trial(start(study), 0.7, measured(0.7))
            study.record_stage("supernet", {"epochs": 3})
            study.record_model(role="winner", name="w", seed=0, metrics={})
            study.record_export(Path("model"), architecture_id="a1")
        optuna.delete_study(study_name="clicks", storage=outside)
        assert store.list() == ()
        with pytest.raises(StudyNotFoundError):
            store.open("clicks")
        fresh = make_study(store, space_fingerprint="00" * 32)
        assert (fresh.trials(), fresh.models(), fresh.exports()) == ((), (), ())
        assert fresh.stage("supernet") is None

    def test_stages_are_finished_work_a_resume_reads(self, store: StudyStore, make_study: MakeStudy) -> None:
        with make_study(store) as study:
            assert study.stage("supernet") is None
            study.record_stage("supernet", {"selection": ["a1"], "gates": np.array([0.5, 0.25])})
            study.record_stage("supernet", {"selection": ["a2"], "curve": "x" * 100_000})
        again = make_study(store)
        assert again.stage("supernet") == {"selection": ["a2"], "curve": "x" * 100_000}
        assert make_study(store, "other").stage("supernet") is None

    def test_stages_of_a_prefix_are_read_and_forgotten_together(
        self, store: StudyStore, make_study: MakeStudy
    ) -> None:
        with make_study(store) as study, make_study(store, "other") as other:
            for key in ("rashomon", "rashomon/b", "rashomon/a", "rashomon_x", "rash%/c"):
                study.record_stage(key, {"key": key})
            other.record_stage("rashomon/a", {"of": "another study"})
            found = study.stages("rashomon/")
            assert list(found.items()) == [
                ("rashomon/b", {"key": "rashomon/b"}),
                ("rashomon/a", {"key": "rashomon/a"}),
            ]
            # What a database takes for any text is a letter here.
            assert study.stages("rash%/") == {"rash%/c": {"key": "rash%/c"}}
            study.drop_stages("rashomon/")
            assert study.stages("rashomon/") == {}
            assert study.stage("rashomon") == {"key": "rashomon"}
            assert study.stage("rashomon_x") is not None
            assert other.stage("rashomon/a") is not None

    def test_models_round_trip_and_replace(
        self, store: StudyStore, make_study: MakeStudy, tmp_path: Path
    ) -> None:
        study = make_study(store)
        bundle = study.artifacts / "winner" / "seed-0"
        for auc in (0.7, 0.75):
            study.record_model(
                role=ModelRole.WINNER,
                name="winner",
                architecture_id="a1",
                seed=0,
                refit=True,
                metrics={"test": {"auc": auc, "logloss": 0.3}},
                parameters=10,
                table_bytes=5_000_000_000,
                seconds=2.5,
                path=bundle,
            )
        study.record_model(role="baseline", name="LightGBM", seed=0, metrics={"test": {"auc": 0.6}})
        winner, baseline = study.models()
        assert winner.metrics == {"test": {"auc": 0.75, "logloss": 0.3}}
        assert (winner.role, winner.refit, winner.path) == (ModelRole.WINNER, True, bundle)
        assert (winner.parameters, winner.table_bytes, winner.seconds) == (10, 5_000_000_000, 2.5)
        assert (baseline.architecture_id, baseline.path, baseline.parameters) == ("", None, None)
        assert study.models("winner") == (winner,)
        assert study.models(ModelRole.BASELINE) == (baseline,)
        with pytest.raises(ValueError):
            study.models("champion")

    def test_exports_keep_absolute_paths(
        self, store: StudyStore, make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study = make_study(store)
        monkeypatch.chdir(tmp_path)
        study.record_export(Path("model"), architecture_id="a1")
        (export,) = study.exports()
        assert (export.path, export.architecture_id) == (tmp_path / "model", "a1")

    def test_a_second_search_is_refused_and_reading_is_not(
        self, store: StudyStore, make_study: MakeStudy
    ) -> None:
        study = make_study(store)
        with pytest.raises(StoreError, match=f"is being searched by process {os.getpid()}, which is this"):
            make_study(store)
        with StudyStore(store.url) as elsewhere:
            reader = elsewhere.open("clicks")
            assert reader.trials() == ()
            number = start(study)
            assert [trial.state for trial in reader.trials()] == [TrialState.RUNNING]
            study.finish_trial(number, 0.7, measured(0.7))
            assert reader.trials() == study.trials()
            reader.record_stage("report", {"read": True})
            assert reader.reap() == (), "what a living process runs is not freed"
        assert study.stage("report") == {"read": True}

    def test_released_by_with_even_after_an_error(self, store: StudyStore, make_study: MakeStudy) -> None:
        with pytest.raises(KeyboardInterrupt), make_study(store):
            raise KeyboardInterrupt
        assert make_study(store).is_claimed()

    def test_released_when_the_handle_is_dropped(self, store: StudyStore) -> None:
        for _ in range(2):
            handle = store.create_or_resume("clicks", **CREATED)
            assert handle.is_claimed()
            del handle

    def test_an_owner_on_another_host_is_alive_while_it_renews(
        self, store: StudyStore, make_study: MakeStudy
    ) -> None:
        make_study(store).close()
        self._own(store, place="another machine", seen=datetime.now(UTC) - timedelta(seconds=30))
        with pytest.raises(StoreError, match="process 1 on host 'far', last seen 3[0-9] s ago"):
            make_study(store)
        self._own(store, place="another machine", seen=datetime.now(UTC) - timedelta(seconds=300))
        assert make_study(store).is_claimed()

    def test_a_search_renews_its_claim(
        self, store: StudyStore, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lease, "RENEW_SECONDS", 0.01)
        study = make_study(store)
        first = self._seen(store)
        # Ends by the suite's time limit if the claim is never renewed.
        while self._seen(store) == first:
            assert study.is_claimed()
        study.close()
        assert self._seen(store) is None

    def test_a_reused_process_number_is_not_the_owner(self, store: StudyStore, make_study: MakeStudy) -> None:
        make_study(store).close()
        me = current_process()
        self._own(store, place=me.place, seen=datetime.now(UTC), pid=me.pid, started="before")
        assert make_study(store).is_claimed()

    @staticmethod
    def _seen(store: StudyStore) -> datetime | None:
        database = Database(store.url)
        with database.session() as session:
            seen = session.scalar(select(StudyRow.owner_seen_at))
        database.close()
        return seen

    @staticmethod
    def _own(store: StudyStore, *, place: str, seen: datetime, pid: int = 1, started: str = "then") -> None:
        database = Database(store.url)
        with database.session() as session:
            session.execute(
                update(StudyRow).values(
                    owner_pid=pid,
                    owner_host="far",
                    owner_place=place,
                    owner_started=started,
                    owner_token="theirs",
                    owner_seen_at=seen,
                )
            )
        database.close()

    def test_names_differ_by_case_or_are_refused(self, store: StudyStore, make_study: MakeStudy) -> None:
        """MySQL's usual collations take one for the other: a search must not go on with somebody else's study."""
        make_study(store, "clicks")
        if store.url.backend == "mysql":
            with pytest.raises(
                StoreError, match="study 'Clicks' has the name of study 'clicks' as far as mysql"
            ):
                make_study(store, "Clicks")
        else:
            make_study(store, "Clicks")
        assert len(store.list()) == 1 + (store.url.backend != "mysql")

    def test_names_of_every_language_come_back(self, store: StudyStore, make_study: MakeStudy) -> None:
        study = make_study(store, "点击_größe", data_source="/données/点击.parquet")
        study.finish_trial(start(study, attrs={"describe": "点击 × größe"}), 0.7, measured(0.7))
        (summary,) = store.list()
        assert (summary.name, summary.data_source) == ("点击_größe", "/données/点击.parquet")
        assert study.trials()[0].attrs == {"describe": "点击 × größe"}

    def test_optuna_reads_what_was_measured(
        self, store: StudyStore, make_study: MakeStudy, outside: RDBStorage
    ) -> None:
        study = make_study(store)
        for seed, value in enumerate([0.6, 0.8]):
            study.finish_trial(start(study, seed=seed), value, measured(value))
        seen = optuna.load_study(study_name="clicks", storage=outside)
        assert seen.direction == optuna.study.StudyDirection.MAXIMIZE
        assert seen.metric_names == ["valid AUC"]
        assert seen.best_value == 0.8
        assert seen.best_trial.params == PARAMS
        assert seen.best_trial.user_attrs["valid"] == {"auc": 0.8, "logloss": 0.4}
        assert seen.user_attrs["autofi_space"] == "optinter"
        assert study.optuna_study.best_value == 0.8

    def test_a_trial_is_as_optuna_itself_would_have_written_it(
        self, store: StudyStore, make_study: MakeStudy, outside: RDBStorage
    ) -> None:
        """One attribute and one parameter at a time, as slowly as its own storage does."""
        study = make_study(store, settings={"objectives": ["logloss", "auc"]})
        number = start(study, attrs={"describe": "größe"})
        study.finish_trial(number, (0.4, 0.7), measured(0.7), violations={"auc>=0.8": 0.1})
        study_id = outside.get_study_id_from_name("clicks")
        (ours,) = outside.get_all_trials(study_id)

        trial_id = outside.create_new_trial(study_id)
        for name, distribution in ours.distributions.items():
            internal = distribution.to_internal_repr(PARAMS[name])
            outside.set_trial_param(trial_id, name, internal, DISTRIBUTIONS[name])
        for name, value in ours.user_attrs.items():
            outside.set_trial_user_attr(trial_id, name, value)
        theirs = optuna.trial.Trial(optuna.load_study(study_name="clicks", storage=outside), trial_id)
        theirs.set_constraint("auc>=0.8", 0.1)
        outside.set_trial_system_attr(trial_id, "constraints", [0.1])
        outside.set_trial_state_values(trial_id, optuna.trial.TrialState.COMPLETE, [0.4, 0.7])
        first, second = outside.get_all_trials(study_id)
        assert (first.number, second.number) == (0, 1)
        for same in ("state", "values", "params", "distributions", "user_attrs", "system_attrs"):
            assert getattr(first, same) == getattr(second, same), same
        assert first.datetime_start is not None and second.datetime_start is not None
        assert abs(second.datetime_start - first.datetime_start) < timedelta(minutes=10), "the same time zone"

    def test_choices_stay_the_same_through_the_study(self, store: StudyStore, make_study: MakeStudy) -> None:
        study = make_study(store)
        start(study)
        for seed in (1, 2):
            with pytest.raises(ValueError, match="dynamic value space"):
                start(
                    study,
                    seed=seed,
                    params={"pair user×item": "naive"},
                    distributions={"pair user×item": CategoricalDistribution(["naive", "hash"])},
                )
        assert len(study.trials()) == 1

    def test_optunas_settings_are_left_as_they_were(
        self, store: StudyStore, make_study: MakeStudy, capfd: pytest.CaptureFixture[str]
    ) -> None:
        level = optuna.logging.get_verbosity()
        make_study(store)
        assert optuna.logging.get_verbosity() == level
        assert capfd.readouterr().err == ""


@contextmanager
def seen_by_optuna(url: StorageURL) -> Iterator[RDBStorage]:
    """Open a database as another Optuna program does."""
    storage = RDBStorage(url.url)
    yield storage
    storage.remove_session()
    storage.engine.dispose()


@contextmanager
def studies_closed() -> Iterator[MakeStudy]:
    """Give `make(store, name, **changes)`, which creates or resumes a study; close all of them at the end."""
    opened: list[StudyHandle] = []

    def make(store: StudyStore, name: str = "clicks", **changes: str) -> StudyHandle:
        handle = store.create_or_resume(name, **{**CREATED, **changes})
        opened.append(handle)
        return handle

    yield make
    for handle in opened:
        handle.close()

"""A study for its user: its results, its winner, and the operations on it."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autofi.baselines.train import cut_baselines
from autofi.bundle.files import FORMS, forms_of, quantization_of
from autofi.core.device import pick_device
from autofi.core.json import json_text
from autofi.core.progress import Progress, SilentProgress
from autofi.data.boosted_trees import FOLDS
from autofi.data.load import open_again
from autofi.engine.observer import Observed, SearchObserver
from autofi.engine.trials import use_recorded_trees
from autofi.errors import ConfigError, ExportError, StoreError
from autofi.evaluation.cores import default_jobs, threads_for
from autofi.evaluation.workbench import Workbench
from autofi.metrics.over_seeds import kept_test_error, mean_figures, over_seeds, paired_over_seeds
from autofi.metrics.ranking import PairedDifference, auc_interval, delong, paired_logloss
from autofi.records.best_so_far import best_so_far, drop_best_so_far
from autofi.records.best_trial import best_trial, complete_trials, decide, front_trials, nearest_miss
from autofi.records.calibrate import calibrate as fitted_calibration, check_calibration
from autofi.records.data_checks import check_once
from autofi.records.kept_networks import drop_networks
from autofi.records.models import current_baselines
from autofi.records.predictions import (
    load_labels,
    load_predictions,
    load_untested,
    load_weights,
    model_key,
)
from autofi.records.trees_alone import delivered
from autofi.records.value_frequencies import save_frequencies
from autofi.records.winner import HAND, RULE, choose, crown, crowned, keep
from autofi.records.winner_reasons import why_not
from autofi.report.findings import Findings, read_findings
from autofi.report.html_page import page_html
from autofi.report.json_document import report_document
from autofi.report.markdown import write_report
from autofi.report.output_path import report_target, write_whole
from autofi.report.study_figures import StudyFigures
from autofi.space.architecture import Architecture
from autofi.space.renamed_keys import current_parameters
from autofi.store import (
    KeptSummary,
    ModelRecord,
    ModelRole,
    StudyHandle,
    StudyStore,
    TrialRecord,
    resolve_storage,
)
from autofi.store.quick_lookup import not_finished
from autofi.store.records import LEADERS
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import DATA, FIELDS, PROPOSAL, SECONDS, STOPPED, TIME, TREES
from autofi.store.winner_record import WINNER
from autofi.study.dashboard_observer import DashboardObserver
from autofi.study.retrain import retrain_winner
from autofi.supernet.exploration import Exploration

if TYPE_CHECKING:
    import pandas

    from autofi.rashomon.explore import ExploringSettings
    from autofi.rashomon.result import RashomonSet

_logger = logging.getLogger(__name__)


class Study:
    """A study of architectures, which `autofi.search` returns and `autofi.open_study` opens."""

    def __init__(self, store: StudyStore, handle: StudyHandle, bench: Workbench | None = None) -> None:
        self._store, self._handle, self._bench = store, handle, bench

    def __repr__(self) -> str:
        return f"Study({self.name!r}, storage={self.storage!r})"

    def close(self) -> None:
        """Release the connections of the database; using the study opens it again."""
        self._handle.close()
        self._store.close()

    @property
    def name(self) -> str:
        return self._handle.name

    @property
    def storage(self) -> str:
        """The storage's URL, passwords masked."""
        return str(self._store.url)

    @property
    def best(self) -> Architecture:
        """The best architecture on validation rows within the limits; raises LimitError where none keeps them."""
        return Architecture.from_json(best_trial(self._handle).architecture)

    def leaderboard(self) -> pandas.DataFrame:
        """Return every measured architecture, one row per complete trial.

        Trials within the limits come first, best first by the first objective.
        """
        import pandas

        return pandas.DataFrame(self._leaderboard_rows())

    def front(self) -> pandas.DataFrame:
        """Return the Pareto front: the measured architectures within the limits that no other beats in every objective.

        They are sorted best first by the first objective, with a column per objective in the units of
        `autofi.objectives.OBJECTIVES`. Any of them can be exported.

        Raises:
            LimitError: No architecture keeps the limits.
        """
        import pandas

        return pandas.DataFrame(
            {key: value for key, value in point.items() if key != "values"} | point["values"]
            for point in self._points()
        )

    def summary(self) -> dict[str, Any]:
        """Return everything that `autofi search --json` prints; unknown values are None.

        It was kept when the search ended; otherwise it is computed, from the predictions of many trials.
        """
        kept = self._handle.kept_summary()
        return self._computed_summary() if kept is None else dict(kept.summary)

    def keep_summary(self) -> KeptSummary:
        """Compute what `autofi show` prints and keep it, so that it need not be computed until the study changes.

        Nothing is kept while the study is searched, or where the database cannot be written.
        """
        version, rows = self._handle.summary_version(), self._leaderboard_rows()
        found = KeptSummary(self._computed_summary(), rows[:LEADERS], len(rows))
        if not self._handle.is_led():
            try:
                self._handle.keep_summary(found, version)
            except StoreError as error:
                # Somebody who may only read the studies can look at them all the same.
                _logger.debug("the summary of study '%s' is not kept: %s", self.name, error)
        return found

    def _computed_summary(self) -> dict[str, Any]:
        trials, goals, early = complete_trials(self._handle), self._handle.goals, best_so_far(self._handle)
        feasible = any(trial.feasible for trial in trials)
        won = self._handle.stage(WINNER) or {}
        baselines = current_baselines(self._handle)
        known: dict[str, Any] = {
            "study": self.name,
            "storage": self.storage,
            "best": None,
            # The trial whose bundle can be exported before there is a winner.
            "best_so_far": early and early.told(),
            "winner": None,
            "baselines": [self._model(name, models) for name, models in baselines.items()],
            "comparison": None,
            "untested": load_untested(self._handle),
            "apart": None,
            "pairs": [],
            "fields": [],
            "streams": [],
            "boosted_share": None,
            "warnings": self._warnings(),
            **goals.to_json(),
            "front": self._points() if goals.several and feasible else None,
            "missed": [],
            "choice": None,
            "reasons": [],
            "retrained": self.retrained(),
            "counted_earlier": _counted_earlier(trials),
            "explored": self._explored(),
            "stopped": self._stopped(),
            "time": self._time(),
            "seconds": self._seconds(),
        }
        if not feasible and not won:
            closest = nearest_miss(self._handle, trials) if trials else None
            return known | {"missed": goals.missed(closest.violations) if closest else []}
        decision = decide(self._handle) if feasible else None
        best = (
            None if decision is None else next(trial for trial in trials if trial.number == decision.winner)
        )
        choice = crowned(self._handle)
        won_id = won.get("architecture_id")
        winner = next((trial for trial in trials if trial.architecture_id == won_id), best)
        assert winner is not None
        winners = self._winners(winner.architecture_id, refit=bool(won.get("refit")))
        architecture = delivered(winner)
        return known | {
            "best": best
            and {
                "trial": best.number,
                "architecture_id": best.architecture_id,
                "valid": dict(best.valid or {}),
            },
            "winner": self._model("winner", winners) if winners else None,
            "comparison": self._comparison(winners, baselines),
            "apart": (self._handle.stage(FIELDS) or {}).get("apart"),
            "pairs": self._pairs(architecture),
            "fields": [
                {"name": name, "forms": list(architecture.fields[name])}
                for name in self._names(architecture)
                if name in architecture.fields
            ],
            "streams": architecture.chosen_streams(),
            # The share of boosted trees in the logit; None where the architecture has none.
            "boosted_share": winner.attrs.get("boosted_share") if architecture.boosting else None,
            # Who chose the trained winner, and how many models had been measured on test rows before.
            "choice": choice and choice.told(),
            # Why trials that are ahead of the winner in a validation metric did not win, in words.
            "reasons": why_not(
                goals,
                trials,
                winner,
                choice.by if choice else RULE,
                choice.decision if choice else decision,
                trained=choice is not None,
            ),
            # In words; only a trial that was chosen by its number wins beyond the limits.
            "missed": goals.missed(winner.violations),
        }

    def _leaderboard_rows(self) -> list[dict[str, Any]]:
        """Return the rows of `leaderboard`."""
        goals = self._handle.goals
        ranked = sorted(
            complete_trials(self._handle),
            key=lambda trial: (not trial.feasible, *goals.order(trial.values), trial.number),
        )
        return [
            {
                "trial": trial.number,
                "feasible": trial.feasible if goals.limits else None,
                "valid_auc": (trial.valid or {}).get("auc"),
                "valid_logloss": (trial.valid or {}).get("logloss"),
                "valid_gauc": (trial.valid or {}).get("gauc"),
                "parameters": trial.parameters,
                "table_rows": trial.attrs.get("table_rows"),
                "table_bytes": trial.table_bytes,
                "flops": trial.attrs.get("flops"),
                "latency": trial.attrs.get("latency"),
                "seconds": trial.seconds,
                "architecture": trial.attrs.get("describe"),
                "architecture_id": trial.architecture_id,
                **current_parameters(trial.params),
            }
            for trial in ranked
        ]

    def retrain(
        self,
        trial: int | None = None,
        seeds: int | None = None,
        *,
        make_winner: bool = False,
        jobs: int | None = None,
        progress: Progress | None = None,
    ) -> Study:
        """Train the winner, or the architecture of a trial, from scratch and score it on test rows.

        Models of a trial are kept beside the winner (see `retrained`). The data is opened again as the search opened
        it; a study of a table in memory can be retrained only by the process that searched it.

        Args:
            trial: Number of the trial; by default the winner.
            seeds: Number of trainings; seeds that are recorded already are not repeated.
            make_winner: Make the trial the winner. The study then tells how many models had been scored on test rows
                before that.
            jobs: Trainings at once, each in a process of its own.
            progress: Receiver of progress.
        """
        progress = progress or SilentProgress()
        handle, settings = self._handle, self._settings
        if trial is None and make_winner:
            raise ConfigError(
                "make_winner needs the number of a trial, and there is none; name one (--trial N)."
            )
        choice, decision = crowned(handle), None
        if trial is not None:
            record = self._trial(trial)
        elif choice is not None:
            record = self._trial(choice.trial)
        else:
            decision = decide(handle)
            record = self._trial(decision.winner)
        is_winner = choice is not None and choice.architecture_id == record.architecture_id
        wins = trial is None or make_winner or is_winner
        if make_winner and not is_winner:
            for missed in handle.goals.missed(record.violations):
                progress.note(f"Trial {record.number} becomes the winner, although {missed}.")
        elif not wins:
            progress.note(f"Trial {record.number} is trained beside the winner (--make-winner replaces it).")
        with handle, ExitStack() as threads:
            bench = self._claimed_bench(jobs, progress)
            threads.enter_context(threads_for(bench.dataset, bench.device))
            if choice is not None and is_winner:
                keep(handle, choice)
            elif wins:
                # Chosen before test rows are read, so that a resumed retraining does not count its own models.
                choice = choose(handle, record, by=HAND if make_winner else RULE, decision=decision)
            role = ModelRole.WINNER if wins else ModelRole.RETRAINED
            self._train(bench, record, role, seeds=seeds or settings.seeds, progress=progress)
            if wins:
                assert choice is not None
                crown(handle, choice, refit=settings.refit)
                drop_networks(handle)
                drop_best_so_far(handle)
            Observed(DashboardObserver(), progress).tell(SearchObserver.models_trained, handle)
        self.keep_summary()
        return self

    def retrained(self) -> list[dict[str, Any]]:
        """Return the models of trials other than the winner that were retrained, in the order of their numbers.

        They were retrained to be compared or exported, or were winners before. Each is as in `summary`, with its
        trial's number.
        """
        won = (self._handle.stage(WINNER) or {}).get("architecture_id")
        numbers = {trial.architecture_id: trial.number for trial in complete_trials(self._handle)}
        refit = bool(self._handle.record.settings.get("refit"))
        found: dict[str, dict[int, ModelRecord]] = {}
        for role in (ModelRole.WINNER, ModelRole.RETRAINED):
            for model in self._handle.models(role):
                if model.architecture_id != won and model.architecture_id in numbers and model.refit == refit:
                    found.setdefault(model.architecture_id, {})[model.seed] = model
        return [
            {"trial": numbers[key], **self._model(f"trial {numbers[key]}", list(models.values()))}
            for key, models in sorted(found.items(), key=lambda item: numbers[item[0]])
        ]

    def _claimed_bench(self, jobs: int | None, progress: Progress) -> Workbench:
        """Return the data, and claim the study for trainings on it."""
        bench = self._bench or self._open_bench(self._settings, progress)
        if jobs is not None:
            bench.jobs = jobs
        self._handle.claim()
        return bench

    def _train(
        self, bench: Workbench, record: TrialRecord, role: ModelRole, *, seeds: int, progress: Progress
    ) -> None:
        """Train a trial's architecture from fresh weights and keep the bundles; the study must be claimed."""
        settings = self._settings
        # An earlier version may have searched without these.
        check_once(self._handle, bench.dataset, seed=settings.seed)
        save_frequencies(self._handle, bench.dataset)
        retrain_winner(
            self._handle,
            bench,
            Architecture.from_json(record.architecture),
            seeds=seeds,
            seed=settings.seed,
            refit=settings.refit,
            progress=progress,
            role=role,
        )

    @property
    def _settings(self) -> SearchSettings:
        return SearchSettings.from_json(self._handle.record.settings)

    def export(
        self,
        path: str | Path,
        trial: int | None = None,
        *,
        forms: Sequence[str] = FORMS,
        calibrate: str | None = None,
        quantize: str | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write the bundle of the winner, or of a trial, to a folder.

        Before there is a winner, while the search runs or after it was interrupted, the best trial so far is written:
        the first of `leaderboard`. It was measured on validation rows only, and has not been through the finals.

        The architecture of a trial that has no bundle yet is retrained first, with one seed, as `retrain` does. The
        recorded winner stays the winner.

        Args:
            path: Folder to write: new, empty, or a bundle to replace.
            trial: Number of a trial; by default the winner, the best of its seeds on validation rows, or else the best
                trial so far.
            forms: Forms of the model: `onnx`, `pt2`, `torch`.
            calibrate: `platt` or `isotonic`: calibrate the probabilities on the validation rows; needs a winner.
            quantize: `fp16` (half of the bytes) or `int8` (down to a quarter): how tables and weights of the form
                `onnx` are stored; `pt2` and `torch` stay float32. Refused where probabilities change by more than 0.02
                on average.
            progress: Receiver of progress.
        """
        # torch's exporter to ONNX takes seconds to import.
        from autofi.export.export import export_bundle
        from autofi.study.export_best_so_far import export_best_so_far

        progress = progress or SilentProgress()
        chosen = forms_of(forms)
        smaller = quantization_of(quantize, chosen)
        if trial is None and export_best_so_far(
            self._handle, path, forms=chosen, calibrate=calibrate, quantize=smaller, progress=progress
        ):
            return Path(path)
        if calibrate is not None:
            check_calibration(self._handle, calibrate, refit=trial is not None and self._settings.refit)
        models = self._won() if trial is None else self._of_trial(self._trial(trial), progress)
        model = max(models, key=lambda model: model.metrics.get("valid", {}).get("auc", 0.0))
        assert model.path is not None
        found = None if calibrate is None else fitted_calibration(self._handle, model, calibrate)
        target = Path(path)
        export_bundle(
            model.path,
            target,
            forms=chosen,
            calibrated=found,
            quantize=smaller,
            origin=self._origin(model),
            progress=progress,
        )
        if found is not None:
            progress.note(found.describe())
        self._handle.record_export(target.absolute(), architecture_id=model.architecture_id)
        return target

    def _origin(self, model: ModelRecord) -> dict[str, Any]:
        """Return the facts that a bundle needs beside its own origin.

        They are the study's current name, and for a winner the models that had been measured on test rows before it
        was chosen.
        """
        choice = crowned(self._handle)
        found: dict[str, Any] = {"study": self.name}
        if choice is not None and choice.read and choice.architecture_id == model.architecture_id:
            found["choice"] = choice.told()
        return found

    def report(
        self,
        path: str | Path | None = None,
        form: str | None = None,
        *,
        rashomon: float | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write the report of the study, running or finished, and return its path.

        Args:
            path: A file, or for `md` a folder; by default under `studies/<name>` of the working directory.
            form: `html` (one page that needs no other file), `json` (one document) or `md` (a folder with `study.yaml`
                and `report.md`, to be committed). By default the suffix of `path` decides, else `html`.
            rashomon: First explore the models whose logloss is within this share of the best; see `rashomon`.
            progress: Receiver of progress.
        """
        target, chosen = report_target(self.name, path, form)
        if rashomon is not None:
            self.rashomon(rashomon, progress=progress)
        findings = self.findings()
        if chosen == "md":
            write_report(target, findings.record, findings.summary, self._leaderboard_rows())
        else:
            written = page_html(findings) if chosen == "html" else f"{json_text(report_document(findings))}\n"
            write_whole(target, written)
        return target

    @property
    def figures(self) -> StudyFigures:
        """The Plotly figures of the study as it is now, such as `study.figures.interaction_map()`."""
        return StudyFigures(self.findings())

    def findings(self) -> Findings:
        """Return the whole content of a report, read once."""
        return read_findings(self._handle, self.summary())

    def rashomon(
        self,
        eps: float = 0.05,
        *,
        settings: ExploringSettings | None = None,
        progress: Progress | None = None,
    ) -> RashomonSet:
        """Return interaction scores over all models whose validation logloss is within the share `eps` of the best.

        They show the fields and pairs that the models rely on, the differences between models, and the scores of
        masked models around the winner. The set is kept in the study and replaces an earlier one. Validation rows
        are read, never test rows. The data is opened again as by `retrain`::

            found = autofi.open_study("mine").rashomon(0.05)
            for cloud in found.pairs[:5]:
                print(cloud.names, cloud.low, cloud.high, cloud.reference)
            autofi.plots.plot_rashomon_swarm(found).write_html("swarm.html")

        Args:
            eps: The share.
            settings: The numbers of rows and pairs; its own `eps` is not used.
            progress: Shows the progress; silent by default.
        """
        # SciPy's distributions take half a second to import.
        from autofi.rashomon.explore import ExploringSettings
        from autofi.rashomon.record import explore

        progress = progress or SilentProgress()
        asked = dataclasses.replace(settings or ExploringSettings(), eps=eps)
        bench = self._bench or self._open_bench(self._settings, progress)
        return explore(self._handle, bench, asked, progress)

    def _won(self) -> list[ModelRecord]:
        """Return the seeds of the retrained winner."""
        won = self._handle.stage(WINNER)
        models = self._winners(won["architecture_id"], refit=bool(won.get("refit"))) if won else []
        if not models:
            raise ExportError(
                f"'{self.name}' has no model to export: no winner is retrained, and no bundle of a trial is on this "
                f"machine; export one with --trial N, or run autofi retrain {self.name}."
            )
        return models

    def _of_trial(self, record: TrialRecord, progress: Progress) -> list[ModelRecord]:
        """Return the seeds of a trial's architecture; train one where there is none."""
        refit = self._settings.refit

        def found() -> list[ModelRecord]:
            won = self._winners(record.architecture_id, refit=refit)
            return won or self._winners(record.architecture_id, refit=refit, role=ModelRole.RETRAINED)

        if not found():
            progress.note(
                f"Trial {record.number} has no bundle yet, so its architecture is retrained with one seed."
            )
            with self._handle:
                bench = self._claimed_bench(None, progress)
                self._train(bench, record, ModelRole.RETRAINED, seeds=1, progress=progress)
        return found()

    def _points(self) -> list[dict[str, Any]]:
        return [
            {
                "trial": trial.number,
                "values": dict(trial.values),
                "architecture": trial.attrs.get("describe"),
                "architecture_id": trial.architecture_id,
            }
            for trial in front_trials(self._handle)
        ]

    def _trial(self, number: int) -> TrialRecord:
        found = {trial.number: trial for trial in complete_trials(self._handle)}
        if number not in found:
            raise not_finished(self.name, number, found)
        return found[number]

    def _open_bench(self, settings: SearchSettings, progress: Progress) -> Workbench:
        progress.phase("encode")
        dataset = open_again(settings, study=self.name, fingerprint=self._handle.record.data_fingerprint)
        device = pick_device("auto")
        bench = Workbench(dataset, device=device, seed=settings.seed, jobs=default_jobs(device, dataset))
        use_recorded_trees(self._handle, bench)
        return bench

    def _winners(
        self, architecture_id: str, *, refit: bool, role: ModelRole = ModelRole.WINNER
    ) -> list[ModelRecord]:
        """Return the seeds of a retrained architecture."""
        return [
            model
            for model in self._handle.models(role)
            if model.architecture_id == architecture_id and model.refit == refit
        ]

    def _model(self, name: str, models: Sequence[ModelRecord]) -> dict[str, Any]:
        return over_seeds(name, models, test_error=self._test_error(models[0]))

    def _test_error(self, model: ModelRecord) -> float | None:
        """Return the standard error of the test AUC over rows, computed from predictions for earlier versions."""
        kept = kept_test_error(model)
        if kept is not None:
            return kept
        scores, labels = self._predictions(model, "test"), load_labels(self._handle, "test")
        if scores is None or labels is None or len(scores) != len(labels):
            return None
        return auc_interval(labels, scores).standard_error

    def _comparison(
        self, winners: Sequence[ModelRecord], baselines: Mapping[str, list[ModelRecord]]
    ) -> dict[str, Any] | None:
        """Return the winner compared with the baseline of the best test AUC, by AUC and logloss, paired over test rows
        and seeds.
        """
        rivals = {name: models for name, models in baselines.items() if mean_figures(models, "test")}
        labels = load_labels(self._handle, "test")
        if not rivals or not winners or not mean_figures(winners, "test") or labels is None:
            return None
        name = max(rivals, key=lambda name: mean_figures(rivals[name], "test")["auc"])  # type: ignore[index]
        a = self._predictions(winners[0], "test")
        b = self._predictions(rivals[name][0], "test")
        if a is None or b is None:
            return None
        rows = paired_logloss(labels, a, b, load_weights(self._handle, "test")).standard_error
        by_auc, by_logloss = (
            paired_over_seeds(
                *([model.metrics["test"][metric] for model in models] for models in (winners, rivals[name])),
                row_error=row_error,
                most=most,
            )
            for metric, row_error, most in (
                ("auc", delong(labels, a, b).standard_error, 1.0),
                ("logloss", rows, math.inf),
            )
        )
        return {"baseline": name, **_compared(by_auc, sign=1), "logloss": _compared(by_logloss, sign=-1)}

    def _predictions(self, model: ModelRecord, part: str) -> np.ndarray[Any, Any] | None:
        return load_predictions(self._handle, model_key(model)).get(part)

    def _names(self, architecture: Architecture) -> list[str]:
        """Return the fields in the order of the data, which a stored architecture does not keep."""
        return list((self._handle.stage(FIELDS) or {}).get("names") or architecture.fields)

    def _pairs(self, architecture: Architecture) -> list[dict[str, Any]]:
        found = []
        for left, right in combinations(self._names(architecture), 2):
            choice, form = architecture.choice(left, right)
            found.append({"left": left, "right": right, "choice": choice, "form": form})
        return found

    def _explored(self) -> dict[str, int] | None:
        """Return the numbers of architectures scored by inherited weights and of those sure to gain, or None."""
        kept = (self._handle.stage(PROPOSAL) or {}).get("exploration")
        found = Exploration.from_json(kept) if kept else Exploration()
        return {"scored": len(found.scored), "sure": len(found.best)} if found.scored else None

    def _warnings(self) -> list[dict[str, Any]]:
        """Return the warnings of the data checks; none where an earlier version searched."""
        return list((self._handle.stage(DATA) or {}).get("warnings", []))

    def _stopped(self) -> str | None:
        """Return the reason for the end of the search; None before it ended."""
        return (self._handle.stage(STOPPED) or {}).get("reason")

    def _time(self) -> dict[str, Any] | None:
        """Return how the last search kept to its time, with all that time has cut from the study; None without both."""
        time = self._handle.stage(TIME) or {}
        proposal = (self._handle.stage(PROPOSAL) or {}).get("cut")
        baselines = [key.removeprefix("baseline-") for key in cut_baselines(self._handle)]
        folds = (self._handle.stage(TREES) or {}).get("folds", FOLDS)
        if time.get("limit") is None and not proposal and not baselines and folds == FOLDS:
            return None
        return {
            "limit": time.get("limit"),
            "spent": time.get("spent"),
            "stages": time.get("stages") or {},
            "left_out": time.get("left_out") or [],
            "cut": time.get("cut") or [],
            # Of earlier sittings too: where the proposal ended early, and what the clock ended.
            "proposal_without": proposal,
            "tree_folds": None if folds == FOLDS else folds,
            "cut_baselines": baselines,
        }

    def _seconds(self) -> dict[str, float | None]:
        """Return the seconds of all sittings; earlier versions counted those of the baselines as of the retraining."""
        seconds = self._handle.stage(SECONDS) or {}
        names = ["encode", "search", "retrain", *(name for name in ("baselines",) if name in seconds)]
        found: dict[str, float | None] = {name: seconds.get(name) for name in names}
        return found | {"total": sum(seconds.values()) if seconds else None}


def _compared(found: PairedDifference, *, sign: int) -> dict[str, Any]:
    """Return a difference with its verdict; a positive one times `sign` is better."""
    low, high = sorted((sign * found.low, sign * found.high))
    verdict = "better" if low > 0 else "worse" if high < 0 else "tie"
    return {"difference": found.difference, "interval": [found.low, found.high], "verdict": verdict}


def _counted_earlier(trials: Sequence[TrialRecord]) -> int:
    """Return the number of trials whose bytes count trained tables and trees only, as an earlier version did.

    It is 0 where all trials are counted alike.
    """
    earlier = sum("fitted_bytes" not in trial.attrs for trial in trials)
    return earlier if earlier < len(trials) else 0


def open_study(name: str, storage: str | None = None) -> Study:
    """Return the study of that name; raise StudyNotFoundError, with the nearest name, where there is none."""
    store = StudyStore(resolve_storage(storage))
    return Study(store, store.open(name))


__all__ = ["Study", "open_study"]

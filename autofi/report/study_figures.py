"""The figures of one study by name, for its page and for Python as `study.figures`."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import plotly.graph_objects as go

from autofi.errors import NothingToShowError
from autofi.importance.permutation_importance import PermutationImportance
from autofi.metrics.calibration import reliability
from autofi.metrics.ranking import auc
from autofi.metrics.threshold_curves import RankingCurve, ranking_curve
from autofi.plots import (
    plot_architecture,
    plot_calibration_curve,
    plot_choice_shares,
    plot_cost_breakdown,
    plot_cumulative_gains,
    plot_exploration,
    plot_field_importance,
    plot_gain_by_field,
    plot_gain_by_frequency,
    plot_halo,
    plot_halo_of_three,
    plot_inherited_vs_scratch,
    plot_interaction_map,
    plot_model_comparison,
    plot_optimization_history,
    plot_pair_importance,
    plot_pair_values,
    plot_param_importances,
    plot_pareto_front,
    plot_precision_recall_curve,
    plot_rashomon_cloud,
    plot_rashomon_swarm,
    plot_roc_curve,
)
from autofi.plots.inherited_vs_scratch import FEWEST_SCORED
from autofi.plots.interaction_map import Pair, grouped
from autofi.plots.style import escape_plotly
from autofi.rashomon.result import RashomonSet
from autofi.records.gain_by_frequency import gain_by_field, gain_by_frequency, rarest
from autofi.records.trial_metrics import measure
from autofi.records.value_frequencies import Frequencies
from autofi.report.findings import Findings, Floats, HeldOut, read_architecture
from autofi.space.architecture import Architecture
from autofi.text.verdict import untested_words

#: A map of at most so many fields keeps the order of the data and fits half of a page.
UNGROUPED = 15
#: The height of a map in pixels: without fields, for each field, and at most.
_MAP = (300, 14, 900)


class StudyFigures:
    """Plotly figures of a study; each raises NothingToShowError where the study has nothing of that kind.

    They have no background: `figure.update_layout(template="plotly_white")` adds one.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._kept_curves: dict[str, dict[str, RankingCurve]] = {}

    def models(self) -> go.Figure:
        """Return the test AUC of the ensemble, the winner and every baseline with its 95 % interval."""
        summary = self._findings.summary
        winner, baselines = summary["winner"], summary["baselines"]
        if not any((model or {}).get("test") for model in (winner, *baselines)):
            raise NothingToShowError(
                untested_words(self._findings.summary)
                or "Nothing was measured on test rows yet; this follows when the winner is retrained."
            )
        return plot_model_comparison(winner, baselines, ensemble=summary.get("ensemble"))

    def interaction_map(self) -> go.Figure:
        """Return a map of fields × fields: memorize, factorize or naive, in the winner or else in the leading trial.

        Hovering shows how often the best trials chose the same, and the gain of a pair when it was selected.
        """
        architecture, leader = self._leading(), self._findings.leader
        assert leader is not None
        what = (
            "the winner" if leader.number == self._findings.won else f"trial {leader.number}, the best so far"
        )
        gained = self._gains()
        more = {
            pair: "<br>".join(filter(None, (self._agreeing(pair, architecture), gained.get(pair, ("",))[-1])))
            for pair in self._pairs()
        }
        return plot_interaction_map(
            self._names, architecture, title=f"Pairs of {what}", height=self._map_height(), more=more
        )

    def pair_choices(self) -> go.Figure:
        """Return a map of fields × fields: the share of the best trials in which a pair is not naive."""
        best = self._best
        title = (
            "Pairs of the best trial"
            if len(best) == 1
            else f"Share of the best {len(best)} trials that use a pair"
        )
        return plot_choice_shares(self._names, best, title=title, height=self._map_height())

    def pair_gains(self) -> go.Figure:
        """Return a map of fields × fields: the gain of a pair when the supernet selected it.

        The gain is the logloss saved on rows held out of training.
        """
        gains = self._gains()
        if not gains:
            raise NothingToShowError("No pair was selected by its gain with inherited weights.")
        return plot_pair_values(
            self._names,
            {pair: max(gain, 0.0) for pair, (gain, _) in gains.items()},
            {pair: told for pair, (_, told) in gains.items()},
            title="Logloss gained when a pair was selected",
            height=self._map_height(),
        )

    def network(self) -> go.Figure:
        """Return the architecture of the winner, or of the leading trial, as a graph from fields to the probability."""
        return plot_architecture(self._names, self._leading())

    def trade_off(self, cost: str) -> go.Figure:
        """Return every trial by its first objective against a cost of `autofi.objectives`, with the Pareto front."""
        gain = self._findings.goals.objectives[0].name
        if cost == gain:
            gain = "auc"
        known = [trial for trial in self._findings.complete if measure(trial, cost) is not None]
        if len(known) < 2:
            raise NothingToShowError(f"Fewer than two trials have a measured {cost}.")
        return plot_pareto_front(known, cost, gain=gain, study=self._findings.record.name)

    def history(self, *, by_time: bool = False) -> go.Figure:
        """Return the values of trials, of finalists and of the winner, and the best so far, by number or by time."""
        self._needs_trials()
        found = self._findings
        return plot_optimization_history(
            found.complete, found.goals.objectives[0], models=found.models, by_time=by_time
        )

    def explored(self) -> go.Figure:
        """Return the architectures scored by inherited weights before the first trial, and the best so far."""
        if not self._findings.exploration.scored:
            raise NothingToShowError("No architectures were explored by inherited weights.")
        return plot_exploration(self._findings.exploration)

    def inherited(self) -> go.Figure:
        """Return the scores by inherited weights against the scores of training from scratch."""
        scored = self._findings.twice_scored
        if len(scored) < FEWEST_SCORED:
            raise NothingToShowError(
                f"Only {len(scored)} {'trial has' if len(scored) == 1 else 'trials have'} choices that "
                "inherited weights "
                f"scored too; this figure needs {FEWEST_SCORED}."
            )
        return plot_inherited_vs_scratch(scored)

    def importances(self) -> go.Figure:
        """Return the parameters that the values of the trials depend on, by PED-ANOVA."""
        if not self._findings.importances:
            raise NothingToShowError(
                "Importances need four trials or more that differ in a parameter and in their values."
            )
        return plot_param_importances(self._findings.importances)

    def calibration(self, part: str = "test") -> go.Figure:
        """Return predicted and observed click rates of `valid` or `test` rows: the winner and the best baseline."""
        held = self._held(part)
        return plot_calibration_curve(
            {
                name: reliability(held.labels, scores, held.weights)
                for name, scores in held.predictions.items()
            }
        )

    def roc(self, part: str = "test") -> go.Figure:
        """Return the ROC curves of `valid` or `test` rows: the winner and the best baseline."""
        held = self._held(part)
        aucs = {name: auc(held.labels, scores, held.weights) for name, scores in held.predictions.items()}
        return plot_roc_curve(self._curves(part), aucs)

    def precision_recall(self, part: str = "test") -> go.Figure:
        """Return precision over recall of `valid` or `test` rows: the winner and the best baseline."""
        return plot_precision_recall_curve(self._curves(part))

    def lift(self, part: str = "test") -> go.Figure:
        """Return cumulative gains of `valid` or `test` rows: the share of clicks among the highest scored rows."""
        return plot_cumulative_gains(self._curves(part))

    def field_importance(self) -> go.Figure:
        """Return the rise of the winner's logloss on validation rows when a field is shuffled."""
        return plot_field_importance(self._permutation())

    def pair_importance(self) -> go.Figure:
        """Return the rise of the winner's logloss when a pair is shuffled, beyond the rise of each field alone."""
        found = self._permutation()
        if not found.pairs:
            raise NothingToShowError("Importances of pairs need two fields or more.")
        return plot_pair_importance(found)

    def gain_by_frequency(self) -> go.Figure:
        """Return the AUC that the winner gains on the best baseline, by the frequency of a row's rarest value."""
        codes, labels, rival, mine, theirs = self._by_frequency()
        return plot_gain_by_frequency(
            gain_by_frequency(rarest(codes.codes), labels, mine, theirs), rival=rival
        )

    def gain_by_field(self) -> go.Figure:
        """Return the logloss that the winner saves on the best baseline, by field and frequency of its value."""
        codes, labels, _, mine, theirs = self._by_frequency()
        return plot_gain_by_field(gain_by_field(codes.codes, codes.fields, labels, mine, theirs))

    def costs(self) -> go.Figure:
        """Return the bytes of the winner by field, by cross, and by kind."""
        if self._findings.costs is None:
            raise NothingToShowError(
                "There is no retrained winner yet; its costs are measured when it is retrained."
            )
        return plot_cost_breakdown(self._findings.costs)

    def rashomon_swarm(self, order: int = 2) -> go.Figure:
        """Return the interaction scores of pairs (`order` 2; 1 is fields, 3 triples), a dot per good model."""
        return plot_rashomon_swarm(self._rashomon(), order=order)

    def rashomon_cloud(self, order: int = 2) -> go.Figure:
        """Return the range of the interaction scores over all good models."""
        return plot_rashomon_cloud(self._rashomon(), order=order)

    def rashomon_halo(self, *names: str) -> go.Figure:
        """Return the halo of two or three fields.

        Raises:
            StoreError: No halo was drawn of them.
        """
        return (plot_halo if len(names) == 2 else plot_halo_of_three)(self._rashomon(), names)

    def _rashomon(self) -> RashomonSet:
        if self._findings.rashomon is None:
            raise NothingToShowError(
                "The set of good models was not explored yet; run autofi report with --rashomon, or study.rashomon()."
            )
        return self._findings.rashomon

    def _held(self, part: str) -> HeldOut:
        held = self._findings.held_out.get(part)
        if held is None:
            raise NothingToShowError(f"The study has no predictions of {part} rows.")
        return held

    def _curves(self, part: str) -> dict[str, RankingCurve]:
        """Return a curve per model, computed once for three figures and a table."""
        if part not in self._kept_curves:
            held = self._held(part)
            self._kept_curves[part] = {
                name: ranking_curve(held.labels, scores, held.weights)
                for name, scores in held.predictions.items()
            }
        return self._kept_curves[part]

    def _permutation(self) -> PermutationImportance:
        if self._findings.permutation is None:
            raise NothingToShowError(
                "There are no importances: no winner was retrained yet, or an earlier version retrained it; autofi "
                "retrain measures them."
            )
        return self._findings.permutation

    def _by_frequency(self) -> tuple[Frequencies, Floats, str, Floats, Floats]:
        """Return codes of rows, their labels, the best baseline's name, and the predictions of winner and baseline."""
        part = self._findings.frequencies_part
        held = self._findings.held_out.get(part or "")
        if part is None or held is None or len(held.predictions) < 2:
            raise NothingToShowError(
                "Gains by frequency need predictions of the winner and of a baseline, and a study that kept how "
                "frequent the values of their rows are."
            )
        codes = self._findings.frequencies[part]
        (_, mine), (rival, theirs) = list(held.predictions.items())[:2]
        rows = codes.rows
        return codes, held.labels[rows], rival, mine[rows], theirs[rows]

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """The fields in the order of the data; in a wide table, pairs of the leader stand side by side."""
        names = self._findings.names or tuple(self._leading().fields)
        return names if len(names) <= UNGROUPED else grouped(names, self._leading().pairs)

    def _pairs(self) -> list[Pair]:
        names = self._names
        return [(left, right) for place, left in enumerate(names) for right in names[place + 1 :]]

    def _map_height(self) -> int:
        least, more, most = _MAP
        return min(most, least + more * len(self._names))

    def _leading(self) -> Architecture:
        self._needs_trials()
        architecture = self._findings.architecture
        if architecture is None:
            raise NothingToShowError(
                "This version of AutoFI lacks an operator of the architecture, which another version made."
            )
        return architecture

    @cached_property
    def _best(self) -> list[Architecture]:
        self._needs_trials()
        return [found for trial in self._findings.best if (found := read_architecture(trial)) is not None]

    def _agreeing(self, pair: Pair, architecture: Architecture) -> str:
        counts = Counter(other.choice(*pair)[0] for other in self._best)
        same = counts[architecture.choice(*pair)[0]]
        return f"chosen so by {same} of the best {_trials(len(self._best))}"

    def _gains(self) -> dict[Pair, tuple[float, str]]:
        """Return the gain of every selected pair, as a number and in words."""
        place = {name: number for number, name in enumerate(self._names)}
        found: dict[Pair, tuple[float, str]] = {}
        for move in self._findings.proposal.get("evidence") or ():
            if len(move["slot"]) == 2 and move["forms"] and all(name in place for name in move["slot"]):
                left, right = sorted(move["slot"], key=lambda name: place[name])
                forms = escape_plotly(" + ".join(move["forms"]))
                told = f"{forms} gained {move['gain']:.5f} ± {move['standard_error']:.5f}"
                found[left, right] = (float(move["gain"]), told)
        return found

    def _needs_trials(self) -> None:
        if not self._findings.complete:
            raise NothingToShowError("No trial has ended yet.")


def _trials(number: int) -> str:
    return "trial" if number == 1 else f"{number} trials"

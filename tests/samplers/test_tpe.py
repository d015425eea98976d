"""Proposals: inside the space, the defaults first, the same for the same knowledge, better than chance."""

from __future__ import annotations

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from autofi.objectives.objectives import Direction
from autofi.samplers.base import ObservedTrial, SamplerContext
from autofi.samplers.optuna import RANDOM_TRIALS
from autofi.samplers.registry import propose

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "kind": CategoricalDistribution(["a", "b", "c"]),
}
DEFAULTS = {"rate": 1e-3, "kind": "a"}


def value(parameters: dict[str, object]) -> float:
    rate = parameters["rate"]
    assert isinstance(rate, float)
    return -abs(rate - 0.05) + (0.1 if parameters["kind"] == "c" else 0.0)


def run(trials: int, seed: int) -> list[ObservedTrial]:
    known: list[ObservedTrial] = []
    for _ in range(trials):
        parameters = propose("tpe", SamplerContext(DISTRIBUTIONS, DEFAULTS, known, seed=seed))
        known.append(ObservedTrial(parameters, (value(parameters),)))
    return known


def test_the_defaults_come_first() -> None:
    assert propose("tpe", SamplerContext(DISTRIBUTIONS, DEFAULTS, [])) == DEFAULTS


def test_a_resume_goes_on_as_the_search_would_have() -> None:
    whole = run(8, seed=3)
    assert propose("tpe", SamplerContext(DISTRIBUTIONS, DEFAULTS, whole[:5], seed=3)) == whole[5].parameters
    assert len({trial.parameters["rate"] for trial in whole}) == 8


def test_proposals_lie_in_the_space() -> None:
    for trial in run(12, seed=1):
        assert 1e-4 <= trial.parameters["rate"] <= 1e-1
        assert trial.parameters["kind"] in {"a", "b", "c"}


def test_it_finds_the_better_part_of_a_small_landscape() -> None:
    best = [max(trial.values[0] for trial in run(30, seed=seed)) for seed in range(3)]
    assert min(best) > 0.08  # the optimum is 0.1; the defaults reach -0.049


def test_one_objective_without_limits_is_proposed_for_as_ever() -> None:
    """What a study of one maximized value alone proposes, which resumed studies count on."""
    known = run(10, seed=5)
    sampler = optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, seed=5 * 1_000_003 + len(known))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in known:
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(trial.parameters), distributions=DISTRIBUTIONS, value=trial.values[0]
            )
        )
    expected = study.ask(fixed_distributions=DISTRIBUTIONS).params
    assert propose("tpe", SamplerContext(DISTRIBUTIONS, DEFAULTS, known, seed=5)) == expected


def test_several_objectives_and_a_limit_draw_the_proposals() -> None:
    """The rate is to be high and the kind another; rates above a limit draw fewer proposals."""
    directions: tuple[Direction, ...] = ("maximize", "minimize")

    def beyond(limit: float) -> int:
        known: list[ObservedTrial] = []
        for _ in range(40):
            parameters = propose("tpe", SamplerContext(DISTRIBUTIONS, DEFAULTS, known, directions))
            rate = parameters["rate"]
            other = 0.0 if parameters["kind"] == "c" else 1.0
            known.append(ObservedTrial(parameters, (rate, other), (rate - limit,)))
        assert sum(trial.values[1] == 0.0 for trial in known) > 20
        return sum(trial.values[0] > 0.01 for trial in known)

    free, bound = beyond(1.0), beyond(0.01)
    assert bound < free / 1.5

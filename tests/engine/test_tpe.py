"""Proposals: inside the space, the defaults first, the same for the same knowledge, better than chance."""

from __future__ import annotations

from optuna.distributions import CategoricalDistribution, FloatDistribution

from autofi.engine.tpe import Known, propose

DISTRIBUTIONS = {
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "kind": CategoricalDistribution(["a", "b", "c"]),
}
DEFAULTS = {"rate": 1e-3, "kind": "a"}


def value(parameters: dict[str, object]) -> float:
    rate = parameters["rate"]
    assert isinstance(rate, float)
    return -abs(rate - 0.05) + (0.1 if parameters["kind"] == "c" else 0.0)


def run(trials: int, seed: int) -> list[Known]:
    known: list[Known] = []
    for _ in range(trials):
        parameters = propose(DISTRIBUTIONS, DEFAULTS, known, seed=seed)
        known.append(Known(parameters, (value(parameters),)))
    return known


def test_the_defaults_come_first() -> None:
    assert propose(DISTRIBUTIONS, DEFAULTS, [], seed=0) == DEFAULTS


def test_a_resume_goes_on_as_the_search_would_have() -> None:
    whole = run(8, seed=3)
    assert propose(DISTRIBUTIONS, DEFAULTS, whole[:5], seed=3) == whole[5].parameters
    assert len({trial.parameters["rate"] for trial in whole}) == 8


def test_proposals_lie_in_the_space() -> None:
    for trial in run(12, seed=1):
        assert 1e-4 <= trial.parameters["rate"] <= 1e-1
        assert trial.parameters["kind"] in {"a", "b", "c"}


def test_it_finds_the_better_part_of_a_small_landscape() -> None:
    best = [max(trial.values[0] for trial in run(30, seed=seed)) for seed in range(3)]
    assert min(best) > 0.08  # the optimum is 0.1; the defaults reach -0.049

"""What every sampler keeps to: inside the space, nothing remembered, better than chance where it claims to be."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.errors import ConfigError
from autofi.objectives.objectives import Direction
from autofi.samplers.base import ObservedTrial, SamplerContext
from autofi.samplers.evolution import best_of
from autofi.samplers.registry import check_sampler, get_sampler, propose, samplers

ROOT = Path(autofi.__file__).parents[1]
NUMBERS: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "share": FloatDistribution(0.0, 1.0),
    "layers": IntDistribution(1, 8),
}
MIXED: dict[str, BaseDistribution] = {**NUMBERS, "kind": CategoricalDistribution(["a", "b", "c"])}
DEFAULTS = {"rate": 1e-3, "share": 0.1, "layers": 2, "kind": "a"}
#: The optimum that `loss` is far from at the defaults.
BEST = {"rate": 3e-2, "share": 0.8, "layers": 6, "kind": "c"}


def space(name: str) -> dict[str, BaseDistribution]:
    """The largest of the spaces that the sampler takes."""
    return MIXED if get_sampler(name).refusal(MIXED, 1) is None else NUMBERS


def loss(parameters: dict[str, Any]) -> float:
    found = math.log10(parameters["rate"] / BEST["rate"]) ** 2 + (parameters["share"] - BEST["share"]) ** 2
    found += ((parameters["layers"] - BEST["layers"]) / 7) ** 2
    return found + 0.3 * (parameters.get("kind", "c") != "c")


def run(
    name: str, trials: int, seed: int, directions: tuple[Direction, ...] = ("minimize",)
) -> list[ObservedTrial]:
    distributions = space(name)
    defaults = {key: DEFAULTS[key] for key in distributions}
    known: list[ObservedTrial] = []
    for _ in range(trials):
        found = propose(name, SamplerContext(distributions, defaults, known, directions, seed))
        value = loss(found) if directions == ("minimize",) else -loss(found)
        known.append(ObservedTrial(found, (value,)))
    return known


@pytest.mark.parametrize("name", samplers())
class TestEverySampler:
    def test_the_defaults_come_first(self, name: str) -> None:
        assert propose(name, SamplerContext(MIXED, DEFAULTS, [])) == DEFAULTS

    def test_proposals_lie_in_the_space(self, name: str) -> None:
        distributions = space(name)
        for trial in run(name, 30, seed=1):
            assert list(trial.parameters) == list(distributions)
            for key, value in trial.parameters.items():
                found = distributions[key]
                assert found._contains(found.to_internal_repr(value)), (key, value)

    def test_a_resume_goes_on_as_the_search_would_have(self, name: str) -> None:
        whole = run(name, 10, seed=3)
        defaults = {key: DEFAULTS[key] for key in space(name)}
        for known in (5, 9):
            asked = SamplerContext(space(name), defaults, whole[:known], ("minimize",), 3)
            assert propose(name, asked) == whole[known].parameters

    def test_another_seed_draws_other_points(self, name: str) -> None:
        assert run(name, 6, seed=0)[5].parameters != run(name, 6, seed=1)[5].parameters

    def test_no_point_twice_in_a_space_of_many(self, name: str) -> None:
        known = run(name, 24, seed=2)
        assert len({tuple(trial.parameters.values()) for trial in known}) >= 22

    def test_up_is_down_turned_round(self, name: str) -> None:
        up, down = run(name, 16, seed=4, directions=("maximize",)), run(name, 16, seed=4)
        assert [trial.parameters for trial in up] == [trial.parameters for trial in down]

    def test_it_learns(self, name: str) -> None:
        """The later half of its points is better than that of chance, in the mean over seeds."""

        def later(sampler: str) -> float:
            found = [trial.values[0] for seed in range(2) for trial in run(sampler, 48, seed)[24:]]
            return sum(found) / len(found)

        if name != "random":
            assert later(name) < 0.7 * later("random")

    def test_it_is_documented_with_a_source(self, name: str) -> None:
        found = get_sampler(name)
        assert found.source.startswith("https://")
        assert f"| `{name}` | {found.summary} |" in (ROOT / "README.md").read_text(encoding="utf-8")
        helped = CliRunner().invoke(app, ["search", "--help"], env={"COLUMNS": "200"})
        assert name in helped.output.partition("--sampler")[2].partition("--objective")[0]


@pytest.mark.parametrize("name", [name for name in samplers() if get_sampler(name).refusal(MIXED, 2) is None])
def test_several_objectives_and_a_limit(name: str) -> None:
    """The share is to be high, the layers are to be few; shares above a half are beyond the limit."""
    known: list[ObservedTrial] = []
    for _ in range(40):
        asked = SamplerContext(MIXED, DEFAULTS, known, ("maximize", "minimize"))
        found = propose(name, asked)
        known.append(ObservedTrial(found, (found["share"], found["layers"]), (found["share"] - 0.5,)))
    late = known[20:]
    if name != "random":
        assert sum(trial.violations[0] <= 0 for trial in late) > len(late) / 2
        assert sum(trial.values[1] <= 4 for trial in late) > len(late) / 2


class TestRefused:
    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(ConfigError, match="No sampler named 'tpee'.*tpe"):
            get_sampler("tpee")

    @pytest.mark.parametrize(
        ("distributions", "directions", "reason"),
        [
            (MIXED, ("maximize",), "'kind' has choices; take tpe"),
            (NUMBERS, ("maximize", "minimize"), "knows one objective: there are 2"),
            ({"rate": NUMBERS["rate"]}, ("maximize",), "two parameters or more: the space has 1"),
        ],
    )
    def test_what_cma_es_cannot_search(
        self, distributions: dict[str, BaseDistribution], directions: tuple[Direction, ...], reason: str
    ) -> None:
        with pytest.raises(ConfigError, match=reason):
            check_sampler("cmaes", SamplerContext(distributions, DEFAULTS, [], directions))


def test_the_parent_is_feasible_and_unbeaten() -> None:
    trials = [
        ObservedTrial({"n": 0}, (9.0, 1.0), (0.1,)),
        ObservedTrial({"n": 1}, (2.0, 5.0), (-1.0,)),
        ObservedTrial({"n": 2}, (3.0, 4.0), (0.0,)),
    ]
    assert best_of(trials, ("maximize", "minimize")).parameters == {"n": 2}
    assert best_of(trials[:1], ("maximize", "minimize")).parameters == {"n": 0}

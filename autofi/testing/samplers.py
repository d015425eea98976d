"""The contract of a sampler: inside the space, nothing remembered, better than chance where it claims to be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autofi.objectives.objectives import Direction
from autofi.samplers.base import ObservedTrial, SamplerContext
from autofi.samplers.registry import get_sampler, propose
from autofi.testing.contract import Contract

NUMBERS: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "share": FloatDistribution(0.0, 1.0),
    "layers": IntDistribution(1, 8),
}
MIXED: dict[str, BaseDistribution] = {**NUMBERS, "kind": CategoricalDistribution(["a", "b", "c"])}
DEFAULTS = {"rate": 1e-3, "share": 0.1, "layers": 2, "kind": "a"}
#: The optimum that `loss` is far from at the defaults.
BEST = {"rate": 3e-2, "share": 0.8, "layers": 6, "kind": "c"}


def _space(name: str) -> dict[str, BaseDistribution]:
    """Return the largest of the spaces that the sampler takes."""
    return MIXED if get_sampler(name).unsupported_reason(MIXED, 1) is None else NUMBERS


def _loss(parameters: dict[str, Any]) -> float:
    found: float = (
        math.log10(parameters["rate"] / BEST["rate"]) ** 2 + (parameters["share"] - BEST["share"]) ** 2
    )
    found += ((parameters["layers"] - BEST["layers"]) / 7) ** 2
    return found + (0.3 if parameters.get("kind", "c") != "c" else 0.0)


def _run(
    name: str, trials: int, seed: int, directions: tuple[Direction, ...] = ("minimize",)
) -> list[ObservedTrial]:
    distributions = _space(name)
    defaults = {key: DEFAULTS[key] for key in distributions}
    known: list[ObservedTrial] = []
    for _ in range(trials):
        found = propose(name, SamplerContext(distributions, defaults, known, directions, seed))
        value = _loss(found) if directions == ("minimize",) else -_loss(found)
        known.append(ObservedTrial(found, (value,)))
    return known


class SamplerContract(Contract):
    """The contract of every sampler; tests of several objectives run for those that support several."""

    #: Those of the names that do not learn from what was measured.
    unguided: ClassVar[Iterable[str]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        super().pytest_generate_tests(metafunc)
        if "of_several" in metafunc.fixturenames:
            several = [name for name in self.names if get_sampler(name).unsupported_reason(MIXED, 2) is None]
            metafunc.parametrize("of_several", several)

    def test_it_says_what_it_is(self, name: str) -> None:
        sampler = get_sampler(name)
        assert sampler.summary
        assert sampler.source.startswith("https://")

    def test_the_defaults_come_first(self, name: str) -> None:
        assert propose(name, SamplerContext(MIXED, DEFAULTS, [])) == DEFAULTS

    def test_proposals_lie_in_the_space(self, name: str) -> None:
        distributions = _space(name)
        for trial in _run(name, 30, seed=1):
            assert list(trial.parameters) == list(distributions)
            for key, value in trial.parameters.items():
                found = distributions[key]
                assert found._contains(found.to_internal_repr(value)), (key, value)

    def test_a_resume_goes_on_as_the_search_would_have(self, name: str) -> None:
        whole = _run(name, 10, seed=3)
        defaults = {key: DEFAULTS[key] for key in _space(name)}
        for known in (5, 9):
            asked = SamplerContext(_space(name), defaults, whole[:known], ("minimize",), 3)
            assert propose(name, asked) == whole[known].parameters

    def test_another_seed_draws_other_points(self, name: str) -> None:
        assert _run(name, 6, seed=0)[5].parameters != _run(name, 6, seed=1)[5].parameters

    def test_no_point_twice_in_a_space_of_many(self, name: str) -> None:
        known = _run(name, 24, seed=2)
        assert len({tuple(trial.parameters.values()) for trial in known}) >= 22

    def test_up_is_down_turned_round(self, name: str) -> None:
        up, down = _run(name, 16, seed=4, directions=("maximize",)), _run(name, 16, seed=4)
        assert [trial.parameters for trial in up] == [trial.parameters for trial in down]

    def test_it_learns(self, name: str) -> None:
        """The later half of its points is better than that of chance, in the mean over seeds."""

        def later(sampler: str) -> float:
            found = [trial.values[0] for seed in range(2) for trial in _run(sampler, 48, seed)[24:]]
            return sum(found) / len(found)

        if name not in self.unguided:
            assert later(name) < 0.7 * later("random")

    def test_several_objectives_and_a_limit(self, of_several: str) -> None:
        """The share is to be high, the layers are to be few; shares above a half are beyond the limit."""
        known: list[ObservedTrial] = []
        for _ in range(40):
            asked = SamplerContext(MIXED, DEFAULTS, known, ("maximize", "minimize"))
            found = propose(of_several, asked)
            known.append(ObservedTrial(found, (found["share"], found["layers"]), (found["share"] - 0.5,)))
        late = known[20:]
        if of_several not in self.unguided:
            assert sum(trial.violations[0] <= 0 for trial in late) > len(late) / 2
            assert sum(trial.values[1] <= 4 for trial in late) > len(late) / 2

"""Every registered sampler keeps the contract and is documented."""

from __future__ import annotations

import pytest
from optuna.distributions import BaseDistribution
from typer.testing import CliRunner

from autofi.cli.app import app
from autofi.errors import ConfigError
from autofi.objectives.objectives import Direction
from autofi.samplers.base import ObservedTrial, SamplerContext
from autofi.samplers.evolution import best_of
from autofi.samplers.registry import check_sampler, get_sampler, samplers
from autofi.testing import SamplerContract
from autofi.testing.samplers import DEFAULTS, MIXED, NUMBERS


class TestEverySampler(SamplerContract):
    names = tuple(samplers())
    unguided = ("random",)

    def test_the_command_names_it(self, name: str) -> None:
        helped = CliRunner().invoke(app, ["search", "--help"], env={"COLUMNS": "200"})
        assert name in helped.output.partition("--sampler")[2].partition("--objective")[0]


class TestRefused:
    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(ConfigError, match="No sampler named 'tpee'.*tpe"):
            get_sampler("tpee")

    @pytest.mark.parametrize(
        ("distributions", "directions", "reason"),
        [
            (MIXED, ("maximize",), "'kind' has choices; use tpe"),
            (NUMBERS, ("maximize", "minimize"), "supports one objective, and there are 2"),
            ({"rate": NUMBERS["rate"]}, ("maximize",), "two parameters or more, and the space has 1"),
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

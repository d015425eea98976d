"""A small study for the contract of the store: what creates it, and trials of it."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autofi.store import StudyHandle

CREATED: dict[str, Any] = {
    "space_name": "optinter",
    "space_json": '{"pairs": ["naive", "factorize", "memorize"], "title": "größe"}',
    "space_fingerprint": "5a" * 32,
    "data_source": "clicks.parquet",
    "data_fingerprint": "da" * 32,
    "settings": {"seed": 3, "seeds": [0, 1, 2], "split": "random:0.8,0.1,0.1"},
}

ARCHITECTURE: dict[str, Any] = {
    "pairs": {"user×item": "memorize", "user×hour": "naive"},
    "head": {"layers": [64, 32]},
}
CHOICES = ("naive", "factorize", "memorize")
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "pair user×item": CategoricalDistribution(CHOICES),
    "embedding size": IntDistribution(1, 1024),
    "dropout": FloatDistribution(0.0, 1.0),
}
PARAMS: dict[str, Any] = {"pair user×item": "memorize", "embedding size": 16, "dropout": 0.25}


def trial(*, architecture_id: str = "a1", seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Return what `StudyHandle.start_trial` takes."""
    return {
        "stage": "scratch",
        "architecture_id": architecture_id,
        "architecture": ARCHITECTURE,
        "seed": seed,
        "params": PARAMS,
        "distributions": DISTRIBUTIONS,
        **changes,
    }


def start(study: StudyHandle, **changes: Any) -> int:
    """Start a trial that the study has not, and return its number."""
    number = study.start_trial(**trial(**changes))
    assert number is not None
    return number


def measured(auc: float) -> dict[str, Any]:
    """Return the results of a finished trial."""
    return {
        "valid": {"auc": auc, "logloss": 0.4},
        "parameters": 1200,
        "table_bytes": 4800,
        "seconds": 1.5,
    }

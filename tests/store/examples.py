"""A small study for the tests of the store: what creates it, and trials of it."""

from __future__ import annotations

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from autofi.store import StudyHandle

CREATED = {
    "space_name": "optinter",
    "space_json": '{"pairs": ["naive", "factorize", "memorize"], "title": "größe"}',
    "space_fingerprint": "5a" * 32,
    "data_source": "clicks.parquet",
    "data_fingerprint": "da" * 32,
    "settings": {"seed": 3, "seeds": [0, 1, 2], "split": "random:0.8,0.1,0.1"},
}

ARCHITECTURE = {"pairs": {"user×item": "memorize", "user×hour": "naive"}, "head": {"layers": [64, 32]}}
CHOICES = ("naive", "factorize", "memorize")
DISTRIBUTIONS = {
    "pair user×item": CategoricalDistribution(CHOICES),
    "embedding size": IntDistribution(1, 1024),
    "dropout": FloatDistribution(0.0, 1.0),
}
PARAMS = {"pair user×item": "memorize", "embedding size": 16, "dropout": 0.25}


def start(study: StudyHandle, *, architecture_id: str = "a1", seed: int = 0, **changes: object) -> int:
    return study.start_trial(
        **{
            "stage": "scratch",
            "architecture_id": architecture_id,
            "architecture": ARCHITECTURE,
            "seed": seed,
            "params": PARAMS,
            "distributions": DISTRIBUTIONS,
            **changes,
        }
    )


def measured(auc: float) -> dict[str, object]:
    return {
        "valid": {"auc": auc, "logloss": 0.4},
        "parameters": 1200,
        "table_bytes": 4800,
        "seconds": 1.5,
    }

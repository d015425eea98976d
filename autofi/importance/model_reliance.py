"""Reliance of models on fields that are shuffled together: for fields, pairs and triples, in few large passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autofi.errors import ConfigError, nearest
from autofi.importance.permuted_rows import Draw, Shuffles
from autofi.model.model import Model
from autofi.training.predict import SCORING_ROWS

Floats = npt.NDArray[np.float64]
#: Positions of fields, in rising order.
Group = tuple[int, ...]
#: The unit of a reliance.
Measure = Literal["logloss", "covariance", "logit"]
#: A function from inputs of `[N, ...]` rows to a model's logits.
Forward = Callable[[Mapping[str, Tensor]], Tensor]


def check_measure(measure: str) -> None:
    """Check the name of a measure.

    Raises:
        ConfigError: There is no such measure; the message names the nearest.
    """
    if measure not in get_args(Measure):
        raise ConfigError(f"A reliance has no measure '{measure}': {nearest(measure, get_args(Measure))}")


def reliances(
    models: Sequence[Forward],
    network: Model,
    shuffles: Shuffles,
    groups: Iterable[Group],
    *,
    measure: Measure = "logloss",
) -> list[dict[Group, Floats]]:
    """Return `phi(I)` of every repeat, `[repeats]`, for every model by group of fields.

    All fields of a group take their values from one other row: their joint distribution stays, and their relation to
    the click and to other fields goes. With `z` the logit of a row and `z_I` that with the group shuffled, `phi(I)` is
    the mean over rows of

    - "logloss": `logloss(z_I) - logloss(z)`, as published (https://arxiv.org/abs/2305.10181);
    - "covariance": `(y - mean y)(z - z_I)`, the logit's loss of covariance with the click. That is the part of the
      logloss which is linear in the logit. Effects that add up in the logit add up in it exactly, row by row: the score
      of a pair that does not interact is 0 without error, where the logloss bends both ends of the logit;
    - "logit": `(z_I - z)²`, the change of the logit, whatever the click. Effects that add up in the logit add up in it
      except for the sampled covariance of the two.

    Args:
        models: Functions that run `network` (itself, or masked); the inputs for shuffled rows are built once for all.
    """
    check_measure(measure)
    draw = shuffles.draw
    still = network.select(shuffles.features())
    logits = [logits_of(model, still, len(draw)) for model in models]
    found: list[dict[Group, Floats]] = [{} for _ in models]
    for group in groups:
        moved = network.select(shuffles.features(group))
        for model, before, phi in zip(models, logits, found, strict=True):
            phi[group] = draw.mean(_moved(before, logits_of(model, moved, len(draw)), draw, measure))
    return found


def interaction(phi: Mapping[Group, Floats], group: Group) -> Floats:
    """Return `FIS(I) = phi(I) - Σ phi(i)` of each repeat, `[repeats]`.

    It is below 0 if the fields are informative only together: shuffling either of them is enough to lose that. It is
    above 0 if each can replace the other. For three fields it contains the scores of their pairs.
    """
    return phi[group] - sum(phi[(place,)] for place in group)


@torch.no_grad()
def logits_of(model: Forward, selected: Mapping[str, Tensor], rows: int) -> Floats:
    """Return the logits of all rows, float64 `[N]`, in passes of `SCORING_ROWS`."""
    found = np.empty(rows)
    for start in range(0, rows, SCORING_ROWS):
        piece = {name: tensor[start : start + SCORING_ROWS] for name, tensor in selected.items()}
        found[start : start + SCORING_ROWS] = model(piece).numpy()
    return found


def losses(logits: Floats, labels: Floats) -> Floats:
    """Return the logloss of every row."""
    return np.logaddexp(0.0, logits) - labels * logits


def _moved(before: Floats, after: Floats, draw: Draw, measure: Measure) -> Floats:
    if measure == "logit":
        return (after - before) ** 2
    labels = draw.labels
    if measure == "covariance":
        centre = np.repeat(draw.mean(labels), len(draw) // draw.repeats)
        return (labels - centre) * (before - after)
    return losses(after, labels) - losses(before, labels)

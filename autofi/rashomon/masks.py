"""Models around one: the same network with its inputs from some fields multiplied by a factor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from autofi.importance.model_reliance import Floats, Forward, logits_of, losses
from autofi.importance.permuted_rows import Shuffles
from autofi.model.model import Mask
from autofi.model.network import Network
from autofi.operators.base import Operator
from autofi.operators.streams import Stream

#: The factor of every field; unchanged fields, with 1, are not listed.
Factors = Mapping[int, float]
#: The largest distance of a factor from 1: from a field left out to a field counted twice.
FARTHEST = 1.0
#: The tolerance below a level of loss, as a share of it, and the most tries to reach it.
CLOSE = 0.97
MOST_STEPS = 12
UP, DOWN = 1, -1


def masked(network: Network, factors: Factors) -> Forward:
    """Return the network with every field's vectors multiplied by its factor, and a pair's by those of both fields.

    Codes stay unchanged: a factor acts on what the network has learned of a value, and on streams through the vectors
    they read and through tables of their own. The logit of boosted trees stays unchanged.
    """
    if not factors or not network.operators:
        return network
    names = network_names(network)
    mask = {name: _weights(operator, factors) for name, operator in network.operators.items()
            if isinstance(operator, Operator)}  # fmt: skip
    tables = _scaled_tables(network, names, factors)
    if not tables:
        return partial(_run, network, mask=mask)
    return partial(_run_with, network, tables=tables, mask=mask)


def network_names(network: Network) -> tuple[str, ...]:
    """Return the fields a network was built for, in the order of the data."""
    operator = next(part for part in network.operators.values() if isinstance(part, Operator))
    return operator.shapes.names


def _run(network: Network, selected: Mapping[str, Tensor], *, mask: Mask) -> Tensor:
    logits: Tensor = network(selected, mask)
    return logits


def _run_with(
    network: Network, selected: Mapping[str, Tensor], *, tables: dict[str, Tensor], mask: Mask
) -> Tensor:
    logits: Tensor = torch.func.functional_call(network, tables, (selected, mask))
    return logits


def _weights(operator: Operator, factors: Factors) -> Tensor:
    return torch.tensor([math.prod(factors.get(place, 1.0) for place in slot) for slot in operator.slots])


def _scaled_tables(network: Network, names: tuple[str, ...], factors: Factors) -> dict[str, Tensor]:
    """Return the tables that streams look up by code, by parameter name, with a field's rows times its factor."""
    found = {}
    for key, stream in network.streams.items():
        assert isinstance(stream, Stream)
        inputs = stream.inputs
        coded = [names.index(name) for name, rows in zip(inputs.fields, inputs.rows, strict=True) if rows]
        scale = torch.repeat_interleave(
            torch.tensor([factors.get(place, 1.0) for place in coded]), torch.tensor(inputs.coded_rows)
        )
        for name, table in stream.named_parameters():
            if any(table is known for known in stream.tables()) and len(table) == len(scale):
                found[f"streams.{key}.{name}"] = _rows_times(table, scale)
    return found


def _rows_times(table: nn.Parameter, scale: Tensor) -> Tensor:
    return table.detach() * scale.to(table.dtype).view(-1, *(1 for _ in table.shape[1:]))


class Neighbours:
    """The masked models of one network, and their losses on drawn rows.

    `budget` is how much more logloss a neighbor may have than the network itself.
    """

    def __init__(self, network: Network, shuffles: Shuffles, budget: float) -> None:
        self.network, self.budget, self._draw = network, budget, shuffles.draw
        self._labels = self._draw.labels
        self._selected = network.select(shuffles.features())
        self.logits = self.logits_of({})
        self.loss = self.loss_of(self.logits)
        #: Factors by field, direction and share of the budget, computed when first asked for.
        self._factors: dict[tuple[int, int, float], float] = {}
        self._alone: dict[tuple[int, float], Floats] = {}
        self._ends: dict[tuple[tuple[int, float], ...], float] = {}

    def logits_of(self, factors: Factors) -> Floats:
        """Return the logits of the drawn rows, `[N]`."""
        return logits_of(masked(self.network, factors), self._selected, len(self._draw))

    def logits_alone(self, place: int, factor: float) -> Floats:
        """Return the logits with one field masked, `[N]`; they are kept, because many pairs need them."""
        key = (place, factor)
        if key not in self._alone:
            self._alone[key] = self.logits_of({place: factor})
        return self._alone[key]

    def loss_of(self, logits: Floats) -> Floats:
        """Return the mean logloss of each repeat, `[repeats]`."""
        return self._draw.mean(losses(logits, self._labels))

    def excess(self, factors: Factors) -> float:
        """Return the logloss beyond that of the network itself, over all repeats."""
        return float(np.mean(self.loss_of(self.logits_of(factors)) - self.loss))

    def factor(self, place: int, direction: int, share: float) -> float:
        """Return the factor of a field, up or down from 1, at which the loss has risen by that share of the budget.

        A field that costs less at any distance ends at `1 ± FARTHEST`.
        """
        key = (place, direction, share)
        if key not in self._factors:
            way = self._farthest({place: float(direction)}, share * self.budget)
            self._factors[key] = 1.0 + direction * way
        return self._factors[key]

    def within(self, factors: Factors) -> dict[int, float]:
        """Return the factors, moved towards 1 together until the loss is within the budget."""
        way = self._farthest({place: factor - 1.0 for place, factor in factors.items()}, self.budget)
        return {place: 1.0 + way * (factor - 1.0) for place, factor in factors.items()}

    def _farthest(self, steps: Factors, level: float) -> float:
        """Return the share, at most FARTHEST, of steps from 1 at which the loss is still within the level.

        Loss rises about with the square of the distance, so its root is followed to the level; the result is the last
        end within the level, as close to it as CLOSE.
        """
        low, high = 0.0, FARTHEST
        at_low, at_high = 0.0, self._excess_at(steps, high)
        if at_high <= level:
            return high
        for _ in range(MOST_STEPS):
            if at_low >= CLOSE * level:
                break
            # The target is close enough to the level for either end to be the next.
            aim = math.sqrt(level * (1 + CLOSE) / 2)
            below, above = math.sqrt(max(at_low, 0.0)), math.sqrt(at_high)
            share = (aim - below) / (above - below) if aim > below else 0.5
            way = low + (high - low) * min(max(share, 0.05), 0.95)
            found = self._excess_at(steps, way)
            if found <= level:
                low, at_low = way, found
            else:
                high, at_high = way, found
        return low

    def _excess_at(self, steps: Factors, way: float) -> float:
        factors = {place: 1.0 + way * step for place, step in steps.items()}
        key = tuple(sorted(factors.items()))
        if len(factors) > 1 or way < FARTHEST:
            return self.excess(factors)
        # The largest distance of a field is computed once for every level.
        if key not in self._ends:
            self._ends[key] = self.excess(factors)
        return self._ends[key]

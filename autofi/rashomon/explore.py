"""Exploration of a Rashomon set from trained models: reliances, masked models around the reference, halos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, combinations, product
from typing import Any, Protocol

from autofi.core.progress import Progress
from autofi.data.encoded_rows import EncodedRows
from autofi.data.feature_builder import FeatureBuilder
from autofi.errors import ConfigError
from autofi.importance.interaction_scores import ScoredModel, estimate
from autofi.importance.model_reliance import Floats, Group, Measure, check_measure, interaction, reliances
from autofi.importance.permuted_rows import Shuffles, check_sizes, draw_rows
from autofi.model.network import Network
from autofi.rashomon.finished_parts import Parts
from autofi.rashomon.halo import Counterpart, Halo, check_counterpart, halo
from autofi.rashomon.masks import DOWN, UP, Factors, Neighbours, masked
from autofi.rashomon.result import RashomonSet

#: Seeds of the reference's architecture that its halos are measured on.
HALO_SEEDS = 3
#: The share of the budget that masks each field of a pair in the models that are scored.
HALF = 0.5
#: Masked models that are scored on the same shuffled rows, and kept together.
MASKS_AT_ONCE = 16


@dataclass(frozen=True)
class ExploringSettings:
    """The settings of an exploration.

    Attributes:
        eps: The share of the best model's logloss by which a model may be worse.
        rows: Validation rows drawn for each repeat.
        repeats: Repeats, each with rows of its own that are shuffled separately.
        measure: The unit of reliances; see `autofi.importance.model_reliance`.
        counterpart: The comparison of a masked group; see `halo`.
        pairs: Pairs that every model is scored on: those with the largest scores of the reference, which is scored on
            all.
        triples: Triples, of the fields whose pairs have the largest scores.
        steps: Steps that the budget of a halo is cut into; 10 as published.
        trainings: The most models of the study without a bundle that are trained again.
        masks: True to explore masked models and halos; without them it takes a second per model.
    """

    eps: float = 0.05
    rows: int = 2000
    repeats: int = 5
    seed: int = 0
    measure: Measure = "logloss"
    counterpart: Counterpart = "logits"
    pairs: int = 45
    triples: int = 10
    steps: int = 4
    trainings: int = 8
    masks: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.eps < 1:
            raise ConfigError(f"eps is {self.eps}; give a share between 0 and 1.")
        for name in ("pairs", "triples", "trainings", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; give 0 or more.")
        fewest = 4 if self.triples else 3
        if self.steps < fewest:
            raise ConfigError(f"steps is {self.steps}; give a halo {fewest} or more.")
        check_sizes(self.rows, self.repeats)
        check_measure(self.measure)
        check_counterpart(self.counterpart)


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A trained network on the processor, with the builder of its features; `loss` is of all validation rows."""

    name: str
    kind: str
    architecture_id: str
    network: Network
    builder: FeatureBuilder
    loss: float

    def open(self) -> OpenedModel:
        """Return itself."""
        return self


class Openable(Protocol):
    """A model that may have to be loaded, or trained, before it can be scored."""

    @property
    def architecture_id(self) -> str: ...

    def open(self) -> OpenedModel: ...


def explore_models(
    models: Iterable[Openable],
    rows: EncodedRows,
    settings: ExploringSettings,
    *,
    best: float,
    progress: Progress,
    total: int | None = None,
    left_out: Sequence[str] = (),
    parts: Parts | None = None,
) -> RashomonSet:
    """Score `models`, the reference first, and the models masked around it.

    `models` are opened one at a time: only the reference, and other seeds of its architecture, are held. Models above
    the level are skipped. On small networks and 2,000 rows x 5 repeats a model takes about a second (45 pairs).

    Args:
        best: The lowest logloss of any model.
        parts: Finished parts, which are not computed again; models are not opened for them.
    """
    parts = Parts() if parts is None else parts
    draw = draw_rows(rows, size=settings.rows, repeats=settings.repeats, seed=settings.seed)
    level = (1.0 + settings.eps) * best
    waiting = iter(models)
    reference = next(waiting).open()
    progress.phase("score models", total=total)
    shuffles = Shuffles(draw, reference.builder)
    names = tuple(reference.builder.encoder.schema.names)
    found = parts.once("groups", lambda: _groups(reference.network, shuffles, len(names), settings))
    groups: list[Group] = [tuple(group) for group in found]
    held: list[Openable] = []
    scored: list[ScoredModel] = []

    def score(model: OpenedModel) -> dict[str, Any]:
        if model.loss > level and model is not reference:
            # Trained again, it is worse than it was.
            return {"loss": model.loss, "scored": None}
        own = shuffles if model is reference else Shuffles(draw, model.builder)
        (phi,) = reliances([model.network], model.network, own, groups, measure=settings.measure)
        loss = Neighbours(model.network, own, level - model.loss).loss
        return {
            "loss": model.loss,
            "scored": _scored(model.name, model.kind, loss, phi, names, {}).to_json(),
        }

    for number, model in enumerate(chain((reference,), waiting)):
        name = f"model/{number}"
        opened = model if name in parts else model.open()
        kept = parts.once(name, partial(_of_opened, opened, score))
        progress.advance(logloss=kept["loss"])
        if kept["scored"] is None:
            continue
        scored.append(ScoredModel.from_json(kept["scored"]))
        if model.architecture_id == reference.architecture_id and len(held) < HALO_SEEDS:
            held.append(opened)

    halos: list[Halo] = []
    if settings.masks:
        progress.phase("explore masks", total=2 * len(names) + 2 * sum(len(group) > 1 for group in groups))
        around = _Around(held, reference, shuffles, level)
        scored += _masked(around, groups, names, settings, parts, progress)
        halos += _halos(around, groups, names, settings, parts, progress)
    return RashomonSet(
        names=names,
        eps=settings.eps,
        best=best,
        measure=settings.measure,
        counterpart=settings.counterpart,
        rows=len(draw) // draw.repeats,
        repeats=draw.repeats,
        models=tuple(scored),
        halos=tuple(halos),
        left_out=tuple(left_out),
    )


def _of_opened(model: Openable, score: Callable[[OpenedModel], dict[str, Any]]) -> dict[str, Any]:
    return score(model.open())


class _Around:
    """The models around the seeds of the reference's architecture, which are opened when they are first needed."""

    def __init__(
        self, held: Sequence[Openable], reference: OpenedModel, shuffles: Shuffles, level: float
    ) -> None:
        self._held, self._reference, self._level = held, reference, level
        self.shuffles = shuffles

    @cached_property
    def reference(self) -> Neighbours:
        return Neighbours(self._reference.network, self.shuffles, self._level - self._reference.loss)

    @cached_property
    def seeds(self) -> list[Neighbours]:
        """The neighbors of every seed, the reference first."""
        others = [model.open() for model in self._held[1:]]
        draw = self.shuffles.draw
        return [
            self.reference,
            *(
                Neighbours(model.network, Shuffles(draw, model.builder), self._level - model.loss)
                for model in others
            ),
        ]


def _halos(
    around: _Around,
    groups: Sequence[Group],
    names: Sequence[str],
    settings: ExploringSettings,
    parts: Parts,
    progress: Progress,
) -> Iterator[Halo]:
    def drawn(group: Group) -> dict[str, Any]:
        return halo(
            around.seeds, group, names, steps=settings.steps, counterpart=settings.counterpart
        ).to_json()

    for group in groups:
        if len(group) > 1:
            yield Halo.from_json(parts.once(f"halo/{_told(group)}", partial(drawn, group)))
            progress.advance()


def _told(group: Group) -> str:
    return "-".join(map(str, group))


def _groups(network: Network, shuffles: Shuffles, fields: int, settings: ExploringSettings) -> list[Group]:
    """Return every field, and the pairs and triples that every model is scored on."""
    singles: list[Group] = [(place,) for place in range(fields)]
    pairs: list[Group] = list(combinations(range(fields), 2))
    triples: list[Group] = []
    if len(pairs) > settings.pairs or settings.triples:
        (phi,) = reliances([network], network, shuffles, [*singles, *pairs], measure=settings.measure)
        sizes = {pair: abs(float(interaction(phi, pair).mean())) for pair in pairs}
        among = sorted({place for pair in _largest(sizes, settings.pairs) for place in pair})
        triples = _largest(
            {
                triple: sum(sizes[pair] for pair in combinations(triple, 2))
                for triple in combinations(among, 3)
            },
            settings.triples,
        )
        pairs = sorted(_largest(sizes, settings.pairs))
    return [*singles, *pairs, *sorted(triples)]


def _largest(sizes: dict[Group, float], most: int) -> list[Group]:
    return sorted(sizes, key=lambda group: (-sizes[group], group))[:most]


def _masked(
    around: _Around,
    groups: Sequence[Group],
    names: Sequence[str],
    settings: ExploringSettings,
    parts: Parts,
    progress: Progress,
) -> Iterator[ScoredModel]:
    """Yield models with one field masked by the whole budget, scored on all groups, and with pairs, on themselves.

    Each field of a pair is masked by half of the budget.
    """

    def farthest(place: int) -> list[float]:
        return [around.reference.factor(place, direction, 1.0) for direction in (UP, DOWN)]

    def scores(masks: Sequence[Factors], scored_on: Sequence[Group]) -> list[dict[str, Any]]:
        return [model.to_json() for model in _scored_masks(around, masks, scored_on, names, settings)]

    def together(pair: Group) -> list[dict[str, Any]]:
        masks = [
            around.reference.within(
                {
                    place: around.reference.factor(place, sign, HALF)
                    for place, sign in zip(pair, signs, strict=True)
                }
            )
            for signs in product((UP, DOWN), repeat=2)
        ]
        return scores(masks, [*((place,) for place in pair), pair])

    alone: list[Factors] = []
    for (place,) in (group for group in groups if len(group) == 1):
        alone += [{place: way} for way in parts.once(f"factor/{place}", partial(farthest, place))]
        progress.advance(2)
    for start in range(0, len(alone), MASKS_AT_ONCE):
        found = parts.once(f"alone/{start}", partial(scores, alone[start : start + MASKS_AT_ONCE], groups))
        yield from map(ScoredModel.from_json, found)
    for group in groups:
        if len(group) == 2:
            found = parts.once(f"pair/{_told(group)}", partial(together, group))
            yield from map(ScoredModel.from_json, found)
            progress.advance()


def _scored_masks(
    around: _Around,
    masks: Sequence[Factors],
    groups: Sequence[Group],
    names: Sequence[str],
    settings: ExploringSettings,
) -> Iterator[ScoredModel]:
    moved = [{place: factor for place, factor in factors.items() if factor != 1.0} for factors in masks]
    moved = [factors for factors in moved if factors]
    reference = around.reference
    forwards = [masked(reference.network, factors) for factors in moved]
    found = reliances(forwards, reference.network, around.shuffles, groups, measure=settings.measure)
    for factors, phi in zip(moved, found, strict=True):
        told = {names[place]: factor for place, factor in factors.items()}
        name = ", ".join(f"{field} × {factor:.2f}" for field, factor in told.items())
        loss = reference.loss_of(reference.logits_of(factors))
        yield _scored(name, "masked", loss, phi, names, told)


def _scored(
    name: str,
    kind: str,
    loss: Floats,
    phi: dict[Group, Floats],
    names: Sequence[str],
    factors: dict[str, float],
) -> ScoredModel:
    return ScoredModel(
        name=name,
        kind=kind,
        loss=estimate(loss),
        phi={names[group[0]]: estimate(found) for group, found in phi.items() if len(group) == 1},
        fis={
            tuple(names[place] for place in group): estimate(interaction(phi, group))
            for group in phi
            if len(group) > 1
        },
        factors=factors,
    )

"""Trained models to a Rashomon set: reliances of all of them, masked models around the reference, halos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product

from autofi.data.dataset import EncodedRows
from autofi.data.feature_builder import FeatureBuilder
from autofi.errors import ConfigError
from autofi.model.network import Network
from autofi.progress import Progress
from autofi.rashomon.halo import Counterpart, Halo, check_counterpart, halo
from autofi.rashomon.masks import DOWN, UP, Factors, Neighbours, masked
from autofi.rashomon.reliance import Floats, Group, Measure, check_measure, interaction, reliances
from autofi.rashomon.result import RashomonSet
from autofi.rashomon.rows import Shuffles, check_sizes, draw_rows
from autofi.rashomon.scores import ScoredModel, estimate

#: Seeds of the reference's architecture that its halos are measured on.
HALO_SEEDS = 3
#: Of the budget, what each field of a pair is masked by in the models that are scored.
HALF = 0.5


@dataclass(frozen=True)
class ExploringSettings:
    """How a set is explored.

    eps         how much worse than the best a model may be, as a share of its logloss
    rows        validation rows drawn for each repeat, and `repeats` of them, each shuffled by itself
    pairs       pairs that every model is scored on: those with the largest scores of the reference, which has all
    triples     triples, of the fields whose pairs have the largest scores
    steps       that the budget of a halo is cut into; 10 as published
    trainings   models of the study without a bundle that are trained again, at most
    masks       whether masked models, and halos, are explored; without them it takes a second a model
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
            raise ConfigError(f"A model may be worse by a share between 0 and 1: found eps {self.eps}.")
        for name in ("pairs", "triples", "trainings", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"'{name}' is 0 or more: found {getattr(self, name)}.")
        fewest = 4 if self.triples else 3
        if self.steps < fewest:
            raise ConfigError(f"A halo has {fewest} steps or more: found {self.steps}.")
        check_sizes(self.rows, self.repeats)
        check_measure(self.measure)
        check_counterpart(self.counterpart)


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A trained network on the processor, with what makes its features; `loss` is of all validation rows."""

    name: str
    kind: str
    architecture_id: str
    network: Network
    builder: FeatureBuilder
    loss: float


def explore_models(
    models: Iterable[OpenedModel],
    rows: EncodedRows,
    settings: ExploringSettings,
    *,
    best: float,
    progress: Progress,
    total: int | None = None,
    left_out: Sequence[str] = (),
) -> RashomonSet:
    """Score `models`, the reference first, and the models masked around it; `best` is the lowest logloss of any.

    `models` are opened one at a time: only the reference, and other seeds of its architecture, are held. Models above
    the level are passed over. On small networks and 2,000 rows x 5 repeats a model takes about a second (45 pairs).
    """
    draw = draw_rows(rows, size=settings.rows, repeats=settings.repeats, seed=settings.seed)
    level = (1.0 + settings.eps) * best
    opened = iter(models)
    reference = next(opened)
    progress.phase("score models", total=total)
    shuffles = Shuffles(draw, reference.builder)
    names = tuple(reference.builder.encoder.schema.names)
    groups = _groups(reference.network, shuffles, len(names), settings)
    held: list[tuple[OpenedModel, Shuffles]] = []
    scored: list[ScoredModel] = []
    for model in chain((reference,), opened):
        progress.advance(logloss=model.loss)
        if model.loss > level and model is not reference:
            continue  # trained again, it came out worse than it was
        own = shuffles if model is reference else Shuffles(draw, model.builder)
        (phi,) = reliances([model.network], model.network, own, groups, measure=settings.measure)
        neighbours = Neighbours(model.network, own, level - model.loss)
        scored.append(_scored(model.name, model.kind, neighbours.loss, phi, names, {}))
        if model.architecture_id == reference.architecture_id and len(held) < HALO_SEEDS:
            held.append((model, own))
    around = [Neighbours(model.network, own, level - model.loss) for model, own in held if settings.masks]
    halos: list[Halo] = []
    if around:
        progress.phase("explore masks", total=2 * len(names) + 2 * sum(len(group) > 1 for group in groups))
        scored += _masked(around[0], shuffles, groups, names, settings, progress)
        halos += _halos(around, groups, names, settings, progress)
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


def _halos(
    around: Sequence[Neighbours],
    groups: Sequence[Group],
    names: Sequence[str],
    settings: ExploringSettings,
    progress: Progress,
) -> Iterator[Halo]:
    for group in groups:
        if len(group) > 1:
            yield halo(around, group, names, steps=settings.steps, counterpart=settings.counterpart)
            progress.advance()


def _groups(network: Network, shuffles: Shuffles, fields: int, settings: ExploringSettings) -> list[Group]:
    """Every field, and the pairs and triples that are worth every model's time."""
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
    around: Neighbours,
    shuffles: Shuffles,
    groups: Sequence[Group],
    names: Sequence[str],
    settings: ExploringSettings,
    progress: Progress,
) -> Iterator[ScoredModel]:
    """Every field masked as far as the budget goes, scored on all groups; every pair, half by half, on itself."""
    alone: list[Factors] = []
    for (place,) in (group for group in groups if len(group) == 1):
        for direction in (UP, DOWN):
            alone.append({place: around.factor(place, direction, 1.0)})
            progress.advance()
    yield from _scored_masks(around, shuffles, alone, groups, names, settings)
    for group in groups:
        if len(group) != 2:
            continue
        together = [
            around.within(
                {place: around.factor(place, sign, HALF) for place, sign in zip(group, signs, strict=True)}
            )
            for signs in product((UP, DOWN), repeat=2)
        ]
        own: list[Group] = [(place,) for place in group]
        yield from _scored_masks(around, shuffles, together, [*own, group], names, settings)
        progress.advance()


def _scored_masks(
    around: Neighbours,
    shuffles: Shuffles,
    masks: Sequence[Factors],
    groups: Sequence[Group],
    names: Sequence[str],
    settings: ExploringSettings,
) -> Iterator[ScoredModel]:
    moved = [{place: factor for place, factor in factors.items() if factor != 1.0} for factors in masks]
    moved = [factors for factors in moved if factors]
    forwards = [masked(around.network, factors) for factors in moved]
    found = reliances(forwards, around.network, shuffles, groups, measure=settings.measure)
    for factors, phi in zip(moved, found, strict=True):
        told = {names[place]: factor for place, factor in factors.items()}
        name = ", ".join(f"{field} × {factor:.2f}" for field, factor in told.items())
        loss = around.loss_of(around.logits_of(factors))
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

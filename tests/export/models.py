"""A small table with every kind of field, and a network with every operator for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from autofi.bundle.bundle import write_bundle
from autofi.bundle.count_training_profile import profile_training
from autofi.bundle.training_profile import TrainingProfile
from autofi.data.boosted_trees import BoostedTrees, Boosting
from autofi.data.dataset import EncodedDataset
from autofi.data.encode import encode
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.features import Column
from autofi.data.planted import PlantedSpec, generate
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.model.build import build_network, shapes_of
from autofi.model.network import Network
from autofi.operators.base import Sizes
from autofi.operators.registry import operators
from autofi.readers import Table, open_table
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes

#: With and without tables, buffers and branches of their own. That the weights of each one are kept is part of the
#: contract of streams; all of them together would take minutes here.
STREAMS = ("linear", "fm", "ffm", "cross_network", "fused_crosses", "two_streams")
BOOSTING = Boosting(leaves=4, learning_rate=0.2)
METRICS = {"valid": {"auc": np.float64(0.75), "logloss": 0.5}, "refit": float("nan")}
ORIGIN = {"study": "mine", "source": "postgresql://me:s3cret@host/ads"}


@dataclass(frozen=True)
class Model:
    """All that goes into a bundle; the builder has the crosses and statistics of all pairs."""

    architecture: Architecture
    builder: FeatureBuilder
    network: Network
    profile: TrainingProfile | None = None

    def write(self, directory: Path, *, profiled: bool = False, **metrics: object) -> None:
        """With what training saw, where `profiled`: rows that are far from it are then warned of."""
        write_bundle(
            directory,
            architecture=self.architecture,
            builder=self.builder,
            network=self.network,
            metrics=metrics or METRICS,
            origin=ORIGIN,
            profile=self.profile if profiled else None,
        )

    def probabilities(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """The network in memory, all rows at once."""
        (encoded,) = self.builder.encoder.transform(open_table(table))
        with torch.no_grad():
            logits = self.network(self.network.select(self.builder.of_rows(encoded)))
        return 1.0 / (1.0 + np.exp(-logits.numpy().astype(np.float64)))


def make_table(rows: int, *, seed: int) -> pa.Table:
    generator = np.random.default_rng(seed)
    table = generate(PlantedSpec(rows=rows, seed=seed, missing_share=0.05)).table
    price = generator.lognormal(size=rows).round(2)
    tags = ["|".join(generator.choice(list("abcdefg"), size)) for size in generator.integers(0, 4, rows)]
    table = table.append_column("price", pa.array(price, mask=generator.random(rows) < 0.1))
    return table.append_column("tags", pa.array(tags))


def make_model() -> Model:
    return model_of(open_table(make_table(6000, seed=1)), SchemaOverrides(multi_valued={"tags": "|"}))


def model_of(
    table: Table,
    overrides: SchemaOverrides | None = None,
    *,
    streams: Sequence[str] = STREAMS,
    most_pairs: int = 12,
) -> Model:
    """A network with every operator of fields and pairs, untrained, for any table with the target `click`."""
    schema = infer_schema(table, target="click", overrides=overrides).schema
    dataset = encode(table, schema)
    names = schema.names
    pairs = [(left, right) for right in range(len(names)) for left in range(right)]
    builder, _ = build_features(dataset, pairs)
    architecture = _every_operator(builder, names, pairs[:most_pairs], streams)
    builder = replace(builder, boosted=grown_trees(dataset, architecture.boosting, crosses_of(dataset)))
    network = build_network(architecture, builder, seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                # Streams multiply over and over: with larger weights every probability would be 0 or 1.
                scale = 0.08 if name.startswith("streams.") else 0.2
                drawn = scale * torch.randn(value.shape, generator=generator)
                value.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else drawn)
        assert network.boosted_weights is not None
        network.boosted_weights.copy_(torch.tensor([0.7, 0.4, -0.3]))
    return Model(architecture, builder, network.eval(), profile_training(dataset))


def crosses_of(dataset: EncodedDataset) -> list[Column]:
    """Pairs, triples and bins of numbers, as trees may choose them."""
    fields, numbers = len(dataset.encoder.fields), len(dataset.encoder.number_fields)
    bins = list(range(fields, fields + numbers))
    return [
        (1, 2),
        (0, 3),
        (0, 1, 2),
        *((0, place) for place in bins),
        *((1, 2, place) for place in bins[:1]),
    ]


def grown_trees(
    dataset: EncodedDataset, boosting: Boosting, crosses: Sequence[Column], *, threads: int | None = None
) -> BoostedTrees:
    """Trees over the training rows of a dataset that read these crosses."""
    encoder = dataset.encoder
    return BoostedTrees.fit(
        boosting,
        dataset.rows("train"),
        encoder.cardinalities,
        number_places=[encoder.schema.names.index(name) for name in encoder.number_fields],
        number_bins=encoder.number_bins,
        crosses=crosses,
        seed=5,
        threads=threads,
    )


def make_unseen(rows: int) -> pa.Table:
    """Rows with values that training did not have, missing ones, another column order and more columns."""
    generator = np.random.default_rng(7)
    columns = {name: column.to_numpy(zero_copy_only=False) for name, column in _columns(rows)}
    for name, values in columns.items():
        values = columns[name] = values.copy()
        values[generator.random(rows) < 0.1] = None if values.dtype == object else np.nan
        if values.dtype == object:
            fresh = generator.random(rows) < 0.1
            values[fresh] = "99" if name == "hour" else f"never seen {name}"
    columns["another"] = np.arange(rows)
    order = generator.permutation(list(columns))
    return pa.table({name: pa.array(columns[name], from_pandas=True) for name in order})


def seal(folder: Path, **changes: object) -> None:
    """Edit the manifest as a program would that knows how its checksum is made."""
    import xxhash

    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | changes
    del content["checksum"]
    checksum = xxhash.xxh3_128_hexdigest(json.dumps(content, sort_keys=True).encode())
    path.write_text(json.dumps(content | {"checksum": checksum}, indent=2) + "\n")


def _columns(rows: int) -> list[tuple[str, pa.ChunkedArray]]:
    table = make_table(rows, seed=2).drop_columns(["click"])
    return list(zip(table.column_names, table.columns, strict=True))


def _every_operator(
    builder: FeatureBuilder,
    names: tuple[str, ...],
    pairs: list[tuple[int, int]],
    streams: Sequence[str],
) -> Architecture:
    shapes = shapes_of(builder, min_count=3, cross_min_count=4)

    def applying(slot: Column) -> tuple[str, ...]:
        return tuple(
            name
            for name, operator in operators().items()
            if operator.arity == len(slot) and operator.applies(slot, shapes)
        )

    return Architecture(
        fields={name: applying((place,)) for place, name in enumerate(names)},
        # Each form, then two at a time and three, so that operators have different slots.
        pairs={
            (names[left], names[right]): applying((left, right))[number % 5 :][: 1 + number // 5]
            for number, (left, right) in enumerate(pairs)
        },
        sizes=Sizes(embedding_dim=6, cross_dim=3, factor_dim=5),
        boosting=BOOSTING,
        head=HeadSizes(hidden=(16, 8), batch_norm=True),
        streams={name: {} for name in streams},
        min_count=3,
        cross_min_count=4,
    )

"""FuxiCTR's own training step, loader and layers, driven by `talk`; run by the Python of its own environment.

Its wheel lacks the ranking models, so that they are put together here from its layers as its model zoo does.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders.npz_dataloader import NpzDataLoader
from fuxictr.pytorch.layers import (
    CrossNetV2,
    FactorizationMachine,
    FeatureEmbedding,
    MLP_Block,
    ScaledDotProductAttention,
)
from fuxictr.pytorch.models import BaseModel
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from talk import serve

HIDDEN = [400, 400, 400]


class Model(BaseModel):
    """The parts all models share: embeddings, an MLP over them, and what is beside it."""

    def __init__(self, feature_map: FeatureMap, dim: int, work: str) -> None:
        super().__init__(feature_map, verbose=0, model_root=work, metrics=["AUC"])
        self.embedding_layer = FeatureEmbedding(feature_map, dim)
        self.width = feature_map.num_fields * dim
        self.build(feature_map, dim)
        self.compile("adam", "binary_crossentropy", 1e-3)
        self.reset_parameters()
        self._max_gradient_norm = 10.0

    def build(self, feature_map: FeatureMap, dim: int) -> None:
        self.mlp = MLP_Block(
            input_dim=self.width, output_dim=1, hidden_units=HIDDEN, hidden_activations="ReLU"
        )

    def logit(self, inputs: dict[str, Tensor], vectors: Tensor) -> Tensor:
        return self.mlp(vectors.flatten(start_dim=1))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        inputs = self.get_inputs(batch)
        return {"y_pred": self.output_activation(self.logit(inputs, self.embedding_layer(inputs)))}


class DeepFM(Model):
    def build(self, feature_map: FeatureMap, dim: int) -> None:
        super().build(feature_map, dim)
        self.fm = FactorizationMachine(feature_map)

    def logit(self, inputs: dict[str, Tensor], vectors: Tensor) -> Tensor:
        return self.fm(inputs, vectors) + super().logit(inputs, vectors)


class DCNv2(Model):
    def build(self, feature_map: FeatureMap, dim: int) -> None:
        self.crosses = CrossNetV2(self.width, 3)
        self.mlp = MLP_Block(
            input_dim=self.width, output_dim=None, hidden_units=HIDDEN, hidden_activations="ReLU"
        )
        self.last = nn.Linear(self.width + HIDDEN[-1], 1)

    def logit(self, inputs: dict[str, Tensor], vectors: Tensor) -> Tensor:
        row = vectors.flatten(start_dim=1)
        return self.last(torch.cat([self.crosses(row), self.mlp(row)], dim=-1))


class SelfAttention(nn.Module):
    """The interacting layer of its AutoInt, with its own attention."""

    def __init__(self, dim: int, width: int, heads: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(dim, width, bias=False) for _ in range(4))
        self.heads, self.scale = heads, (width // heads) ** 0.5
        self.attend = ScaledDotProductAttention()

    def forward(self, vectors: Tensor) -> Tensor:
        query, key, value, residual = (each(vectors) for each in self.maps)
        shape = (len(vectors), vectors.shape[1], self.heads, -1)
        query, key, value = (part.view(shape).transpose(1, 2) for part in (query, key, value))
        found, _ = self.attend(query, key, value, scale=self.scale)
        return (found.transpose(1, 2).flatten(start_dim=2) + residual).relu()


class AutoInt(Model):
    def build(self, feature_map: FeatureMap, dim: int) -> None:
        super().build(feature_map, dim)
        self.layers = nn.Sequential(*(SelfAttention(dim if n == 0 else 64, 64, 2) for n in range(3)))
        self.last = nn.Linear(feature_map.num_fields * 64, 1)

    def logit(self, inputs: dict[str, Tensor], vectors: Tensor) -> Tensor:
        return self.last(self.layers(vectors).flatten(start_dim=1)) + super().logit(inputs, vectors)


class FinalMLP(Model):
    def build(self, feature_map: FeatureMap, dim: int) -> None:
        self.mlps = nn.ModuleList(
            MLP_Block(input_dim=self.width, output_dim=None, hidden_units=HIDDEN, hidden_activations="ReLU")
            for _ in range(2)
        )
        self.fusion = _model_zoo("LongCTR/FinalMLP/FinalMLP.py").InteractionAggregation(
            HIDDEN[-1], HIDDEN[-1], output_dim=1, num_heads=1
        )

    def logit(self, inputs: dict[str, Tensor], vectors: Tensor) -> Tensor:
        row = vectors.flatten(start_dim=1)
        return self.fusion(*(mlp(row) for mlp in self.mlps))


MODELS = {"dnn": Model, "deepfm": DeepFM, "dcnv2": DCNv2, "autoint": AutoInt, "finalmlp": FinalMLP}


class Peer:
    """Its loader without worker processes, which on one core is its fastest, and its training step."""

    def __init__(self, request: dict[str, Any]) -> None:
        torch.manual_seed(request["seed"])
        torch.set_num_threads(request["threads"])
        work = Path(request["work"])
        feature_map = FeatureMap("wide", str(work))
        feature_map.labels = ["click"]
        feature_map.features = OrderedDict(
            (f"f{field:02d}", {"source": "", "type": "categorical", "padding_idx": 0, "vocab_size": rows})
            for field, rows in enumerate(request["cardinalities"])
        )
        feature_map.num_fields = feature_map.get_num_fields()
        feature_map.set_column_index()
        self.train, self.test = (
            NpzDataLoader(
                feature_map,
                str(work / f"{part}.npz"),
                batch_size=request["batch_size"],
                shuffle=part == "train",
                num_workers=0,
            )
            for part in ("train", "test")
        )
        self.model = MODELS[request["model"]](feature_map, request["dim"], str(work))
        self.batches = self._endless()

    def _endless(self) -> Iterator[dict[str, Tensor]]:
        while True:
            yield from self.train

    def steps(self, count: int) -> None:
        self.model.train()
        for _ in range(count):
            self.model.train_step(next(self.batches)).item()

    @torch.no_grad()
    def probabilities(self) -> np.ndarray:
        self.model.eval()
        return np.concatenate([self.model(batch)["y_pred"].numpy().ravel() for batch in self.test])


def _model_zoo(path: str) -> Any:
    root = importlib.util.find_spec("model_zoo")
    assert root is not None and root.submodule_search_locations
    file = Path(next(iter(root.submodule_search_locations))) / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    serve(Peer)

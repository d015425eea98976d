"""The published OptInter search step, written anew from its description, driven by `talk`.

As its public code computes it: a loop over pairs that grows the input by one mixture at a time, every candidate
computed, tables updated whole by two Adams, float32 throughout.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.workers.talk import serve

HOT, COLD, COOLING = 1.0, 0.01, 5e-5


class Supernet(nn.Module):
    """Every field naive, every pair a mixture of memorized, factorized and nothing."""

    def __init__(
        self, codes: int, cells: int, pairs: list[tuple[int, int]], fields: int, hidden: list[int]
    ) -> None:
        super().__init__()
        self.pairs = pairs
        self.naive, self.memorized = nn.Embedding(codes, 20), nn.Embedding(cells, 10)
        self.factors = nn.Embedding(codes, 10)
        for table in (self.naive, self.memorized, self.factors):
            nn.init.uniform_(table.weight, -0.01, 0.01)
        widths = [20 * fields + 10 * len(pairs), *hidden]
        self.layers = nn.ModuleList(nn.Linear(width, following) for width, following in pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in hidden)
        self.last = nn.Linear(widths[-1], 1)
        self.temperature = HOT

    def forward(self, codes: Tensor, cells: Tensor, alpha: Tensor) -> Tensor:
        shares = torch.softmax(alpha / self.temperature, 1)
        columns = self.naive(codes).flatten(1)
        # Taken apart at once: slices pair by pair would each get a gradient of full size.
        memorized, factors = self.memorized(cells).unbind(1), self.factors(codes).unbind(1)
        for number, (left, right) in enumerate(self.pairs):
            product = factors[left] * factors[right]
            naive = torch.zeros_like(product)
            mixed = (
                shares[number, 0] * memorized[number]
                + shares[number, 1] * product
                + shares[number, 2] * naive
            )
            columns = torch.cat([columns, mixed], 1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            columns = torch.relu(norm(layer(columns)))
        return torch.sigmoid(self.last(columns)).squeeze(1)


class Reference:
    """Joint steps of weights and choices on the same batch."""

    def __init__(self, request: dict[str, Any]) -> None:
        torch.manual_seed(request["seed"])
        torch.set_num_threads(request["threads"])
        with np.load(Path(request["work"]) / "search.npz") as stored:
            self.codes = torch.from_numpy(stored["codes"] + stored["code_starts"])
            self.cells = torch.from_numpy(stored["cells"] + stored["cell_starts"])
            self.labels = torch.from_numpy(stored["labels"])
            pairs = [(int(left), int(right)) for left, right in stored["pairs"]]
            sizes = int(stored["code_rows"].sum()), int(stored["cell_rows"].sum())
        self.batch = request["batch_size"]
        self.net = Supernet(*sizes, pairs, self.codes.shape[1], request["hidden"])
        self.alpha = nn.Parameter(nn.init.xavier_normal_(torch.empty(len(pairs), 3)))
        tables = [self.net.memorized.weight, self.net.factors.weight]
        others = [p for p in self.net.parameters() if all(p is not table for table in tables)]
        self.optimizer = torch.optim.Adam(
            [{"params": tables, "weight_decay": 3e-8}, {"params": others}], lr=1e-3
        )
        self.chooser = torch.optim.Adam([self.alpha], lr=1e-3)
        self.taken = 0

    def steps(self, count: int) -> None:
        for _ in range(count):
            start = self.taken * self.batch % (len(self.labels) - self.batch + 1)
            rows = slice(start, start + self.batch)
            self.net.temperature = max(COLD, HOT - COOLING * self.taken)
            probabilities = self.net(self.codes[rows], self.cells[rows], self.alpha)
            loss = nn.functional.binary_cross_entropy(probabilities, self.labels[rows])
            self.optimizer.zero_grad()
            self.chooser.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.chooser.step()
            self.taken += 1


if __name__ == "__main__":
    serve(Reference)

"""PNN's MLP over vectors and products, inner and under a kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.product_network import ProductNetwork
from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight


@pytest.mark.parametrize("product", ["inner", "outer"])
def test_the_mlp_reads_vectors_and_products(product: str) -> None:
    stream = build("product_network", {"product": product, "hidden": (5, 4)})
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        columns = list(fields.flatten())
        pair = 0
        for left in range(len(fields)):
            for right in range(left + 1, len(fields)):
                kernel = weight(stream, "kernels")[pair] if product == "outer" else np.eye(INPUTS.dim)
                columns.append(fields[left] @ kernel @ fields[right])
                pair += 1
        row = np.array(columns)
        for place in (0, 2, 4):
            row = weight(stream, f"mlp.{place}.weight") @ row + weight(stream, f"mlp.{place}.bias")
            if place < 4:
                row = np.maximum(row, 0)
        expected.append(float(row[0]))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_outer_products_begin_as_inner_products() -> None:
    logits = []
    for product in ("inner", "outer"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            settings = ProductNetwork.settings_of({"product": product})
            logits.append(ProductNetwork(INPUTS, settings)(vectors(), codes()))
    torch.testing.assert_close(*logits)


def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="setting 'product'.*'inner' or 'outer'.*found 'cross'"):
        ProductNetwork.settings_of({"product": "cross"})

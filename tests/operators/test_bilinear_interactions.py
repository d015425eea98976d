"""FiBiNET, pair by pair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.registry import get_stream
from autofi.operators.streams import StreamInputs
from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight

PAIRS = list(combinations(range(len(INPUTS.fields)), 2))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("form", ["all", "each", "interaction"])
def test_products_of_vectors_and_of_weighed_vectors_feed_an_mlp(form: str, shared: bool) -> None:
    stream = build("bilinear_interactions", {"form": form, "shared": shared, "reduction": 1, "hidden": [5]})
    sets = [weight(stream, f"matrices.{number}") for number in range(1 if shared else 2)]
    weighing, expected = [], []
    for fields in vectors().numpy().astype(np.float64):
        squeezed = np.maximum(weight(stream, "weigh.0.weight") @ fields.mean(1), 0)
        weights = np.maximum(weight(stream, "weigh.2.weight") @ squeezed, 0)
        weighing.append(weights)
        read = []
        for read_vectors, matrices in ((fields, sets[0]), (fields * weights[:, None], sets[-1])):
            for pair, (i, j) in enumerate(PAIRS):
                matrix = matrices[{"all": 0, "each": i, "interaction": pair}[form]]
                read.append((read_vectors[i] @ matrix) * read_vectors[j])
        row = np.concatenate(read)
        hidden = np.maximum(weight(stream, "readout.0.weight") @ row + weight(stream, "readout.0.bias"), 0)
        logit = weight(stream, "readout.2.weight") @ hidden + weight(stream, "readout.2.bias")
        expected.append(float(logit[0]))
    # Some fields are shut, and still some pairs are open: both halves of the row are told apart.
    assert any((weights == 0).any() for weights in weighing)
    assert any(weights[i] * weights[j] > 0.01 for weights in weighing for i, j in PAIRS)
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_a_field_of_zeros_takes_no_part() -> None:
    """Every product with it is zero: its matrices may be anything."""
    stream = build("bilinear_interactions", {"form": "interaction", "hidden": [5]})
    read = vectors()
    read[:, 1] = 0
    before = stream(read, codes())
    with torch.no_grad():
        for pair, ends in enumerate(PAIRS):
            if 1 in ends:
                stream.get_parameter("matrices.0")[pair] += 1.0
    torch.testing.assert_close(stream(read, codes()), before)
    assert not torch.allclose(stream(vectors(), codes()), before)


def test_its_size_is_the_published_one() -> None:
    """BARS' FiBiNET for Frappe: 743,480 numbers, of which 53,890 are embeddings and 5,389 linear weights."""
    kind = get_stream("bilinear_interactions")
    inputs = StreamInputs(fields=tuple("abcdefghij"), rows=(2,) * 10, dim=10)
    settings = {"form": "all", "reduction": 2, "hidden": [400] * 3, "batch_norm": True}
    assert kind.num_parameters(inputs, kind.settings_of(settings)) == 743_480 - 53_890 - 5_389


def test_one_field_has_no_pairs() -> None:
    kind = get_stream("bilinear_interactions")
    with pytest.raises(SearchSpaceError, match="bilinear_interactions has 1 field"):
        kind(StreamInputs(fields=("user",), rows=(7,), dim=6), kind.settings_of({}))


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="setting 'form'.*found 'pairs'"):
        build("bilinear_interactions", {"form": "pairs"})

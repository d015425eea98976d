"""A scorer gives what the whole supernet gives with everything else masked, whatever it keeps or derives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autofi.metrics.ranking import auc, logloss
from autofi.space.head_config import HeadSizes
from autofi.supernet.inherited_scoring import MOST_DERIVED, Options, Scorer
from autofi.supernet.supernet import Supernet
from autofi.training.row_source import Rows
from tests.supernet.test_supernet import FEATURES, HEADS, SLOTS, random_options, supernet

SIZES = [
    *HEADS,
    HeadSizes("none", hidden=()),
    HeadSizes("mlp", hidden=(6,)),
    HeadSizes("mlp", hidden=(7, 5), batch_norm=True, dropout=0.3, ensemble=3),
]
EVERY_HEAD = pytest.mark.parametrize("head", SIZES, ids=lambda r: f"{r.name}-{r.ensemble}-{len(r.hidden)}")
EXACT = {"dtype": torch.float32}


def rows_of(whole: Supernet, *, weighted: bool = False) -> Rows:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(len(FEATURES), generator=generator) < 0.4).float()
    weights = torch.rand(len(FEATURES), generator=generator) + 0.1 if weighted else None
    return Rows(whole.select(FEATURES), labels, weights)


def scorer_of(whole: Supernet, rows: Rows | None = None, **settings: Any) -> Scorer:
    generator = torch.Generator().manual_seed(1)
    settings = {"block_rows": 16, **settings}
    return Scorer(whole, rows_of(whole) if rows is None else rows, generator=generator, **settings)


def masked_logits(whole: Supernet, scorer: Scorer, candidates: Sequence[Sequence[int]]) -> torch.Tensor:
    """The slow way: everything computed, most of it multiplied by zero."""
    selected = scorer.rows.selected
    paths = [whole.path_mask(torch.tensor([list(options)]), len(scorer)) for options in candidates]
    with torch.no_grad():
        return torch.stack([whole(selected, mask) for mask in paths])


def children(options: Sequence[int], number: int) -> list[Options]:
    """Architectures with another option at one or two slots."""
    rng = np.random.default_rng(number)
    found = []
    for _ in range(number):
        child = list(options)
        for row in rng.choice(len(SLOTS), 2, replace=False):
            child[row] = int(rng.integers(len(SLOTS[row].options)))
        found.append(tuple(child))
    return found


@EVERY_HEAD
@pytest.mark.parametrize("field_sum", [False, True])
@pytest.mark.parametrize("budget", [0, 30_000, 1 << 30], ids=["nothing kept", "some kept", "all kept"])
def test_scored_equals_masked(head: HeadSizes, field_sum: bool, budget: int) -> None:
    whole = supernet(head, field_sum=field_sum)
    scorer = scorer_of(whole, budget=budget, **EXACT)
    parent = random_options(0)
    scorer.remember(parent)
    candidates = [*map(random_options, range(6)), *children(parent, 6)]
    expected = masked_logits(whole, scorer, candidates)
    torch.testing.assert_close(scorer.logits(candidates), expected, rtol=2e-5, atol=2e-5)
    losses = nn.functional.binary_cross_entropy_with_logits(
        expected, scorer.rows.labels.expand_as(expected), reduction="none"
    )
    torch.testing.assert_close(scorer.losses(candidates), losses, rtol=2e-5, atol=2e-5)


@EVERY_HEAD
@pytest.mark.parametrize("field_sum", [False, True])
def test_bfloat16_is_close_and_its_logits_are_not_rounded(head: HeadSizes, field_sum: bool) -> None:
    whole = supernet(head, field_sum=field_sum)
    scorer = scorer_of(whole, dtype=torch.bfloat16)
    candidates = [random_options(seed) for seed in range(6)]
    found, expected = scorer.logits(candidates), masked_logits(whole, scorer, candidates)
    # Three decimal digits of everything summed on the way.
    assert float((found - expected).abs().max()) < 0.03 * max(1.0, float(expected.abs().max()))
    if head.name != "none":
        rounded = found == found.bfloat16().float()
        assert float(rounded.float().mean()) < 0.2


def test_blocks_are_parts_of_the_whole() -> None:
    scorer = scorer_of(supernet(), **EXACT)
    candidates = [random_options(seed) for seed in range(3)]
    assert [scorer.span(range(number, number + 1)).start for number in scorer.blocks] == [0, 16, 32, 48]
    parts = [scorer.logits(candidates, blocks) for blocks in (range(0, 1), range(1, 3), range(3, 4))]
    assert [part.shape[1] for part in parts] == [16, 32, 12]
    assert torch.equal(torch.cat(parts, 1), scorer.logits(candidates))


def test_rows_lie_in_an_order_the_generator_draws() -> None:
    whole = supernet()
    rows = rows_of(whole)
    scorer = scorer_of(whole, rows)
    assert torch.equal(scorer.order.sort().values, torch.arange(len(rows)))
    assert not torch.equal(scorer.order, torch.arange(len(rows)))
    assert torch.equal(scorer.rows.labels, rows.labels[scorer.order])
    assert torch.equal(scorer.order, scorer_of(whole, rows).order)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_score_is_auc_and_logloss_of_all_rows(weighted: bool) -> None:
    whole = supernet()
    scorer = scorer_of(whole, rows_of(whole, weighted=weighted), **EXACT)
    options = random_options(2)
    probabilities = masked_logits(whole, scorer, [options])[0].double().sigmoid().numpy()
    labels = scorer.rows.labels.numpy()
    weights = None if scorer.rows.weights is None else scorer.rows.weights.numpy()
    score = scorer.score(options)
    assert score.auc == pytest.approx(auc(labels, probabilities, weights), abs=1e-12)
    assert score.logloss == pytest.approx(logloss(labels, probabilities, weights), rel=1e-5)
    assert float(scorer.losses([options]).mean()) == pytest.approx(score.logloss, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_long_line_of_children_does_not_drift(dtype: torch.dtype) -> None:
    """Each is derived from the one before, and computed anew once that has been done often enough."""
    whole = supernet()
    scorer = scorer_of(whole, dtype=dtype)
    options = tuple(random_options(0))
    derived = []
    for _ in range(4 * MOST_DERIVED):
        scorer.remember(options)
        derived.append(scorer._outputs[options].derived)
        child = children(options, len(derived))[-1]
        while len(scorer._outputs) > 1:
            scorer._outputs.popitem(last=False)
        options = child
    found, fresh = scorer.logits([options]), scorer_of(whole, dtype=dtype).logits([options])
    tolerance = 1e-5 if dtype is torch.float32 else 0.05
    torch.testing.assert_close(found, fresh, rtol=0, atol=tolerance)
    assert max(derived) == MOST_DERIVED


def test_a_child_multiplies_only_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = scorer_of(supernet(), **EXACT)
    parent = random_options(0)
    child = [*parent[:-1], (parent[-1] + 1) % len(SLOTS[-1].options)]
    used: list[int] = []
    output = scorer.layer.output

    def counted(activations: torch.Tensor, columns: torch.Tensor, *others: Any) -> torch.Tensor:
        used.append(len(columns))
        return output(activations, columns, *others)

    monkeypatch.setattr(scorer.layer, "output", counted)
    scorer.logits([child], range(1))
    scorer.remember(parent)
    scorer.logits([child], range(1))
    before, after = (scorer.layer.active(options) for options in (parent, child))
    assert used[0] == int(after.sum())
    assert used[-1] == int((before ^ after).sum()) < used[0] / 2


def test_memory_stays_within_the_budget() -> None:
    whole = supernet()
    one = scorer_of(whole, **EXACT)
    block = one.layer.bytes(16)
    budget = 4 * block
    scorer = scorer_of(whole, budget=budget, **EXACT)
    for seed in range(40):
        scorer.remember(random_options(seed))
    kept = sum(tensor.numel() * 4 for tensor in scorer._kept)
    outputs = sum(part.numel() * 4 for output in scorer._outputs.values() for part in output.blocks)
    assert 0 < kept <= 3 * block
    assert 0 < outputs <= block
    assert tuple(random_options(39)) in scorer._outputs
    assert tuple(random_options(0)) not in scorer._outputs
    candidates = [random_options(seed) for seed in (0, 39, 50)]
    torch.testing.assert_close(scorer.logits(candidates), one.logits(candidates), rtol=2e-5, atol=2e-5)


def test_the_supernet_is_left_as_it_was() -> None:
    whole = supernet()
    before = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    scorer = scorer_of(whole, dtype=torch.bfloat16)
    scorer.remember(random_options(0))
    scorer.score(random_options(1))
    after = whole.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert all(parameter.requires_grad for parameter in whole.parameters())

"""Second-order factorization over all fields at once."""

from __future__ import annotations

from torch import Tensor

from autofi.operators.registry import register
from autofi.operators.streams import Stream


@register
class FM(Stream):
    """The sum of the inner products of all pairs of field vectors, in `O(F·D)`: no pair is formed.

    Without first-order weights, which the stream `linear` holds.
    """

    name = "fm"
    summary = "inner products of all pairs of field vectors, summed"
    formula = "y = Σ_{i<j} <v_i, v_j> = ½ Σ_d ((Σ_f v_fd)² - Σ_f v_fd²)"
    source = "https://doi.org/10.1109/ICDM.2010.127"

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        total = vectors.sum(1)
        return 0.5 * (total.square().sum(1) - vectors.square().sum((1, 2)))

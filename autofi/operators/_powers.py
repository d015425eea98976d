"""Products of powers, computed as the exponential of a sum."""

from __future__ import annotations

from torch import Tensor

#: Exponents above are cut: the squares of such powers, which batch normalisation adds up, would leave float32 not far
#: from there.
LARGEST_EXPONENT = 30.0


def bounded_exp(exponents: Tensor) -> Tensor:
    """`exp`, of no more than `LARGEST_EXPONENT`."""
    return exponents.clamp_max(LARGEST_EXPONENT).exp()

"""Products of powers, computed as the exponential of a sum."""

from __future__ import annotations

from torch import Tensor

#: Larger exponents are clipped: batch normalization sums the squares of such powers, which would soon overflow
#: float32.
LARGEST_EXPONENT = 30.0


def bounded_exp(exponents: Tensor) -> Tensor:
    """Return `exp` of the exponents, clipped at `LARGEST_EXPONENT`."""
    return exponents.clamp_max(LARGEST_EXPONENT).exp()

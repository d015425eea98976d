"""The small study of `autofi.testing`, under the name that tests here know."""

from autofi.testing.study_examples import (
    ARCHITECTURE,
    CHOICES,
    CREATED,
    DISTRIBUTIONS,
    PARAMS,
    measured,
    start,
    trial,
)

__all__ = ["ARCHITECTURE", "CHOICES", "CREATED", "DISTRIBUTIONS", "PARAMS", "measured", "start", "trial"]

from __future__ import annotations

from autofi.strategies.registry import register
from autofi.strategies.scratch import Scratch


@register
class Unscreened(Scratch):
    """The strategy `scratch` under another name."""

    name = "unscreened"
    summary = "as `scratch`, from another package"

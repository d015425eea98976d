"""A proposal for tests: two fields, a pair that is likely, and nothing sure."""

from __future__ import annotations

from autofi.supernet.proposal import Proposal

PAIR = ("ad", "site")
PROPOSAL = Proposal(
    fields={"ad": ("statistics",), "site": ("embedding",)},
    all_fields={"ad": ("embedding", "statistics"), "site": ("embedding", "statistics")},
    pairs={},
    likely={PAIR: ("factorize_hadamard",)},
    rates={PAIR: ("memorize_statistics",)},
)

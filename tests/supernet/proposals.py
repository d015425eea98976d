"""A proposal for tests: two fields, a pair that is likely, and nothing sure."""

from __future__ import annotations

from autofi.supernet.proposal import Proposal

PAIR = ("ad", "site")
PROPOSAL = Proposal(
    fields={"ad": ("statistics",), "site": ("embedding",)},
    all_fields={"ad": ("embedding", "statistics"), "site": ("embedding", "statistics")},
    pairs={},
    probable_pairs={PAIR: ("factorize_hadamard",)},
    target_encoded_pairs={PAIR: ("memorize_statistics",)},
)

"""Keys of the records that a study keeps beside its trials."""

from __future__ import annotations

#: The stage of trials that train from scratch.
STAGE = "search"


#: Stages that are no trials: what was proposed, what the leader asks of all workers, and why the search ended.
PROPOSAL = "proposal"


GOAL = "goal"


STOPPED = "stopped"


#: The stage that keeps them.
DATA = "data"

"""Keys of the records that a study keeps beside its trials."""

from __future__ import annotations

#: The stage of trials that train from scratch.
STAGE = "search"

#: Records besides trials: the proposal, the leader's request to all workers, and the reason why the search ended.
PROPOSAL = "proposal"
GOAL = "goal"
STOPPED = "stopped"

#: The number of folds that boosted trees are grown for, the time that the last sitting kept to, and the baselines that
#: the clock ended.
TREES = "trees"
TIME = "time"
CUT = "cut"

#: The record of the data checks.
DATA = "data"

#: The names of the fields, and the columns that no two parts of the split share.
FIELDS = "fields"

#: The seconds of the phases of all runs.
SECONDS = "seconds"

#: The delivered ensemble, or the reason why there is none.
ENSEMBLE = "ensemble"

#: The summary as it was when the search ended.
SUMMARY = "summary"

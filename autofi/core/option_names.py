"""Names that options take, kept apart from what they stand for: importing them costs no time."""

from __future__ import annotations

from typing import Literal

#: Who may propose: a sampler of ours (most of them Optuna's), or a tuner of NNI.
OPTUNA, NNI = "optuna", "nni"
#: As the first, with the workers on Ray: how a search runs, which is not kept with the study.
RAY = "ray"
ENGINES = (OPTUNA, NNI, RAY)
DEFAULT_SAMPLER = "tpe"
#: `full`: every trial is trained on all rows at once.
Fidelity = Literal["full", "halving", "hyperband"]
#: How many members an ensemble may have, where no number says so.
AUTO, OFF = "auto", "off"
DEVICES = ("auto", "cpu", "cuda")

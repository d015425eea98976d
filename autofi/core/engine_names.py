"""Names of the engines that a search runs on."""

from __future__ import annotations

#: Who may propose: a sampler of ours (most of them Optuna's), or a tuner of NNI.
OPTUNA = "optuna"


NNI = "nni"


#: As the first, with the workers on Ray: how a search runs, which is not kept with the study.
RAY = "ray"

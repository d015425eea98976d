"""The options of a search, each defined once: the parameters of `autofi.search`, the options of the command and the
reference table are made of the fields of `SearchOptions`.

A new option is a field here, and one in `SearchSettings` if it is kept with the study. Nothing heavy is imported: a
command's help is made of these fields.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from autofi.core.option_fields import OptionRow, described, option, option_rows
from autofi.core.option_names import DEVICES, ENGINES, OPTUNA, Fidelity
from autofi.core.registered_names import registered_names
from autofi.data.config import DEFAULT_SPLIT
from autofi.engine.presets import DEFAULT_PRESET, PRESETS
from autofi.space.builtin import builtin_spaces
from autofi.store.search_settings import SearchSettings

if TYPE_CHECKING:
    from autofi.core.progress import Progress
    from autofi.data.schema_overrides import SchemaOverrides

COLUMNS, SPLIT, GOALS, PLAN = "Columns", "Split", "Goals", "Plan"
NNI, RAY = "NNI", "Ray"


def _samplers() -> Iterable[str]:
    return registered_names("autofi.samplers.registry", "samplers")


def _strategies() -> Iterable[str]:
    return registered_names("autofi.strategies.registry", "strategies")


def _tuners() -> Iterable[str]:
    from autofi.nni.tuners import TUNERS

    return TUNERS


def _objectives() -> Iterable[str]:
    from autofi.objectives.objectives import OBJECTIVES

    return OBJECTIVES


@dataclass(frozen=True, eq=False)
class SearchOptions:
    """The options of `autofi.search` as they are given; None where one is left open."""

    table: Any = dataclasses.field(
        metadata=described(
            "The clicks: a CSV, TSV, Parquet, Arrow, JSON or libsvm file, a folder or glob of them, a database URL "
            "with a query, a pandas, Polars or Arrow table, or planted (generated data with a known truth).",
            flags=(),
        )
    )
    _: KW_ONLY
    target: str | None = option(
        None, "Column with the clicks: 0/1, -1/1 or true/false.", group=COLUMNS, metavar="C"
    )
    space: str | Path = option(
        "default",
        "Name or YAML file of a search space; autofi spaces lists the names.",
        choices=builtin_spaces,
    )
    study: str | None = option(
        None,
        "Name to keep the study under; the same name resumes it.",
        default_text="made of the table's name and the space's",
    )
    storage: str | None = option(
        None,
        "Database of the studies, as a URL.",
        metavar="URL",
        envvar="AUTOFI_STORAGE",
        default_text="sqlite:///studies/autofi.db",
    )
    preset: str | None = option(
        None,
        "How much is trained where no other option says so: fast is 3 trials without a supernet, 1 seed and 2 "
        "baselines; best is 40 trials and 5 seeds.",
        metavar="NAME",
        choices=lambda: PRESETS,
        default_text=DEFAULT_PRESET,
    )
    trials: int | None = option(
        None,
        "Architectures to train from scratch, counted over all sittings of the study.",
        at_least=1,
        default_text=f"{SearchSettings.trials}, or the preset's; 1 in a space of one architecture",
    )
    timeout: float | None = option(
        None,
        "Time of the whole run, such as 90s, 10m or 2h (in Python a number of seconds): what does not fit is left out, "
        "and the summary says so. A training that has begun is finished.",
        form="seconds",
        metavar="TIME",
    )
    seeds: int | None = option(
        None,
        "Times that the winner is retrained.",
        at_least=1,
        default_text=f"{SearchSettings.seeds}, or the preset's",
    )
    device: str = option("auto", "Device that networks are trained on.", choices=lambda: DEVICES)
    jobs: int | None = option(
        None,
        "Trainings at once, each in a process of its own.",
        at_least=1,
        default_text="one per core on a small table, 1 on a tiny or a large one, 4 on a GPU",
    )
    workers: int = option(
        1,
        "Processes that share the trials, this one included; each opens the data itself, and GPUs are dealt out in "
        "turn.",
        at_least=1,
    )
    strategy: str | None = option(
        None,
        "Strategy that finds the candidates of trials; staged trains a supernet first.",
        group=PLAN,
        metavar="NAME",
        choices=_strategies,
        default_text=f"{SearchSettings.strategy}, or the preset's",
    )
    sampler: str | None = option(
        None,
        "Sampler that proposes trials after the starting points of the space.",
        group=PLAN,
        metavar="NAME",
        choices=_samplers,
        default_text=SearchSettings.sampler,
    )
    fidelity: str | None = option(
        None,
        "Training rows of a trial: with halving and hyperband, trials begin on a ninth or a third of the rows, and "
        "only the best third of them goes on each time.",
        group=PLAN,
        metavar="NAME",
        choices=lambda: get_args(Fidelity),
        default_text=SearchSettings.fidelity,
    )
    plateau: int | None = option(
        None,
        "End the search after this many trials in a row without anything better.",
        group=PLAN,
        at_least=1,
    )
    engine: str = option(
        OPTUNA,
        "Engine of the search. With nni, a tuner of NNI proposes after the starting points, and the address of its "
        "portal is printed; ray is optuna with the workers on Ray.",
        group=PLAN,
        metavar="NAME",
        choices=lambda: ENGINES,
    )
    tuner: str | None = option(
        None,
        "Tuner of NNI that proposes, with the engine nni.",
        group=NNI,
        metavar="NAME",
        choices=_tuners,
        default_text="TPE",
    )
    nni_python: str | Path | None = option(
        None,
        "The interpreter that has NNI 3.0.",
        group=NNI,
        metavar="PYTHON",
        envvar="AUTOFI_NNI_PYTHON",
        default_text="this one",
    )
    worker_cpus: float | None = option(
        None, "Cores that a worker on Ray takes.", group=RAY, metavar="N", default_text="1"
    )
    worker_gpus: float | None = option(
        None,
        "GPUs that a worker on Ray takes, such as 0.5.",
        group=RAY,
        metavar="N",
        default_text="1 if the search is on one, else 0",
    )
    worker_data: str | None = option(
        None,
        "Where the table lies on Ray's nodes, if not where it lies here.",
        group=RAY,
        metavar="DATA",
    )
    objectives: Sequence[str] | None = option(
        None,
        "Objectives to improve, the most important first.",
        group=GOALS,
        flags=("--objective",),
        form="repeated",
        metavar="NAME",
        choices=_objectives,
        default_text=", ".join(SearchSettings.objectives),
    )
    limits: Sequence[str] | None = option(
        None,
        "Limits that the winner keeps, such as table_bytes<=50MB and auc>=0.7 (on the command line "
        "--max table_bytes=50MB and --min auc=0.7).",
        group=GOALS,
        flags=("--max", "--min"),
        form="limits",
    )
    seed: int | None = option(
        None,
        "Seed of everything random.",
        at_least=0,
        default_text=f"{SearchSettings.seed}, or that of the study that is resumed",
    )
    baselines: Sequence[str] | None = option(
        None,
        "Models to compare with: boosted trees and search spaces of one architecture; none (in Python an empty list) "
        "leaves them out.",
        form="names",
        metavar="LIST",
        default_text=f"{', '.join(SearchSettings.baselines)}, or the preset's, if they are installed",
    )
    refit: bool = option(
        SearchSettings.refit,
        "Retrain on training and validation rows together, for the number of steps found on training rows.",
    )
    split: str = option(
        DEFAULT_SPLIT,
        "Rule that splits the rows: random:TRAIN,VALID,TEST as shares, time:COLUMN or group:COLUMN.",
        group=SPLIT,
        metavar="RULE",
    )
    valid: Any = option(
        None, "File of its own with the validation rows; in Python also a table.", group=SPLIT, form="file"
    )
    test: Any = option(
        None, "File of its own with the test rows; in Python also a table.", group=SPLIT, form="file"
    )
    query: str | None = option(None, "SQL to run when the table is a database URL.", metavar="SQL")
    overrides: "SchemaOverrides | None" = option(
        None,
        "Columns that are read otherwise than AutoFI infers; on the command line, the options of columns and "
        "--schema.",
        group=COLUMNS,
        flags=(),
    )
    header: bool | None = option(
        None,
        "Read the first row of delimited text as the names of the columns, or as data.",
        flags=("--header/--no-header",),
        default_text="found out",
    )
    delimiter: str | None = option(
        None,
        "Separator of the cells of delimited text: a character, or tab.",
        metavar="C",
        default_text="found out",
    )
    progress: "Progress | None" = option(
        None,
        "Receiver of progress, such as RichProgress.",
        flags=(),
        default_text="nothing is told",
    )


def option_table() -> tuple[OptionRow, ...]:
    """Return the options of `autofi.search` in the order of its parameters, for a reference."""
    return option_rows(SearchOptions)

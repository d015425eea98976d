"""The trainings of a comparison as lines of JSON beside its file, so that another machine can continue them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autofi.core.atomic_file import atomic_path
from autofi.core.validated import Strict, first_fault
from autofi.errors import DataError
from autofi.metrics.over_seeds import kept_test_error, over_seeds
from autofi.records.models import current_baselines
from autofi.store import ModelRecord, ModelRole, StudyHandle

#: The file beside that of the comparison, next to `report.md`.
FILE_NAME = "results.jsonl"


class Result(Strict):
    """One training of a model on a table; it counts only for this table, `data` and `architecture`.

    Attributes:
        table: The table.
        model: The model.
        seed: The seed.
        data: The fingerprint of the table.
        architecture: The id of the trained architecture; empty for trees.
        metrics: By part, its metrics.
        parameters: The number of trained numbers.
        table_bytes: The bytes of tables.
        seconds: The seconds of the training.
        note: A remark on the line.
    """

    table: str
    model: str
    seed: int
    data: str
    architecture: str = ""
    metrics: dict[str, dict[str, float]]
    parameters: int | None = None
    table_bytes: int | None = None
    seconds: float | None = None
    note: str = ""

    @property
    def key(self) -> tuple[str, str, int, str, str]:
        """The key of a training, which is done once."""
        return self.table, self.model, self.seed, self.data, self.architecture

    @property
    def of(self) -> tuple[str, str, str, str]:
        """The key that the seeds of one model on one table share."""
        return self.table, self.model, self.data, self.architecture


def load_results(path: Path) -> list[Result]:
    """Return the lines of a file, none where there is no file; raise DataError that names an invalid line."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            document = json.loads(line)
            found.append(Result.model_validate(document))
        except ValidationError as error:
            fault = first_fault(error, document)
            raise _unreadable(path, number, f"{fault.key or 'the line'}: {fault.rule}") from error
        except ValueError as error:
            raise _unreadable(path, number, f"not JSON: {error}") from error
    return found


def _unreadable(path: Path, number: int, reason: str) -> DataError:
    return DataError(
        f"'{path}', line {number}, {reason}; correct the line, or remove it to train the model again."
    )


def write_results(path: Path, measured: Iterable[Result]) -> list[Result]:
    """Join `measured` to the lines of a file and return all lines.

    Old lines of a model that changed on a table are removed.
    """
    measured = list(measured)
    current = {result.of for result in measured}
    known = {(table, model) for table, model, _, _ in current}
    merged = {result.key: result for result in measured}
    for line in load_results(path):
        if (line.table, line.model) not in known or line.of in current:
            merged[line.key] = line
    lines = [merged[key] for key in sorted(merged)]
    if lines:
        written = "\n".join(line.model_dump_json(exclude_defaults=True) for line in lines)
        with atomic_path(path) as fresh:
            fresh.write_text(written + "\n", encoding="utf-8")
    return lines


def models_by_table(results: Iterable[Result]) -> dict[str, list[dict[str, Any]]]:
    """Return the models of every table, each over its seeds, as in `Study.summary()`."""
    seeds: dict[tuple[str, str, str, str], list[Result]] = {}
    for result in results:
        seeds.setdefault(result.of, []).append(result)
    found: dict[str, list[dict[str, Any]]] = {}
    for (table, model, _, _), alike in seeds.items():
        error = kept_test_error(alike[0])
        found.setdefault(table, []).append(over_seeds(model, alike, test_error=error))
    return found


def restore(handle: StudyHandle, table: str, results: Iterable[Result]) -> int:
    """Record the results that a table's study lacks, and return their number.

    A model that the study has measured with another architecture since then stays unchanged.
    """
    measured = measured_results(handle, table)
    known = {result.key for result in measured}
    current = {result.model: result.architecture for result in measured}
    missing = [
        result
        for result in results
        if result.table == table
        and result.data == handle.record.data_fingerprint
        and result.key not in known
        and current.get(result.model, result.architecture) == result.architecture
    ]
    for result in missing:
        handle.record_model(
            role=ModelRole.BASELINE,
            name=result.model,
            seed=result.seed,
            metrics=result.metrics,
            architecture_id=result.architecture,
            parameters=result.parameters,
            table_bytes=result.table_bytes,
            seconds=result.seconds,
        )
    return len(missing)


def measured_results(handle: StudyHandle, table: str) -> list[Result]:
    """Return the results of a table's study, for its models as they are now."""
    return [
        _result(handle, table, model) for models in current_baselines(handle).values() for model in models
    ]


def _result(handle: StudyHandle, table: str, model: ModelRecord) -> Result:
    return Result(
        table=table,
        model=model.name,
        seed=model.seed,
        data=handle.record.data_fingerprint,
        architecture=model.architecture_id,
        metrics={part: dict(figures) for part, figures in model.metrics.items()},
        parameters=model.parameters,
        table_bytes=model.table_bytes,
        seconds=model.seconds,
    )

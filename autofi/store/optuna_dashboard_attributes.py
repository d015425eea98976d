"""Notes, figures and files of a study for optuna-dashboard, in the form in which it reads them.

optuna-dashboard's own `save_note` reads all notes of the study for each that it writes (640 ms at 5,000 trials, here 4
ms at any number). Its `save_plotly_graph_object` writes a figure in several transactions, so that a page may show half
of one. Here a note or a figure is written in one transaction, and optuna-dashboard need not be installed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from optuna.artifacts import get_all_artifact_meta, upload_artifact
from optuna.study import Study
from sqlalchemy import Integer, String, Text, column, delete, insert, select, table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from autofi.errors import StoreError
from autofi.store.artifacts import LinkedArtifacts
from autofi.store.database import Database, patient

#: Characters of one attribute: escaped to six bytes each, they fit into MySQL's TEXT of 64 kB.
PIECE = 10_000
#: Notes of one transaction, few enough that other writers need not wait long.
_NOTES_AT_ONCE = 100

# Tables of Optuna's schema.
_TRIALS = table("trials", column("trial_id", Integer), column("study_id", Integer), column("number", Integer))
_ATTRIBUTES = table(
    "study_system_attributes", column("study_id", Integer), column("key", String), column("value_json", Text)
)


class OptunaDashboardAttributes:
    """The notes, figures and files of one study."""

    def __init__(self, database: Database, study: Study) -> None:
        self._database = database
        self._study = study
        self._id: int = study._study_id

    @patient
    def add_notes(self, notes: Mapping[int, str]) -> None:
        """Add notes in Markdown to trials by number; an existing note stays."""
        numbers = sorted(notes)
        for start in range(0, len(numbers), _NOTES_AT_ONCE):
            self._add_notes({number: notes[number] for number in numbers[start : start + _NOTES_AT_ONCE]})

    def _add_notes(self, notes: Mapping[int, str]) -> None:
        with self._writing() as session:
            ids = self._trial_ids(session, notes)
            there = self._noted(session, ids.values())
            attributes: dict[str, str | int] = {}
            for number, trial_id in ids.items():
                if trial_id not in there:
                    attributes |= _pieces(f"dashboard:{trial_id}:note_str:", notes[number])
                    attributes[_note_key(trial_id)] = 1
            self._insert(session, attributes)

    @patient
    def noted(self) -> set[int]:
        """Return the numbers of the trials that have a note."""
        with self._database.session() as session:
            ids = self._trial_ids(session)
            there = self._noted(session)
        return {number for number, trial_id in ids.items() if trial_id in there}

    def _noted(self, session: Session, trial_ids: Iterable[int] | None = None) -> set[int]:
        """Return the ids of those of the given trials, or of all, that have a note."""
        found = select(_ATTRIBUTES.c.key).where(_ATTRIBUTES.c.study_id == self._id)
        if trial_ids is None:
            found = found.where(_ATTRIBUTES.c.key.like("dashboard:%:note_ver"))
        else:
            found = found.where(_ATTRIBUTES.c.key.in_([_note_key(trial_id) for trial_id in trial_ids]))
        return {int(key.split(":")[1]) for key in session.scalars(found)}

    @patient
    def save_figure(self, name: str, figure: str) -> None:
        """Show a Plotly figure, given as JSON, on the study's page; one of that name (letters, digits, - . _) goes."""
        prefix = f"dashboard:plot_data:{name}:"
        with self._writing() as session:
            session.execute(
                delete(_ATTRIBUTES).where(
                    _ATTRIBUTES.c.study_id == self._id,
                    _ATTRIBUTES.c.key.startswith(prefix, autoescape=True),
                )
            )
            self._insert(session, _pieces(prefix, figure))

    @patient
    def has_figure(self, name: str) -> bool:
        """Return True if there is a figure of that name."""
        query = select(_ATTRIBUTES.c.key).where(
            _ATTRIBUTES.c.study_id == self._id, _ATTRIBUTES.c.key == f"dashboard:plot_data:{name}:0"
        )
        with self._database.session() as session:
            return session.scalar(query) is not None

    def attach(self, content: Path | str, *, name: str, trial: int | None = None) -> None:
        """List a file, or a text as a file, under `name` at the study or at a running trial.

        A file is linked, not copied, if the file system can. A file that the study lists already stays unchanged.
        """
        store = LinkedArtifacts.of(self._database.url)
        with self._database.errors(), tempfile.TemporaryDirectory(prefix="autofi-") as folder:
            if trial is None and name in {meta.filename for meta in get_all_artifact_meta(self._study)}:
                return
            # Optuna names an artifact after its file.
            path = Path(folder) / name
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                path.symlink_to(content.absolute())
            storage = self._database.optuna
            if trial is None:
                upload_artifact(
                    artifact_store=store, file_path=str(path), study_or_trial=self._study, storage=storage
                )
            else:
                trial_id = storage.get_trial_id_from_study_id_trial_number(self._id, trial)
                running = storage.get_trial(trial_id)
                upload_artifact(
                    artifact_store=store, file_path=str(path), study_or_trial=running, storage=storage
                )

    def _trial_ids(self, session: Session, numbers: Iterable[int] | None = None) -> dict[int, int]:
        query = select(_TRIALS.c.number, _TRIALS.c.trial_id).where(_TRIALS.c.study_id == self._id)
        if numbers is not None:
            query = query.where(_TRIALS.c.number.in_(list(numbers)))
        return {row.number: row.trial_id for row in session.execute(query)}

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """Open a transaction; it does nothing if another process writes the same rows at this moment."""
        try:
            with self._database.session() as session:
                yield session
        except StoreError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise

    def _insert(self, session: Session, attributes: Mapping[str, str | int]) -> None:
        if attributes:
            rows = [
                {"study_id": self._id, "key": key, "value_json": json.dumps(value)}
                for key, value in attributes.items()
            ]
            session.execute(insert(_ATTRIBUTES), rows)


def _pieces(prefix: str, text: str) -> dict[str, str]:
    return {
        f"{prefix}{number}": text[start : start + PIECE]
        for number, start in enumerate(range(0, len(text), PIECE))
    }


def _note_key(trial_id: int) -> str:
    return f"dashboard:{trial_id}:note_ver"

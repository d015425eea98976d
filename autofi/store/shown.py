"""What optuna-dashboard shows beside a study's trials: notes, figures and files, where and as it reads them.

Its own `save_note` reads all notes of the study for each that it writes (640 ms at 5,000 trials, here 4 ms at any
number), and its `save_plotly_graph_object` writes a figure in pieces, a transaction each, so that a page can meet
half of one. Here a note or a figure is one transaction, in longer pieces, and optuna-dashboard need not be installed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from optuna.artifacts import get_all_artifact_meta, upload_artifact
from optuna.study import Study
from sqlalchemy import Integer, String, Text, column, delete, insert, select, table
from sqlalchemy.exc import IntegrityError

from autofi.errors import StoreError
from autofi.store.artifacts import LinkedArtifacts
from autofi.store.database import Database

#: Characters of one attribute: six bytes each, where they are escaped, fit into MySQL's TEXT of 64 kB.
PIECE = 10_000
#: Notes of one transaction: other processes that write must not wait long for it.
_NOTES_AT_ONCE = 100

# Of Optuna's schema.
_TRIALS = table("trials", column("trial_id", Integer), column("study_id", Integer), column("number", Integer))
_ATTRIBUTES = table(
    "study_system_attributes", column("study_id", Integer), column("key", String), column("value_json", Text)
)


class Shown:
    """Notes, figures and files of one study."""

    def __init__(self, database: Database, study: Study) -> None:
        self._database = database
        self._study = study
        self._id: int = study._study_id

    def add_notes(self, notes: Mapping[int, str]) -> None:
        """Add a note in Markdown to each trial, by number, that has none; one that is there stays."""
        missing = sorted(notes.keys() - self.noted(None if len(notes) > _NOTES_AT_ONCE else notes))
        for start in range(0, len(missing), _NOTES_AT_ONCE):
            numbers = missing[start : start + _NOTES_AT_ONCE]
            ids = self._trial_ids(numbers)
            attributes: dict[str, str | int] = {}
            for number in numbers:
                attributes |= _pieces(f"dashboard:{ids[number]}:note_str:", notes[number])
                attributes[_note_key(ids[number])] = 1
            self._replace((), attributes)

    def noted(self, numbers: Collection[int] | None = None) -> set[int]:
        """Numbers of the trials that have a note, of all or of some."""
        found = select(_ATTRIBUTES.c.key).where(_ATTRIBUTES.c.study_id == self._id)
        ids = self._trial_ids(numbers)
        if numbers is None:
            found = found.where(_ATTRIBUTES.c.key.like("dashboard:%:note_ver"))
        else:
            found = found.where(_ATTRIBUTES.c.key.in_([_note_key(trial_id) for trial_id in ids.values()]))
        with self._database.session() as session:
            keys = set(session.scalars(found))
        return {number for number, trial_id in ids.items() if _note_key(trial_id) in keys}

    def save_figure(self, name: str, figure: str) -> None:
        """Show a Plotly figure, as JSON, on the study's page; the same name (letters, digits, - . _) replaces it."""
        prefix = f"dashboard:plot_data:{name}:"
        self._replace((prefix,), _pieces(prefix, figure))

    def has_figure(self, name: str) -> bool:
        """Whether a figure of that name is there."""
        query = select(_ATTRIBUTES.c.key).where(
            _ATTRIBUTES.c.study_id == self._id, _ATTRIBUTES.c.key == f"dashboard:plot_data:{name}:0"
        )
        with self._database.session() as session:
            return session.scalar(query) is not None

    def attach(self, content: Path | str, *, name: str, trial: int | None = None) -> None:
        """List a file, or a text as one, under `name` at the study or at a trial that still runs.

        A file is linked, not copied, where the file system can. A name that the study lists already stays as it is.
        """
        store = LinkedArtifacts.of(self._database.url)
        with self._database.errors(), tempfile.TemporaryDirectory(prefix="autofi-") as folder:
            if trial is None and name in {meta.filename for meta in get_all_artifact_meta(self._study)}:
                return
            # Optuna calls an artifact by the name of its file.
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

    def _trial_ids(self, numbers: Collection[int] | None = None) -> dict[int, int]:
        query = select(_TRIALS.c.number, _TRIALS.c.trial_id).where(_TRIALS.c.study_id == self._id)
        if numbers is not None:
            query = query.where(_TRIALS.c.number.in_(list(numbers)))
        with self._database.session() as session:
            return {row.number: row.trial_id for row in session.execute(query)}

    def _replace(self, prefixes: tuple[str, ...], attributes: Mapping[str, str | int]) -> None:
        """The attributes in place of those whose keys begin with a prefix, in one transaction."""
        rows = [
            {"study_id": self._id, "key": key, "value_json": json.dumps(value)}
            for key, value in attributes.items()
        ]
        try:
            with self._database.session() as session:
                for prefix in prefixes:
                    session.execute(
                        delete(_ATTRIBUTES).where(
                            _ATTRIBUTES.c.study_id == self._id,
                            _ATTRIBUTES.c.key.startswith(prefix, autoescape=True),
                        )
                    )
                session.execute(insert(_ATTRIBUTES), rows)
        except StoreError as error:
            # Another process has written the same at this moment.
            if not isinstance(error.__cause__, IntegrityError):
                raise


def _pieces(prefix: str, text: str) -> dict[str, str]:
    return {
        f"{prefix}{number}": text[start : start + PIECE]
        for number, start in enumerate(range(0, len(text), PIECE))
    }


def _note_key(trial_id: int) -> str:
    return f"dashboard:{trial_id}:note_ver"

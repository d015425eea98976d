"""A bundle in every form, and rows to score with it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from autofi.bundle.manifest import VERSION
from tests.export.make_version_asset import VERSIONS, kept_rows, make_rows

BUNDLE: Path = VERSIONS / f"v{VERSION}" / "bundle"
#: With the target; the last two hold values that training had not.
ROWS: pa.Table = pa.concat_tables([make_rows(), kept_rows(make_rows()).slice(20)])

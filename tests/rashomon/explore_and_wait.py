"""Explores a study in a process that is killed meanwhile: `python -m tests.rashomon.explore_and_wait STORAGE`."""

from __future__ import annotations

import sys

import autofi
from tests.rashomon.test_record import EPS, SETTINGS

if __name__ == "__main__":
    autofi.open_study("mine", sys.argv[1]).rashomon(EPS, settings=SETTINGS)

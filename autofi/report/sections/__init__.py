"""The sections of a study's page, one file each, in their order."""

from autofi.report.sections.answer import answer_section
from autofi.report.sections.calibration import calibration_section
from autofi.report.sections.costs import costs_section
from autofi.report.sections.data import data_section
from autofi.report.sections.frequency import frequency_section
from autofi.report.sections.importance import importance_section
from autofi.report.sections.models import models_section
from autofi.report.sections.network import network_section
from autofi.report.sections.pairs import pairs_section
from autofi.report.sections.protocol import protocol_section
from autofi.report.sections.ranking import ranking_section
from autofi.report.sections.rashomon import rashomon_section
from autofi.report.sections.searching import inherited_section, parameters_section, searching_section
from autofi.report.sections.trade_offs import trade_offs_section

SECTIONS = (
    answer_section,
    models_section,
    ranking_section,
    importance_section,
    pairs_section,
    rashomon_section,
    network_section,
    trade_offs_section,
    searching_section,
    inherited_section,
    parameters_section,
    calibration_section,
    frequency_section,
    costs_section,
    data_section,
    protocol_section,
)

__all__ = ["SECTIONS"]

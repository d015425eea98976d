"""The sections of a study's page, one file each, in the order of the page."""

from autofi.report.section_baselines import models_section
from autofi.report.section_calibration import calibration_section
from autofi.report.section_costs import costs_section
from autofi.report.section_data import data_section
from autofi.report.section_frequency import frequency_section
from autofi.report.section_importance import importance_section
from autofi.report.section_network import network_section
from autofi.report.section_pairs import pairs_section
from autofi.report.section_pareto_front import trade_offs_section
from autofi.report.section_protocol import protocol_section
from autofi.report.section_ranking import ranking_section
from autofi.report.section_rashomon import rashomon_section
from autofi.report.section_search import inherited_section, parameters_section, searching_section
from autofi.report.section_summary import answer_section

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

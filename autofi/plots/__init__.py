"""Plotly figures of a study: small enough for a database, without colours of a page of their own."""

from autofi.plots.architecture_graph import plot_architecture
from autofi.plots.calibration_curve import plot_calibration_curve
from autofi.plots.cost_breakdown import plot_cost_breakdown
from autofi.plots.explanation import plot_explanation
from autofi.plots.exploration import plot_exploration
from autofi.plots.gain_by_frequency import plot_gain_by_field, plot_gain_by_frequency
from autofi.plots.inherited_vs_scratch import plot_inherited_vs_scratch
from autofi.plots.interaction_map import plot_choice_shares, plot_interaction_map, plot_pair_values
from autofi.plots.model_comparison import plot_model_comparison
from autofi.plots.optimization_history import plot_optimization_history
from autofi.plots.param_importances import plot_param_importances
from autofi.plots.pareto_front import plot_pareto_front
from autofi.plots.permutation_importance import plot_field_importance, plot_pair_importance
from autofi.plots.ranking_curves import plot_cumulative_gains, plot_precision_recall_curve, plot_roc_curve
from autofi.plots.rashomon import plot_halo, plot_halo_of_three, plot_rashomon_cloud, plot_rashomon_swarm
from autofi.plots.trial_table import plot_trial_table

__all__ = [
    "plot_architecture",
    "plot_calibration_curve",
    "plot_choice_shares",
    "plot_cost_breakdown",
    "plot_cumulative_gains",
    "plot_explanation",
    "plot_exploration",
    "plot_field_importance",
    "plot_gain_by_field",
    "plot_gain_by_frequency",
    "plot_halo",
    "plot_halo_of_three",
    "plot_inherited_vs_scratch",
    "plot_interaction_map",
    "plot_model_comparison",
    "plot_optimization_history",
    "plot_pair_importance",
    "plot_pair_values",
    "plot_param_importances",
    "plot_pareto_front",
    "plot_precision_recall_curve",
    "plot_rashomon_cloud",
    "plot_rashomon_swarm",
    "plot_roc_curve",
    "plot_trial_table",
]

"""The whole list of public names: a change of it is a change of AutoFI's interface."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PUBLIC = {
    "autofi": {
        "AutoFIClassifier",
        "AutoFIError",
        "Predictor",
        "RichProgress",
        "SchemaOverrides",
        "SkewWarning",
        "Study",
        "check_table",
        "compare",
        "delete_study",
        "explain",
        "explain_file",
        "inspect_table",
        "list_operators",
        "list_spaces",
        "list_studies",
        "load",
        "load_overrides",
        "nni_space",
        "open_dashboard",
        "open_study",
        "rename_study",
        "search",
        "serve",
        "work",
    },
    "autofi.operators": {
        "BranchedStream",
        "Column",
        "Explains",
        "FeatureTensors",
        "Knows",
        "NoSettings",
        "Operator",
        "RowWeights",
        "Shapes",
        "Sizes",
        "Stream",
        "StreamInputs",
        "TableBlock",
        "TableOperator",
        "blocks_of",
        "gather_rows",
        "get_operator",
        "get_stream",
        "look_up",
        "register",
        "table_offsets",
    },
    "autofi.objectives": {"OBJECTIVES", "Direction", "Goals", "Limit", "Objective", "pareto_front"},
    "autofi.plots": {
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
    },
    "autofi.samplers": {"ObservedTrial", "Sampler", "SamplerContext", "get_sampler", "register", "samplers"},
    "autofi.testing": {
        "OperatorContract",
        "SamplerContract",
        "StoreContract",
        "StrategyContract",
        "StreamContract",
    },
}


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_these_and_exist(module: str) -> None:
    found = importlib.import_module(module)
    assert sorted(found.__all__) == sorted(PUBLIC[module])
    assert len(set(found.__all__)) == len(found.__all__)
    for name in found.__all__:
        assert getattr(found, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="No autofi.testing attribute ModelContract"):
        importlib.import_module("autofi.testing").ModelContract  # noqa: B018


def test_neither_pytest_nor_an_operator_is_imported_until_it_is_asked_for() -> None:
    code = (
        "import sys, autofi\n"
        "assert 'torch' not in sys.modules\n"
        "import autofi.operators\n"
        "assert 'autofi.operators.fm' not in sys.modules\n"
        "autofi.operators.get_stream('fm')\n"
        "assert 'autofi.operators.fm' in sys.modules\n"
        "assert 'pytest' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

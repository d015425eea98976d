"""A study as one JSON document, for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from autofi.plots.inherited_vs_scratch import rank_correlation
from autofi.records.trial_metrics import measure
from autofi.report.findings import Findings
from autofi.report.summary_sentences import answer, states
from autofi.report.threshold_table import thresholds
from autofi.store import TrialRecord

_MEASURES = ("auc", "logloss", "gauc", "parameters", "table_bytes", "flops", "latency")


def report_document(findings: Findings) -> dict[str, Any]:
    """Return the report as plain JSON.

    It holds the content of `Study.summary()`, the trials, the checks of the data, the scores of the Rashomon
    set where it was explored, and the protocol of the measurements.
    """
    record = findings.record
    return {
        # A retrained model of a trial other than the winner does not change the report.
        **{key: value for key, value in findings.summary.items() if key != "retrained"},
        "answer": answer(findings),
        "searching": findings.searching,
        "names": list(findings.names),
        "states": states(findings),
        "trials": [_trial(trial) for trial in findings.complete],
        "inherited": {
            "rank_correlation": rank_correlation(findings.twice_scored),
            "architectures": [asdict(one) for one in findings.twice_scored],
        },
        "importances": dict(findings.importances),
        "permutation": None if findings.permutation is None else findings.permutation.to_json(),
        "thresholds": None if (found := thresholds(findings)) is None else found.to_json(),
        "data": None if findings.checks is None else findings.checks.to_json(),
        "rashomon": None if findings.rashomon is None else findings.rashomon.to_json(),
        "costs": None if findings.costs is None else findings.costs.to_json(),
        "protocol": {
            "data_source": record.data_source,
            "data_fingerprint": record.data_fingerprint,
            "space": record.space_name,
            "space_fingerprint": record.space_fingerprint,
            "settings": dict(record.settings),
            "versions": dict(record.versions),
            "created_at": record.created_at.isoformat(),
        },
    }


def _trial(trial: TrialRecord) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "stage": trial.stage,
        "feasible": trial.feasible,
        "values": dict(trial.values),
        **{name: measure(trial, name) for name in _MEASURES},
        "seconds": trial.seconds,
        "params": dict(trial.params),
        "architecture": trial.attrs.get("describe"),
        "architecture_id": trial.architecture_id,
        "finished": None if trial.finished is None else trial.finished.isoformat(),
    }

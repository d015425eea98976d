"""optuna-dashboard over the studies of a storage: who may see it, and what AutoFI adds to it."""

from autofi.dashboard.server import dashboard_app, open_dashboard

__all__ = ["dashboard_app", "open_dashboard"]

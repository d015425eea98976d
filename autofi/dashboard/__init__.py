"""The dashboard: optuna-dashboard over the studies of a storage, with access control and AutoFI's own pages."""

from autofi.dashboard.server import dashboard_app, open_dashboard

__all__ = ["dashboard_app", "open_dashboard"]

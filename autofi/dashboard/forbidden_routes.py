"""Routes of Optuna's dashboard that would break a study, forbidden by route and not by path.

A path is decoded, cut and matched before it becomes a route: `%0a` or `%ff` after it, or additional
slashes, make another path to the same route. A decision by path would miss some of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bottle

#: The methods and rules. Renaming copies Optuna's half of a study to another name and deletes the first one; a trial
#: that is ended here is lost to the process that trains it.
FORBIDDEN = frozenset(
    {
        ("POST", "/api/studies/<study_id:int>/rename"),
        ("POST", "/api/trials/<trial_id:int>/tell"),
    }
)


def forbid(dashboard: bottle.Bottle) -> None:
    """Answer the forbidden routes of the application with 403.

    Raises:
        RuntimeError: The application lacks one of them, because another version may have renamed it.
    """
    known = {(route.method, route.rule) for route in dashboard.routes}
    if missing := FORBIDDEN - known:
        raise RuntimeError(
            f"optuna-dashboard has no route {sorted(missing)[0]}; autofi.dashboard.forbidden_routes is out of date"
        )
    dashboard.install(_Forbidding())


class _Forbidding:
    """A plugin of Bottle, which wraps the callbacks of the forbidden routes."""

    name = "autofi-forbidden"
    api = 2

    def apply(self, callback: Callable[..., Any], route: bottle.Route) -> Callable[..., Any]:
        return _refuse if (route.method, route.rule) in FORBIDDEN else callback


def _refuse(**arguments: Any) -> Any:
    bottle.response.status = 403
    return {"reason": "this would break a study of AutoFI"}

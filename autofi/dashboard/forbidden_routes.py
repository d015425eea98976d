"""Routes of Optuna's dashboard that would break a study: forbidden where they are called, however a path is written.

A path is decoded, cut and matched before it becomes a route: `%0a` or `%ff` behind it, or slashes, make another path of
the same route. Deciding on the path, some of them would be missed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bottle

#: Method and rule. Renaming copies Optuna's half of a study under another name and deletes the first, and a trial that
#: is ended here is lost to the process that trains it.
FORBIDDEN = frozenset(
    {
        ("POST", "/api/studies/<study_id:int>/rename"),
        ("POST", "/api/trials/<trial_id:int>/tell"),
    }
)


def forbid(dashboard: bottle.Bottle) -> None:
    """Answer those routes of the application with 403.

    Raises RuntimeError where it has not all of them, as another version may: they may then be called something else.
    """
    known = {(route.method, route.rule) for route in dashboard.routes}
    if missing := FORBIDDEN - known:
        raise RuntimeError(
            f"optuna-dashboard has no route {sorted(missing)[0]}: autofi.dashboard.forbidden_routes is out of date"
        )
    dashboard.install(_Forbidding())


class _Forbidding:
    """A plugin of Bottle: it stands between a route and what answers it."""

    name = "autofi-forbidden"
    api = 2

    def apply(self, callback: Callable[..., Any], route: bottle.Route) -> Callable[..., Any]:
        return _refuse if (route.method, route.rule) in FORBIDDEN else callback


def _refuse(**arguments: Any) -> Any:
    bottle.response.status = 403
    return {"reason": "this would break a study that AutoFI keeps"}

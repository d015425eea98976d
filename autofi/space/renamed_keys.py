"""Keys and values of a space that have a new name: files take either, stored spaces and trials keep the old one.

The fingerprint of a space, the id of an architecture and the parameters of a trial are of the old names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofi.errors import SearchSpaceError

#: Old name of a section by its new name.
_SECTIONS = {"head": "readout"}
#: By section, the old name of a setting by its new name.
_SETTINGS = {"head": {"ensemble": "members"}}
#: By parameter, the old name of a variant by its new name.
_VARIANTS = {"pairs": {"probable": "likely", "target_encoded": "rates"}}


def stored_key(key: str) -> str:
    """Return the dotted key as studies store it: `readout.members` for `head.ensemble`."""
    section, dot, setting = current_key(key).partition(".")
    return _SECTIONS.get(section, section) + dot + stored_setting(section, setting)


def current_key(key: str) -> str:
    """Return the dotted key as files write it: `head.ensemble` for `readout.members`."""
    section, dot, setting = key.partition(".")
    section = _inverted(_SECTIONS).get(section, section)
    return section + dot + _inverted(_SETTINGS.get(section, {})).get(setting, setting)


def stored_setting(section: str, setting: str) -> str:
    """Return a setting of a section, given by its new name, as it is stored."""
    return _SETTINGS.get(section, {}).get(setting, setting)


def stored_variant(parameter: str, value: Any) -> Any:
    """Return the name of a variant as studies store it; any other value as it is."""
    return _VARIANTS.get(parameter, {}).get(value, value) if isinstance(value, str) else value


def current_variant(parameter: str, value: Any) -> Any:
    """Return the name of a variant as files write it; any other value as it is."""
    return _inverted(_VARIANTS.get(parameter, {})).get(value, value) if isinstance(value, str) else value


def current_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a stored trial as files write them."""
    return {current_key(key): current_variant(key, value) for key, value in parameters.items()}


def with_current_keys(document: Any) -> Any:
    """Return a space's document with every section and setting by its new name; anything else as it is.

    Raises:
        SearchSpaceError: A section or a setting is given by both of its names.
    """
    if not isinstance(document, Mapping):
        return document
    found = _renamed(document, _inverted(_SECTIONS))
    for section, settings in _SETTINGS.items():
        if isinstance(found.get(section), Mapping):
            found[section] = _renamed(found[section], _inverted(settings), f"{section}.")
    return found


def with_stored_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a space's document with every section and setting as it is stored, in the same order."""
    return {
        _SECTIONS.get(section, section): _renamed(value, _SETTINGS[section])
        if section in _SETTINGS
        else value
        for section, value in document.items()
    }


def start_as_stored(start: Mapping[str, Any]) -> dict[str, Any]:
    """Return a start with its parameters and variants as they are stored.

    Raises:
        SearchSpaceError: A parameter is given by both of its names.
    """
    found = _renamed(start, {key: current_key(key) for key in start})
    return {stored_key(key): stored_variant(key, value) for key, value in found.items()}


def _renamed(document: Mapping[str, Any], names: Mapping[str, str], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in document.items():
        name = names.get(key, key)
        if name in found:
            old = next(other for other, new in names.items() if new == name and other != name)
            raise SearchSpaceError(
                f"'{prefix}{name}' is given twice, once as '{old}', its old name; leave that out."
            )
        found[name] = value
    return found


def _inverted(names: Mapping[str, str]) -> dict[str, str]:
    return {old: new for new, old in names.items()}

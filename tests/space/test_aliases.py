"""A space may name operators by their aliases: what it means, and every id, is that of the registered names."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from autofi.core.registry import own_aliases
from autofi.errors import SearchSpaceError
from autofi.operators.registry import candidates, get_candidate
from autofi.space.architecture import Architecture
from autofi.space.resolve import resolve
from autofi.space.search_space import SearchSpace

REGISTERED = {
    "name": "either",
    "summary": "Every place of a space that names operators.",
    "fields": {"forms": ["embedding", "bag", "statistics"]},
    "pairs": {"options": [[], ["memorize_statistics", "factorize_inner"]]},
    "streams": {
        "choices": [{"cross_network": {"layers": 2}, "fm": {}}, {"linear": {}, "self_attention": {}}]
    },
    "starts": [{"streams": {"linear": {}, "self_attention": {}}}],
}
ALIASED = {
    **REGISTERED,
    "fields": {"forms": ["embedding", "pooled_embedding", "target_encoding"]},
    "pairs": {"options": [[], ["memorize_target_encoding", "factorize_inner"]]},
    "streams": {"choices": [{"dcnv2": {"layers": 2}, "fm": {}}, {"first_order": {}, "autoint": {}}]},
    "starts": [{"streams": {"first_order": {}, "autoint": {}}}],
}


def architectures(space: SearchSpace) -> list[Architecture]:
    return [
        resolve(
            space,
            fields={"user": space.fields.forms, "item": space.fields.forms[:1]},
            pairs={("item", "user"): option},
            parameters={"streams": streams},
        )
        for option in space.pairs.options
        for streams in space.parameters()["streams"].choices  # type: ignore[union-attr]
    ]


def test_ids_and_fingerprints_are_those_of_registered_names() -> None:
    registered, aliased = (SearchSpace.model_validate(given) for given in (REGISTERED, ALIASED))
    assert aliased == registered
    assert (aliased.text(), aliased.fingerprint) == (registered.text(), registered.fingerprint)
    ids = [found.id for found in architectures(aliased)]
    assert ids == [found.id for found in architectures(registered)]
    assert len(set(ids)) == 4


def using(name: str) -> Architecture:
    """An architecture with an operator or a stream, by any of its names."""
    found = get_candidate(name)
    fields = {"user": ("embedding",), "item": ("embedding",)}
    if found.choice == "stream":
        return Architecture(fields, streams={name: {}})
    if found.choice == "field":
        return Architecture({**fields, "user": (name,)})
    return Architecture(fields, pairs={("item", "user"): (name,)})


def test_every_alias_stands_for_its_operator_in_an_architecture() -> None:
    for name, found in candidates().items():
        registered = using(name)
        for alias in own_aliases(found):
            assert (using(alias).id, using(alias).to_json()) == (registered.id, registered.to_json())


def test_a_stream_is_given_once() -> None:
    with pytest.raises(
        SearchSpaceError, match="The stream 'cross_network' is given twice, once as 'dcnv2'; leave one"
    ):
        SearchSpace.model_validate(
            {**REGISTERED, "starts": [], "streams": {"cross_network": {}, "dcnv2": {}}}
        )


@pytest.mark.parametrize("streams", [None, 3, "fm", {"fm": None}])
def test_a_start_that_offers_no_streams_is_refused(streams: object) -> None:
    with pytest.raises((SearchSpaceError, ValidationError), match="which is not among its choices"):
        SearchSpace.model_validate({**REGISTERED, "starts": [{"streams": streams}]})

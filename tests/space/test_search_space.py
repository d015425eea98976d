"""Spaces: every built-in one loads, a wrong one names its key, a point of a space is what the space says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from autofi.errors import SearchSpaceError
from autofi.operators.base import Shapes
from autofi.space.encoding import decode, defaults, distributions, label
from autofi.space.named import builtin_spaces
from autofi.space.resolve import applicable_forms, resolve
from autofi.space.search_space import SearchSpace, load_space, subsets

SEARCHED = {"default", "optinter", "optfs", "optfs_field", "tanglenas", "tanglenas_dcnv2", "unified"}
MINIMAL = {"name": "mine", "summary": "a test", "fields": {"forms": ["embedding"]}}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, **changes}))
    return path


@pytest.mark.parametrize("name", sorted(builtin_spaces()))
def test_every_built_in_space_loads_under_its_own_name(name: str) -> None:
    space = load_space(name)
    assert space.name == name
    assert space.summary and space.source.startswith("http")
    assert space.single == (name not in SEARCHED)


def test_the_published_fixed_points_are_there() -> None:
    assert set(builtin_spaces()) >= {
        "lr",
        "fm",
        "dnn",
        "all-memorize",
        "all-factorize",
        "all-naive",
        *SEARCHED,
    }


def test_a_fingerprint_is_that_of_the_choices(tmp_path: Path) -> None:
    first = load_space(write(tmp_path, min_count=2)).fingerprint
    assert first == load_space(write(tmp_path)).fingerprint
    assert first != load_space(write(tmp_path, min_count=3)).fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": {"forms": ["embeding"]}}, "did you mean 'embedding'"),
        ({"fields": {"forms": ["memorize_embedding"]}}, "no operator of a field"),
        ({"pairs": {"options": [["embedding"]]}}, "no operator of a pair"),
        ({"trainings": {}}, "key 'trainings'"),
        ({"min_count": {"low": 3.0, "high": 2.0}}, "low < high"),
        ({"pairs": {"among": {"top": "many"}}}, "key 'pairs.among"),
        ({"streams": {"cross": {}}}, "No stream named 'cross'"),
        ({"streams": {"choices": [{}, {"fm": {"layers": 2}}]}}, "'fm' has no setting 'layers'"),
        ({"streams": {"fm": {}}, "fields": {"forms": ["statistics"]}}, "add 'embedding' to fields.forms"),
        ({"readout": {"name": "none"}}, "leaves the logit to streams"),
        ({"sizes": {"embedding_dim": "ten"}}, "a size is a whole number from 1 on: found 'ten'"),
        ({"sizes": {"unified_rows": {"choices": [10, 0]}}}, "from 1 on: found 0 for 'unified_rows'"),
        (
            {
                "fields": {"forms": ["unified_embedding"]},
                "sizes": {"embedding_dim": {"choices": [8, 9]}, "unified_chunks": 4},
            },
            "unified_chunks 4 and embedding_dim 9; change one",
        ),
    ],
)
def test_a_wrong_file_names_the_key(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        load_space(write(tmp_path, **changes))


def test_unknown_names_and_files_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(SearchSpaceError, match="did you mean 'optinter'"):
        load_space("optintr")
    with pytest.raises(SearchSpaceError, match="found none at"):
        load_space(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [")
    with pytest.raises(SearchSpaceError, match="is YAML"):
        load_space(broken)


def test_listed_pairs_must_be_fields(tmp_path: Path) -> None:
    space = load_space(
        write(tmp_path, pairs={"among": [["b", "a"]], "options": [[], ["memorize_embedding"]]})
    )
    assert space.pair_names(("a", "b", "c")) == [("a", "b")]
    with pytest.raises(SearchSpaceError, match="'b', not a field"):
        space.pair_names(("a", "c"))


def test_labels_decode_to_the_values_they_stand_for() -> None:
    space = load_space("optinter")
    encoded = defaults(space, {})
    assert encoded.keys() == distributions(space, {}).keys() == space.parameters().keys()
    assert decode(space, encoded) == space.defaults()
    assert label([256, 128]) == "256-128"


def test_sets_of_streams_are_chosen_by_label(tmp_path: Path) -> None:
    sets = [{}, {"fm": {}}, {"fm": {}, "cross_network": {"layers": 2, "rank": 4}}]
    space = load_space(write(tmp_path, streams={"choices": sets}))
    assert not space.single
    assert [label(choice) for choice in sets] == ["none", "fm", "fm+cross_network(layers=2, rank=4)"]
    assert defaults(space, {})["streams"] == "none"
    chosen = decode(space, {"streams": "fm"})
    found = resolve(space, fields={"ad": ("embedding",)}, pairs={}, parameters=chosen)
    assert found.streams == {"fm": {}}


def test_variants_are_parameters_only_where_there_is_a_choice() -> None:
    space = load_space("dnn")
    assert set(distributions(space, {"pairs": ("selected", "likely"), "fields": ("selected",)})) == {"pairs"}


def test_a_point_has_the_values_of_the_file() -> None:
    found = resolve(load_space("dnn"), fields={"ad": ("embedding",)}, pairs={})
    assert found.training.embedding_l2 == 0.05
    assert (
        found.readout.hidden == (400, 400, 400) and found.readout.batch_norm and found.readout.dropout == 0.2
    )
    assert found.sizes.embedding_dim == 10
    changed = resolve(
        load_space("optinter"), fields={"ad": ("embedding",)}, pairs={}, parameters={"readout.dropout": 0.4}
    )
    assert changed.readout.dropout == 0.4


def test_subsets_are_small_first_and_never_empty() -> None:
    assert subsets(("a", "b")) == (("b",), ("a",), ("a", "b"))
    assert len(subsets(("a", "b", "c", "d"))) == 15


def test_a_field_takes_every_form_that_applies_or_the_first(tmp_path: Path) -> None:
    shapes = Shapes(("user", "tags"), (5, 6), (5, 6), 0.5, bags={1: ("tags", 4)})
    every = load_space(write(tmp_path, fields={"forms": ["bag", "embedding"]}))
    assert applicable_forms(every, shapes) == {"user": ("embedding",), "tags": ("bag", "embedding")}
    first = load_space(write(tmp_path, fields={"forms": ["bag", "embedding"], "first": True}))
    assert applicable_forms(first, shapes) == {"user": ("embedding",), "tags": ("bag",)}
    with pytest.raises(SearchSpaceError, match="or the first that applies is taken"):
        load_space(write(tmp_path, fields={"forms": ["bag", "embedding"], "search": True, "first": True}))


@pytest.mark.parametrize("name", builtin_spaces())
def test_a_worker_that_reads_the_stored_space_offers_what_its_leader_does(name: str) -> None:
    space = load_space(name)
    stored = SearchSpace.model_validate(json.loads(space.text()))
    assert stored == space
    assert stored.fingerprint == space.fingerprint
    mine, theirs = distributions(space, {}), distributions(stored, {})
    assert list(mine.items()) == list(theirs.items())

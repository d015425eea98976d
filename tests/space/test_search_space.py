"""Spaces: every built-in one loads, a wrong one names its key, a point of a space is what the space says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from autofi.errors import SearchSpaceError
from autofi.operators.base import Shapes
from autofi.space.builtin import builtin_spaces
from autofi.space.load import load_space
from autofi.space.optuna_distributions import decode, defaults, distributions
from autofi.space.parameters import Choices, label
from autofi.space.resolve import applicable_forms, resolve
from autofi.space.search_space import SearchSpace, subsets

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
        ({"trainings": {}}, "key 'trainings': there is no such key; correct or remove it; found {}"),
        ({"min_count": {"low": 3.0, "high": 2.0}}, "low < high"),
        ({"pairs": {"among": {"top": "many"}}}, "key 'pairs.among"),
        ({"pairs": {"among": {"top": 0}}}, "key 'pairs.among.*equal to 1; found 0"),
        ({"pairs": {"among": {}}}, "key 'pairs.among"),
        ({"streams": {"cross": {}}}, "No stream named 'cross'"),
        (
            {"streams": {"theirs_42": {}}},
            "No stream named 'theirs_42'.* One of another package is known when that package is installed",
        ),
        ({"streams": {"choices": [{}, {"fm": {"layers": 2}}]}}, "'fm' has no setting 'layers'"),
        ({"streams": {"fm": {}}, "fields": {"forms": ["statistics"]}}, "add 'embedding' to fields.forms"),
        ({"head": {"name": "none"}}, "no stream gives a logit"),
        (
            {"sizes": {"embedding_dim": "ten"}},
            "'sizes', setting 'embedding_dim': .* valid integer.*; found 'ten'",
        ),
        ({"sizes": {"unified_rows": {"choices": [10, 0]}}}, "'unified_rows': .* equal to 1; found 0"),
        (
            {"sizes": {"embedding_dims": 8}},
            "'sizes' has no setting 'embedding_dims': did you mean 'embedding_dim'",
        ),
        ({"head": {"hidden": {"choices": [[64], [64, 0]]}}}, "setting 'hidden.1': .* equal to 1; found 0"),
        ({"head": {"dropout": {"low": 0.0, "high": 1.0}}}, "setting 'dropout': .* less than 1; found 1.0"),
        ({"boosting": {"leaves": -1}}, "'boosting', setting 'leaves': .* equal to 0; found -1"),
        ({"min_count": {"choices": [1, 0]}}, "setting 'min_count': .* equal to 1; found 0"),
        ({"training": {"patience": -2}}, "'training', setting 'patience': .* equal to 1; found -2"),
        ({"training": {"patiense": 2}}, "'training' has no setting 'patiense': did you mean 'patience'"),
        ({"training": {"gradient_norm": "ten"}}, "setting 'gradient_norm': .* found 'ten'"),
        ({"training": {"learning_rate": {"low": 0.0, "high": 0.1}}}, "setting 'learning_rate': .* found 0.0"),
        ({"training": {"embedding_l2": float("nan")}}, "setting 'embedding_l2': .* finite number; found nan"),
        (
            {"training": {"learning_rate": {"low": 0.1, "high": 0.2, "default": 1}}},
            "the default 1.0 is not in the range from 0.1",
        ),
        (
            {"training": {"batch_size": {"low": 512, "high": 4096}}},
            "range 512 to 4096 but takes no fractions; list",
        ),
        ({"head": {"batch_norm": {"low": 0, "high": 1}}}, "'head.batch_norm' has the range 0 to 1"),
        ({"training": {"gate_rewind": {"choices": [0, 8]}}}, "gate_rewind is 8, but there are 8 epochs"),
        (
            {"starts": [{"pairs": "target_encode"}]},
            "'target_encode' for pairs, which is no variant: did you mean 'target_encoded'",
        ),
        (
            {"starts": [{"training.epoch": 3}]},
            "'training.epoch', which is no parameter of the space: Known: fields, pairs, products",
        ),
        (
            {"head": {"hidden": {"choices": [[8], [16]]}}, "starts": [{"head.hidden": [8, 8]}]},
            r"has \[8, 8\] for 'head.hidden', which is not among its choices",
        ),
        (
            {
                "training": {"embedding_l2": {"low": 0.1, "high": 0.2}},
                "starts": [{"training.embedding_l2": 1}],
            },
            "has 1 for 'training.embedding_l2'",
        ),
        (
            {
                "fields": {"forms": ["unified_embedding"]},
                "sizes": {"embedding_dim": {"choices": [8, 9]}, "unified_chunks": 4},
            },
            "unified_chunks 4 and embedding_dim 9, .*; change one",
        ),
    ],
)
def test_a_wrong_file_names_the_key(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        load_space(write(tmp_path, **changes))


def test_a_number_that_yaml_reads_as_text_is_a_number(tmp_path: Path) -> None:
    """YAML has no point in 1e-3, and takes it for text."""
    file = write(tmp_path, training={"learning_rate": "1e-3", "embedding_l2": {"choices": ["1e-5", 0]}})
    found = load_space(file)
    assert found.value("training.learning_rate", {}) == 0.001
    assert found.parameters()["training.embedding_l2"] == Choices(choices=(1e-5, 0))
    assert (
        found.fingerprint
        == load_space(
            write(tmp_path, training={"learning_rate": 0.001, "embedding_l2": {"choices": [1e-5, 0]}})
        ).fingerprint
    )


def test_a_fraction_that_is_whole_keeps_its_fingerprint(tmp_path: Path) -> None:
    """Studies are resumed by the fingerprint of their space, and read what they have stored."""
    text = load_space(write(tmp_path, head={"dropout": 0, "hidden": {"choices": [[64, 32]]}})).text()
    assert '"dropout": 0,' in text and '{"choices": [[64, 32]]}' in text
    assert SearchSpace.model_validate_json(text).text() == text


def test_unknown_names_and_files_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(SearchSpaceError, match="did you mean 'optinter'"):
        load_space("optintr")
    with pytest.raises(SearchSpaceError, match="There is no search space file"):
        load_space(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [")
    with pytest.raises(SearchSpaceError, match="is no YAML"):
        load_space(broken)


def test_listed_pairs_must_be_fields(tmp_path: Path) -> None:
    space = load_space(
        write(tmp_path, pairs={"among": [["b", "a"]], "options": [[], ["memorize_embedding"]]})
    )
    assert space.pair_names(("a", "b", "c")) == [("a", "b")]
    with pytest.raises(SearchSpaceError, match="'b', which is no field"):
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
    assert found.head.hidden == (400, 400, 400) and found.head.batch_norm and found.head.dropout == 0.2
    assert found.sizes.embedding_dim == 10
    changed = resolve(
        load_space("optinter"), fields={"ad": ("embedding",)}, pairs={}, parameters={"readout.dropout": 0.4}
    )
    assert changed.head.dropout == 0.4


def test_subsets_are_small_first_and_never_empty() -> None:
    assert subsets(("a", "b")) == (("b",), ("a",), ("a", "b"))
    assert len(subsets(("a", "b", "c", "d"))) == 15


def test_a_field_takes_every_form_that_applies_or_the_first(tmp_path: Path) -> None:
    shapes = Shapes(("user", "tags"), (5, 6), (5, 6), 0.5, bags={1: ("tags", 4)})
    every = load_space(write(tmp_path, fields={"forms": ["bag", "embedding"]}))
    assert applicable_forms(every, shapes) == {"user": ("embedding",), "tags": ("bag", "embedding")}
    first = load_space(write(tmp_path, fields={"forms": ["bag", "embedding"], "first": True}))
    assert applicable_forms(first, shapes) == {"user": ("embedding",), "tags": ("bag",)}
    with pytest.raises(SearchSpaceError, match="search and first are both set"):
        load_space(write(tmp_path, fields={"forms": ["bag", "embedding"], "search": True, "first": True}))


@pytest.mark.parametrize("name", builtin_spaces())
def test_a_worker_that_reads_the_stored_space_offers_what_its_leader_does(name: str) -> None:
    space = load_space(name)
    stored = SearchSpace.model_validate(json.loads(space.text()))
    assert stored == space
    assert stored.fingerprint == space.fingerprint
    mine, theirs = distributions(space, {}), distributions(stored, {})
    assert list(mine.items()) == list(theirs.items())


OLD = {
    "readout": {"members": {"choices": [8, 1]}, "hidden": {"choices": [[64], [32]]}},
    "starts": [{"readout.members": 1, "readout.hidden": [32], "pairs": "rates"}, {"pairs": "likely"}],
}
NEW = {
    "head": {"ensemble": {"choices": [8, 1]}, "hidden": {"choices": [[64], [32]]}},
    "starts": [{"head.ensemble": 1, "head.hidden": [32], "pairs": "target_encoded"}, {"pairs": "probable"}],
}


def test_a_space_is_the_same_by_old_keys_and_by_new_ones() -> None:
    old, new = (SearchSpace.model_validate({**MINIMAL, **keys}) for keys in (OLD, NEW))
    assert (old.fingerprint, old.text(), old.starts) == (new.fingerprint, new.text(), new.starts)
    # What studies of earlier versions hold: their fingerprints, texts and trials stay.
    stored = json.loads(new.text())
    assert stored["readout"]["members"]["choices"] == [8, 1] and "head" not in stored
    assert old.fingerprint == "cce20fccc1652c4507b914c2389c690c"
    assert set(new.parameters()) == {"readout.members", "readout.hidden"}
    assert SearchSpace.model_validate(stored) == new
    assert SearchSpace.model_validate_json(new.text()) == new

    first, second = (
        resolve(space, fields={"ad": ("embedding",)}, pairs={}, parameters={"readout.members": 1})
        for space in (old, new)
    )
    assert first.id == second.id and first.head.ensemble == 1
    assert first.to_json()["readout"]["members"] == 1


@pytest.mark.parametrize("key", ["readout", "members", "readout.members"])
def test_a_key_is_given_once(key: str, tmp_path: Path) -> None:
    changes = {
        "readout": {"head": {}, "readout": {}},
        "members": {"head": {"members": 8, "ensemble": 8}},
        "readout.members": {**NEW, "starts": [{"head.ensemble": 1, "readout.members": 1}]},
    }[key]
    with pytest.raises(SearchSpaceError, match=rf"mine.yaml': 'head.*' is given twice, once as '{key}'"):
        load_space(write(tmp_path, **changes))


def test_an_error_of_an_old_key_names_the_new_one(tmp_path: Path) -> None:
    with pytest.raises(SearchSpaceError, match=r"key 'head.dropout.low'"):
        load_space(write(tmp_path, readout={"dropout": {"low": "little", "high": 0.5}}))
    with pytest.raises(SearchSpaceError, match=r"The section 'head', setting 'ensemble': .* found 0"):
        load_space(write(tmp_path, readout={"members": 0}))

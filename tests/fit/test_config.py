import re
from pathlib import Path

import pytest
import yaml

from rtstrf.errors import ConfigError
from rtstrf.fit.config import Section, differences, read_config

RECIPE = Path(__file__).parents[2] / "configs" / "fit" / "statenet_gru_ns1.yaml"
SMALLEST = {"name": "m", "data": {"train": [1], "validation": [2]}, "training": {"epochs": 1}}


def write(path: Path, facts: object) -> Path:
    path.write_text(yaml.safe_dump(facts))
    return path


def test_the_recipe_of_the_bundled_model_is_valid_and_keeps_the_published_split():
    config = read_config(RECIPE)
    assert config.name == "statenet-gru-ns1"
    assert config.data.train == list(range(1, 15))
    assert config.data.validation == [15, 16, 17]


def test_an_override_replaces_one_key_and_leaves_the_rest(tmp_path):
    path = write(tmp_path / "r.yaml", SMALLEST)
    changed = read_config(path, ["training.epochs=7", "data.train=[1, 3]", "model.prefiltering.kind=adaptrans"])
    assert differences(read_config(path), changed) == [
        "data.train: [1] -> [1, 3]",
        "model.prefiltering: null -> absent",
        "training.epochs: 1 -> 7",
        'model.prefiltering.kind: absent -> "adaptrans"',
    ]


def test_equal_recipes_do_not_differ(tmp_path):
    path = write(tmp_path / "r.yaml", SMALLEST)
    assert differences(read_config(path), read_config(path)) == []


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("training.epoch=7", r"training\.epoch: Extra inputs"),
        ("training.epochs=many", r"training\.epochs: Input should be a valid integer"),
        ("training.epochs=0", r"training\.epochs: Input should be greater than 0"),
        ("data.validation=[1]", r"data: .*sounds \[1\] are in train and in validation"),
        ("model.connectivity=DENSE", r"model\.connectivity: Input should be 'LC', 'FC' or 'CONV'"),
        ("training.loss=l1", r"training\.loss"),
        ("name='../up'", r"name: String should match"),
        ("distillation.teachers=[]", r"distillation\.teachers: List should have at least 1 item"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, override, told):
    path = write(tmp_path / "r.yaml", SMALLEST)
    with pytest.raises(ConfigError, match=told) as error:
        read_config(path, [override])
    assert str(path) in error.value.what


@pytest.mark.parametrize("override", ["training.epochs", "=3", "name.inner=3", "training.epochs=[1"])
def test_an_override_that_is_none_says_how_to_write_one(tmp_path, override):
    with pytest.raises(ConfigError, match=re.escape(repr(override))):
        read_config(write(tmp_path / "r.yaml", SMALLEST), [override])


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"(?s)no recipe .*absent\.yaml.*configs/fit"):
        read_config(tmp_path / "absent.yaml")


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "", "a: " + "[" * 3000, "a: !!int x"])
def test_a_file_that_is_no_recipe_is_named(tmp_path, text):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        read_config(path)


def every_section(base: type[Section] = Section) -> list[type[Section]]:
    return [section for kind in base.__subclasses__() for section in (kind, *every_section(kind))]


def test_every_key_says_what_it_does():
    for section in every_section():
        for name, field in section.model_fields.items():
            holds_keys = any(kind.__name__ in str(field.annotation) for kind in every_section())
            assert holds_keys or field.description, f"{section.__name__}.{name} has no description"


def test_the_guide_lists_every_key():
    guide = (Path(__file__).parents[2] / "docs" / "fitting.md").read_text()
    missing = [f"{s.__name__}.{n}" for s in every_section() for n in s.model_fields if f"`{n}`" not in guide]
    assert missing == []

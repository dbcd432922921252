"""A configuration is checked whole, and every mistake in it is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rtstrf.config.live import LiveConfig
from rtstrf.config.load import load_config
from rtstrf.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_configurations_that_ship_are_valid(path: Path) -> None:
    config = load_config(LiveConfig, path)
    assert config.model == "statenet-gru-ns1"


def test_an_override_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("source: {kind: tone, frequency_hz: 500}\nwire: {stream: a}\n")
    config = load_config(LiveConfig, path, ["source.frequency_hz=2e3", "wire.stream=b", "wire.topics=[level]"])
    assert (config.source.frequency_hz, config.wire.stream, config.wire.topics) == (2000.0, "b", ("level",))


def test_all_mistakes_are_told_at_once_with_the_keys_there_are(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("wire: {strem: a}\nengine: {queue_hops: many, block_samples: 0}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(LiveConfig, path)
    told = str(caught.value)
    assert str(path) in told
    assert "wire.strem: no such key; there are data, control, stream" in told
    assert "engine.queue_hops: input should be a valid integer" in told
    assert "engine.block_samples: input should be greater than or equal to 1" in told


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("source.kind", "sets nothing"),
        ("=1", "sets nothing"),
        ("source..kind=a", "sets nothing"),
        ("wire.data.host=a", "wire.data.host: data is a value|no such key|valid string"),
        ("source.kind=violin", "source: .*violin"),
        ("source={kind: tone, pitch: 3}", "source.pitch: no such key; there are kind, speed, frequency_hz"),
        ("source={kind: file}", "source.path: field required"),
        ("wire.data=[", "not valid YAML"),
        ("engine.gain_db=.nan", "finite"),
        ("engine.gain_db='6'", "engine.gain_db: input should be a valid number"),
        ("engine.queue_hops=true", "engine.queue_hops: input should be a valid integer"),
        ("wire.topics=[level, level]", "each topic once"),
        ("wire={data: a, data: b}", "not valid YAML"),
    ],
)
def test_an_override_that_cannot_be_used_says_why(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(LiveConfig, None, [override])


@pytest.mark.parametrize(
    "text", ["- a\n- b\n", "just words", "a: [", "\x00", "a: &a [*a]", "!!python/object:os.system {}"]
)
def test_a_file_that_is_no_configuration_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        load_config(LiveConfig, path)


def test_a_missing_file_says_where_to_find_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="configs"):
        load_config(LiveConfig, tmp_path / "none.yaml")


def test_an_empty_file_means_all_defaults(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("")
    assert load_config(LiveConfig, path) == LiveConfig()


def test_a_configuration_survives_being_written_and_read() -> None:
    config = load_config(LiveConfig, None, ["source.kind=noise", "source.seed=7"])
    again = LiveConfig.model_validate(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json"))))
    assert again == config


@pytest.mark.parametrize(
    "value", ["[" * 3000, "2020-13-45", "!!bool perhaps", "!!int x", "!!int ''", "!!timestamp x", "!!float x"]
)
def test_yaml_that_cannot_be_built_is_refused_in_a_file_and_in_an_override(tmp_path: Path, value: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"model: {value}\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(LiveConfig, path)
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(LiveConfig, None, [f"model={value}"])

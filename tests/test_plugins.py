"""Plugins are found without being imported, and one that fails is named and harms nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rtstrf.checkpoints.load import load_model
from rtstrf.checkpoints.save import save_model
from rtstrf.cli.session import live_config
from rtstrf.config.live import LiveConfig
from rtstrf.config.sources import make_source
from rtstrf.errors import CheckpointError, ConfigError
from rtstrf.pipeline import Pipeline
from rtstrf.plugins import find_plugins, has_plugin, load_plugin
from rtstrf.wire.client import Client
from tests.support.command import Command, assert_refused
from tests.support.live import is_over, joined, of_kind, receive, session
from tests.support.models import tiny_model, tiny_sidecar
from tests.support.plugin import installed, write_package

ROOT = Path(__file__).parents[1]

SINK = """
from rtstrf.config.load import Section
from rtstrf.sinks.sink import Sink

class Keeper(Sink):
    name = "keeper"

    class Options(Section):
        path: str
        every: int = 1

    def __init__(self, options):
        self.options = options
        self.kept = []

    def rows(self, kind, header, rows):
        self.kept.append(kind)
"""

BROKEN = "raise ImportError('libfoo.so is missing')"

SOURCE = '''
import numpy as np
from rtstrf.sound.source import Block, Source, SourceInfo

class Ramp(Source):
    """A pressure that rises.

    Parameters
    ----------
    slope_pa : float
        Pascals a sample.
    samples : int
        How many.
    """

    def __init__(self, slope_pa: float = 1e-6, samples: int = 4800) -> None:
        self.info = SourceInfo("ramp", "a ramp", 48000, total_samples=samples)
        self._left = slope_pa * np.arange(samples, dtype=np.float32)

    def open(self) -> None:
        pass

    def read(self, max_samples, timeout_s=0.1):
        if not len(self._left):
            return None
        part, self._left = self._left[:max_samples], self._left[max_samples:]
        return Block(part, 0)

    def close(self) -> None:
        pass
'''

FRONT_END = """
from rtstrf.spectrogram.mel import MelSpectrogram

class Mine(MelSpectrogram):
    pass
"""


def test_what_is_installed_is_listed_without_being_imported(tmp_path, monkeypatch) -> None:
    with installed(tmp_path, monkeypatch, "broken_one", BROKEN, {"rtstrf.sinks": {"gone": "Sink"}}):
        (plugin,) = [each for each in find_plugins("rtstrf.sinks") if each.name == "gone"]
        assert (plugin.target, plugin.package) == ("broken_one:Sink", "broken_one 1.2")
        assert has_plugin("rtstrf.sinks", "gone")
        assert "broken_one" not in sys.modules


def test_no_plugin_is_imported_unless_it_is_used(tmp_path: Path) -> None:
    write_package(
        tmp_path, "noisy", "print('IMPORTED')", {"rtstrf.sinks": {"noisy": "Sink"}, "rtstrf.sources": {"x": "S"}}
    )
    command = [sys.executable, "-m", "rtstrf", "live", "--source", "tone", "--set", "source.duration_s=0.05"]
    command += ["--set", "wire.data=tcp://127.0.0.1:0", "--set", "wire.control=tcp://127.0.0.1:0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "IMPORTED" not in done.stdout + done.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "rtstrf", "plugins"], env=environment, capture_output=True, text=True, check=False
    )
    assert "IMPORTED" in listed.stdout


@pytest.mark.parametrize(
    ("code", "attribute", "words"),
    [
        (BROKEN, "Sink", "cannot be loaded: ImportError: libfoo.so is missing"),
        ("raise SystemExit(3)", "Sink", "cannot be loaded: SystemExit: 3"),
        ("x = 1", "Sink", "cannot be loaded: AttributeError"),
        ("def f(: pass", "Sink", "cannot be loaded: SyntaxError"),
        ("Sink = dict", "Sink", "not a subclass of rtstrf.sinks.sink.Sink"),
        ("Sink = 7", "Sink", "is 7, and not a subclass of"),
        ("from rtstrf.sinks.sink import Sink", "Sink", "without a class Options"),
    ],
)
def test_one_that_cannot_be_used_is_named_with_its_package(tmp_path, monkeypatch, code, attribute, words) -> None:
    with installed(tmp_path, monkeypatch, "bad_one", code, {"rtstrf.sinks": {"bad": attribute}}):
        with pytest.raises(ConfigError) as caught:
            load_plugin("rtstrf.sinks", "bad")
        assert f"the plugin 'bad' (bad_one:{attribute}, of bad_one 1.2)" in caught.value.what
        assert words in caught.value.what
        assert caught.value.remedy


def test_a_source_that_lacks_a_method_is_named(tmp_path, monkeypatch) -> None:
    code = "from rtstrf.sound.source import Source\nclass Half(Source):\n    def open(self): pass\n"
    with (
        installed(tmp_path, monkeypatch, "half", code, {"rtstrf.sources": {"half": "Half"}}),
        pytest.raises(ConfigError, match="a Source that lacks close, read"),
    ):
        load_plugin("rtstrf.sources", "half")


def test_a_name_that_nothing_has_lists_those_there_are(tmp_path, monkeypatch) -> None:
    with (
        installed(tmp_path, monkeypatch, "keeping", SINK, {"rtstrf.sinks": {"keeper": "Keeper"}}),
        pytest.raises(ConfigError, match=r"no plugin 'nope'.*\n  -> installed are .*keeper"),
    ):
        load_plugin("rtstrf.sinks", "nope")


def test_a_name_that_two_packages_have_is_refused_with_both(tmp_path, monkeypatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    entries = {"rtstrf.sinks": {"keeper": "Keeper"}}
    with (
        installed(tmp_path / "a", monkeypatch, "keeping_a", SINK, entries),
        installed(tmp_path / "b", monkeypatch, "keeping_b", SINK, entries),
        pytest.raises(ConfigError, match=r"several packages have a plugin 'keeper': keeping_a 1.2, keeping_b 1.2"),
    ):
        load_plugin("rtstrf.sinks", "keeper")


def test_the_command_lists_what_works_and_what_does_not(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "bad").mkdir()
    with (
        installed(tmp_path, monkeypatch, "keeping", SINK, {"rtstrf.sinks": {"keeper": "Keeper"}}),
        installed(tmp_path / "bad", monkeypatch, "broken_one", BROKEN, {"rtstrf.models": {"gone": "Model"}}),
    ):
        outcome = Command(capsys)("plugins", "--json")
        rows = {row["name"]: row for row in json.loads(outcome.out)}
        assert outcome.code == 1  # one of them cannot be used
        assert (rows["keeper"]["usable"], rows["keeper"]["options"]) == (True, ["path", "every"])
        assert rows["gone"]["usable"] is False
        assert "libfoo.so is missing" in rows["gone"]["problem"]
        table = Command(capsys)("plugins")
        assert table.code == 1
        assert "keeper" in table.out
        assert "the plugin 'gone' (broken_one:Model, of broken_one 1.2) cannot be loaded" in table.out


def test_the_options_of_a_sink_are_checked_by_its_own_section(tmp_path, monkeypatch) -> None:
    with installed(tmp_path, monkeypatch, "keeping", SINK, {"rtstrf.sinks": {"keeper": "Keeper"}}):
        config = live_config(None, "silence", ["sinks=[{plugin: keeper, path: x, every: 3}]"])
        section = config.sinks[0]
        assert (section.plugin, section.path, section.every) == ("keeper", "x", 3)
        assert config.model_dump(mode="json")["sinks"] == [{"plugin": "keeper", "path": "x", "every": 3}]
        with pytest.raises(ConfigError) as caught:
            live_config(None, "silence", ["sinks=[{plugin: keeper, every: often, evry: 2}]"])
        for told in ("sinks.0.path: field required", "sinks.0.every: input should be", "sinks.0.evry: no such key"):
            assert told in caught.value.what


def test_a_session_with_a_sink_that_is_not_installed_does_not_start(capsys) -> None:
    outcome = Command(capsys)("live", "--source", "silence", "--set", "sinks=[{plugin: nope}]")
    assert_refused(outcome, "no plugin 'nope' of the group rtstrf.sinks is installed")


def test_a_source_of_a_plugin_has_its_options_in_the_configuration(tmp_path, monkeypatch) -> None:
    with installed(tmp_path, monkeypatch, "ramps", SOURCE, {"rtstrf.sources": {"ramp": "Ramp"}}):
        config = live_config(None, "ramp", ["source.samples=960", "source.speed=null"])
        assert config.source.options() == {"slope_pa": 1e-6, "samples": 960}
        assert config.model_dump(mode="json")["source"] == {
            "kind": "ramp", "speed": None, "slope_pa": 1e-6, "samples": 960
        }  # fmt: skip
        assert make_source(config.source).info.total_samples == 960
        with pytest.raises(ConfigError, match=r"source.samples: input should be a valid integer"):
            live_config(None, "ramp", ["source.samples=many"])


def test_a_model_and_a_front_end_of_plugins_load_from_a_checkpoint(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "checkpoint"
    model = tiny_model()
    save_model(folder, model, tiny_sidecar())
    config, sidecar = json.loads((folder / "config.json").read_text()), json.loads((folder / "stream.json").read_text())
    plain = load_model(folder)
    name = type(plain.model).__name__
    code = f"from {type(plain.model).__module__} import {name}\nclass Loudly({name}):\n    pass\n"
    config["_model_class"] = "Loudly"
    sidecar["wav2spec"]["kind"] = "mine"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "stream.json").write_text(json.dumps(sidecar))
    with pytest.raises(CheckpointError, match="install the plugin that brings it"):
        load_model(folder)
    entries = {"rtstrf.models": {"Loudly": "Loudly"}, "rtstrf.front_ends": {"mine": "Mine"}}
    with installed(tmp_path, monkeypatch, "mine_all", code + FRONT_END, entries):
        loaded = load_model(folder)
        assert type(loaded.model).__name__ == "Loudly"
        assert type(loaded.model.front_end).__name__ == "Mine"
        sound = np.random.default_rng(0).standard_normal((1, 1, 10 * loaded.sidecar.hop_samples)).astype(np.float32)
        import torch

        with torch.no_grad():
            np.testing.assert_array_equal(loaded.model(torch.from_numpy(sound)), plain.model(torch.from_numpy(sound)))


FAILING = """
from rtstrf.config.load import Section
from rtstrf.sinks.sink import Sink

class Failing(Sink):
    name = "failing"

    class Options(Section):
        at: str

    def __init__(self, options):
        self.at = options.at
        self.fail("init")

    def fail(self, place):
        if self.at == place:
            raise KeyError(f"broken at {place}")

    def open(self, greeting):
        self.fail("open")

    def rows(self, kind, header, rows):
        if header["i0"] == 3:
            self.fail("rows")

    def close(self):
        self.fail("close")
"""


@pytest.mark.parametrize("at", ["init", "open"])
def test_a_sink_that_fails_at_the_start_is_named_and_leaves_nothing_open(tmp_path, monkeypatch, capsys, at) -> None:
    with installed(tmp_path, monkeypatch, "failing_one", FAILING, {"rtstrf.sinks": {"failing": "Failing"}}):
        ports = ("--set", "wire.data=tcp://127.0.0.1:0", "--set", "wire.control=tcp://127.0.0.1:0")
        sinks = f"sinks=[{{plugin: failing, at: {at}}}]"
        outcome = Command(capsys)("live", "--source", "silence", *ports, "--set", sinks)
        assert_refused(outcome, "failing", f"KeyError: 'broken at {at}'")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rtstrf")]


@pytest.mark.parametrize("at", ["rows", "close"])
def test_a_sink_that_fails_while_the_stream_runs_is_named_and_the_stream_goes_on(tmp_path, monkeypatch, at) -> None:
    with installed(tmp_path, monkeypatch, "failing_one", FAILING, {"rtstrf.sinks": {"failing": "Failing"}}):
        keys = ("source={kind: tone, duration_s: 0.2, speed: 2}", f"sinks=[{{plugin: failing, at: {at}}}]")
        with session(*keys) as (engine, client):
            client.request("start")
            messages = receive(client, is_over)
            if at == "rows":
                messages += receive(client, lambda _: bool(faults(client)))
                assert faults(client) == ["failing has ended: KeyError: 'broken at rows'"]
    assert len(of_kind(messages, "rates")) == 40
    assert engine.status()["state"] == "ended"


def faults(client: Client) -> list[str]:
    told = client.request("events")["events"]
    return [event["details"]["what"] for event in told if event["name"] == "fault"]


def test_a_source_of_a_plugin_is_heard_like_any_other(tmp_path, monkeypatch) -> None:
    with (
        installed(tmp_path, monkeypatch, "ramps", SOURCE, {"rtstrf.sources": {"ramp": "Ramp"}}),
        session("source={kind: ramp, slope_pa: 0.00001, samples: 4800, speed: 2}") as (_, client),
    ):
        client.request("start")
        messages = receive(client, is_over)
        assert client.hello is not None
        assert client.hello["source"]["kind"] == "ramp"
    pipeline = Pipeline(load_model("statenet-gru-ns1"))
    expected = [each.rates_hz for each in pipeline.push(1e-5 * np.arange(4800, dtype=np.float32))]
    np.testing.assert_array_equal(joined(messages, "rates"), np.stack(expected))


def test_a_configuration_with_plugins_survives_being_written_and_read(tmp_path, monkeypatch) -> None:
    (tmp_path / "b").mkdir()
    with (
        installed(tmp_path, monkeypatch, "keeping", SINK, {"rtstrf.sinks": {"keeper": "Keeper"}}),
        installed(tmp_path / "b", monkeypatch, "ramps", SOURCE, {"rtstrf.sources": {"ramp": "Ramp"}}),
    ):
        triggers = "triggers=[{name: a, threshold_hz: 3, units: [1, x], action: {kind: udp, port: 9}}]"
        config = live_config(None, "ramp", [triggers, "sinks=[{plugin: keeper, path: x}]"])
        again = LiveConfig.model_validate(json.loads(config.model_dump_json()))
        assert again.model_dump() == config.model_dump()
        assert again.triggers == config.triggers

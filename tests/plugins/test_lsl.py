"""rtstrf-lsl, installed by pip and run by `rtstrf live`: an LSL inlet in another process receives rates and times."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.conftest import ROOT, running
from tests.support.live import events, is_over, of_kind, receive

pylsl = pytest.importorskip("pylsl", reason="needs the package pylsl with its liblsl")

# Only this machine, and a session of its own, so that tests that run side by side do not see one another.
CONFIGURATION = """
[ports]
IPv6 = disable
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = rtstrf-{session}
[multicast]
ResolveScope = machine
"""

INLET = """
import json, sys
import numpy as np, pylsl

found = {}
for kind in ("FiringRate", "Markers"):
    [info] = pylsl.resolve_byprop("type", kind, 1, 60)
    found[kind] = pylsl.StreamInlet(info)
rates, markers = found["FiringRate"], found["Markers"]
for inlet in found.values():
    inlet.open_stream(60)
info = rates.info(60)
channel = info.desc().child("channels").first_child()
channels = []
while not channel.empty():
    channels.append({name: channel.child_value(name) for name in ("label", "unit", "depth_um")})
    channel = channel.next_sibling()
print(json.dumps({
    "name": info.name(), "source_id": info.source_id(), "srate": info.nominal_srate(), "channels": channels,
    "model": info.desc().child("rtstrf").child_value("model"),
}), flush=True)
samples, times, told = [], [], []
while len(samples) < int(sys.argv[2]):
    sample, at_s = rates.pull_sample(60)
    samples.append(sample)
    times.append(at_s)
while not told or '"ended"' not in told[-1][0][0]:
    told.append(markers.pull_sample(60))
np.savez(sys.argv[1], samples=np.float32(samples), times=times, markers=json.dumps(told), clock=pylsl.local_clock())
"""


@pytest.fixture(scope="module")
def environment(install: Callable[[str], dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    path.write_text(CONFIGURATION.format(session=uuid.uuid4().hex))
    return {**install("rtstrf-lsl"), "LSLAPICFG": str(path)}


@contextmanager
def inlet(environment: dict[str, str], kept: Path, samples: int) -> Iterator[dict]:
    """Have an inlet in another process; what is yielded is what it was told of the stream."""
    process = subprocess.Popen(
        [sys.executable, "-c", INLET, str(kept), str(samples)], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_an_inlet_receives_the_rates_with_the_time_at_which_their_sound_was_captured(environment, tmp_path) -> None:
    keys = ("source={kind: noise, duration_s: 0.5}", "sinks=[{plugin: lsl}]")
    kept = tmp_path / "kept.npz"
    with running(environment, *keys) as client:
        with inlet(environment, kept, samples=100) as told:
            client.request("start")
            client.request("mark", label="sound on")
            messages = receive(client, is_over)
        hello = client.hello
        offset_s = pylsl.local_clock() - time.monotonic()
    assert hello is not None
    rates = of_kind(messages, "rates")
    held = np.load(kept)
    np.testing.assert_array_equal(held["samples"], np.concatenate([m.array for m in rates]))
    start_s = int(hello["anchor"]["monotonic_ns"]) / 1e9
    captured_s = np.array([m.header["t_cap"] for m in rates]) / 1e9 + start_s + offset_s
    # Both clocks are this machine's; the offset of each is known to some microseconds.
    np.testing.assert_allclose(held["times"], captured_s, atol=0.5e-3)

    assert told["name"] == "rtstrf main rates"
    assert told["model"] == hello["model"]
    assert told["srate"] == pytest.approx(200.0)
    assert [channel["label"] for channel in told["channels"]] == [unit["id"] for unit in hello["units"]]
    assert {channel["unit"] for channel in told["channels"]} == {"Hz"}
    assert [float(channel["depth_um"]) for channel in told["channels"]] == [unit["depth_um"] for unit in hello["units"]]

    markers = [(json.loads(text), at_s) for [text], at_s in json.loads(str(held["markers"]))]
    [(marker, at_s)] = [(marker, at_s) for marker, at_s in markers if marker["name"] == "mark"]
    [mark] = events(messages, "mark")
    assert marker == {"name": "mark", **mark}
    assert at_s == pytest.approx(mark["t"] / 1e9 + start_s + offset_s, abs=0.5e-3)


def test_a_source_id_is_the_same_in_the_next_run_and_another_for_other_weights(monkeypatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "plugins" / "rtstrf-lsl")
    plugin = importlib.import_module("rtstrf_lsl")
    first = {"weights_sha256": "0" * 64, "run": "a"}
    assert plugin.source_id(first, "main", "rates") == plugin.source_id({**first, "run": "b"}, "main", "rates")
    others = [
        plugin.source_id({**first, "weights_sha256": "1" * 64}, "main", "rates"),
        plugin.source_id(first, "left", "rates"),
        plugin.source_id(first, "main", "spikes"),
    ]
    assert len({plugin.source_id(first, "main", "rates"), *others}) == 4


def test_channels_of_every_topic_are_named(monkeypatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "plugins" / "rtstrf-lsl")
    plugin = importlib.import_module("rtstrf_lsl")
    greeting = {"units": [{"id": "a"}, {"id": "b", "depth_um": 300.0}], "bands_hz": [500.0, 1000.0]}

    def labels(kind: str, width: int) -> list[str]:
        return [label for label, _, _ in plugin.channel_facts(greeting, kind, width)]

    assert labels("rates", 2) == ["a", "b"]
    assert labels("spikes", 4) == ["a 1", "b 1", "a 2", "b 2"]
    assert labels("level", 1) == ["level"]
    assert labels("spectrogram", 2) == ["500", "1000"]
    assert labels("onoff", 4) == ["ON 500", "ON 1000", "OFF 500", "OFF 1000"]


def test_the_two_clocks_are_compared_to_some_microseconds(monkeypatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "plugins" / "rtstrf-lsl")
    plugin = importlib.import_module("rtstrf_lsl")
    before_s = pylsl.local_clock() - time.monotonic()
    offset_s = plugin.clock_offset_s()
    assert offset_s == pytest.approx(before_s, abs=0.5e-3)

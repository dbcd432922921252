"""Spikes on the wire: those of the rates beside them, the same in every run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from rtstrf.record.recording import Recording
from rtstrf.sound.source import Block
from rtstrf.spikes import SpikeGenerator
from tests.support.live import ScriptedSource, events, is_over, joined, noise, of_kind, receive, session
from tests.support.sounds import write_sound

TOPICS = ("wire.topics=[spikes]", "spikes.seed=5")


def expected(rates_hz: np.ndarray, bins: list[int], seed: int = 5) -> np.ndarray:
    """Return the spikes of rates, bin by bin."""
    generator = SpikeGenerator(119, hop_samples=240, sample_rate_hz=48000, seed=seed)
    state, rows = generator.initial_state(), []
    for index, row in zip(bins, rates_hz, strict=True):
        spikes, state = generator.step(row[None], state, first_bin=index)
        rows.append(spikes)
    return np.concatenate(rows)


def test_spikes_are_those_of_the_rates_and_their_seed(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "noise.wav", noise(24000), 48000)
    keys = ("source.kind=file", f"source.path={path}", "source.speed=null", *TOPICS)
    with session(*keys, topics=("rates", "spikes")) as (_, client):
        client.request("start")
        messages = receive(client, is_over)
        assert client.hello is not None
        facts = client.hello["spikes"]
    rates, spikes = joined(messages, "rates"), joined(messages, "spikes")
    assert (spikes >= 0).sum() > 20
    np.testing.assert_array_equal(spikes, expected(rates, list(range(100))))
    assert facts == {"seed": 5, "refractory_samples": 96, "slots": 3, "highest_rate_hz": 450.0}
    headers = [m.header for m in of_kind(messages, "spikes")]
    assert {(h["unit"], h["slots"], h["m"]) for h in headers} == {("samples", 3, 357)}
    assert [h["i0"] for h in headers] == list(range(100))


def test_bins_that_were_lost_are_bins_without_spikes() -> None:
    sound = 3 * noise(48000)
    source = ScriptedSource([Block(sound[:24000], 0), Block(sound[24000:], 0, lost_samples=24000)])
    with session(*TOPICS, source=source, topics=("rates", "spikes")) as (_, client):
        client.request("start")
        source.play()
        messages = receive(client, is_over)
    bins = [m.header["i0"] for m in of_kind(messages, "spikes")]
    assert bins == [*range(100), *range(200, 300)]
    np.testing.assert_array_equal(joined(messages, "spikes"), expected(joined(messages, "rates"), bins))


def test_the_topic_can_be_turned_on_while_it_runs() -> None:
    keys = ("source.kind=noise", "source.duration_s=1", "source.speed=2", "wire.topics=[]")
    with session(*keys, topics=("rates", "spikes")) as (_, client):
        client.request("start")
        before = receive(client, lambda messages: len(of_kind(messages, "rates")) > 20)
        on = client.request("set", name="wire.topics", value=["spikes"])["bin"]
        messages = before + receive(client, is_over)
    spikes = of_kind(messages, "spikes")
    assert [m.header["i0"] for m in spikes] == list(range(on, 200))
    np.testing.assert_array_equal(
        joined(messages, "spikes"), expected(joined(messages, "rates")[on:], list(range(on, 200)), seed=0)
    )


def test_the_protocol_page_says_how_to_read_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    [code] = re.findall(r"^```python spikes\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    generator = SpikeGenerator(4, hop_samples=240, sample_rate_hz=48000)
    spikes, _ = generator.step(np.full((50, 4), 200.0), generator.initial_state(100), first_bin=100)
    header = {"n": 50, "slots": generator.slots, "s0": 24000}
    told: dict = {"np": np, "spikes": spikes, "header": header, "hello": {"hop_samples": 240}}
    exec(code, told)
    pairs = sorted(zip(told["samples"].tolist(), told["units"].tolist(), strict=True))
    samples, units = generator.times(spikes, first_bin=100)
    assert pairs == list(zip(samples.tolist(), units.tolist(), strict=True))


def test_a_recording_holds_the_spikes_of_its_rates_and_the_triggers_that_fired(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "noise.wav", noise(48000), 48000)
    keys = ("source.kind=file", f"source.path={path}", "source.speed=null", *TOPICS)
    trigger = "triggers=[{name: any, of: each, threshold_hz: 40, while_warming_up: true}]"
    recording_to = (f"record.folder={tmp_path / 'recordings'}", "record.topics=[spikes]")
    with session(*keys, trigger, *recording_to) as (_, client):
        client.request("start")
        messages = receive(client, is_over)
    [folder] = (tmp_path / "recordings").iterdir()
    recording = Recording(folder)
    stream = recording.streams["main"]
    spikes, table = stream.topic("spikes")
    np.testing.assert_array_equal(table["i0"], np.arange(200))
    np.testing.assert_array_equal(np.asarray(spikes), expected(np.asarray(stream.rates_hz), list(range(200))))
    told = [event.details for event in recording.events if event.name == "trigger"]
    assert told == events(messages, "trigger") != []

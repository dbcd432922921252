"""The threads of a live session run as they were asked to, or it is said that they do not."""

from __future__ import annotations

import gc
import os
import threading

import numpy as np
import pytest
import torch

from rtstrf.config.live import LiveConfig
from rtstrf.config.load import load_config
from rtstrf.engine.engine import Engine
from rtstrf.engine.process import real_time_process
from rtstrf.engine.realtime import current_affinity, deadline_thread, flushes_to_zero
from rtstrf.models.statenet import StateNet
from rtstrf.pipeline import SoundToRates
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.runner import StepRunner
from rtstrf.sinks.sink import Sink
from rtstrf.spectrogram.mel import MelSpectrogram
from tests.support.live import is_over, receive, session

NO_CORE = 100_000


class Watching(Sink):
    """Notes how the threads run that tell it of sound and of rates."""

    immediate = True  # called on those threads themselves

    def __init__(self) -> None:
        self.seen: dict[str, tuple[bool, tuple[int, ...] | None]] = {}

    def sound(self, *args: object, **kwargs: object) -> None:
        self._note("capture")

    def rows(self, *args: object, **kwargs: object) -> None:
        self._note("inference")

    def _note(self, which: str) -> None:
        self.seen[which] = flushes_to_zero(), current_affinity()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not let a thread choose its cores")
def test_the_threads_that_capture_and_compute_flush_to_zero_and_stay_on_their_cores() -> None:
    core = min(os.sched_getaffinity(0))
    watching = Watching()
    keys = [
        "source.kind=tone",
        "source.duration_s=0.1",
        "wire.data=tcp://127.0.0.1:0",
        "wire.control=tcp://127.0.0.1:0",
    ]
    engine = Engine(load_config(LiveConfig, None, [*keys, f"engine.affinity=[{core}]"]), sinks=[watching])
    engine.run()
    assert watching.seen == {"capture": (True, (core,)), "inference": (True, (core,))}
    assert not flushes_to_zero()  # this thread is somebody else's


def test_what_is_not_granted_is_in_the_greeting_and_an_event_and_the_session_goes_on() -> None:
    keys = ("source.kind=tone", "source.duration_s=0.1", f"engine.affinity=[{NO_CORE}]")
    with session(*keys) as (engine, client):
        assert client.hello is not None
        told = client.hello["device"]["thread"]
        assert told["flush_to_zero"] is True
        assert f"cores {NO_CORE}" in told["refused"][0]
        engine.begin()
        told_before = client.request("events", since=0)["events"]
        receive(client, until=is_over)
    faults = [event["details"] for event in told_before if event["name"] == "fault"]
    assert [f"cores {NO_CORE}" in fault["what"] for fault in faults] == [True]
    assert faults[0]["remedy"]
    assert engine.status()["bins"] == 20


def test_what_is_warm_is_left_out_of_collections_until_the_session_ends() -> None:
    before = gc.get_freeze_count()
    with real_time_process(1) as settle:
        assert gc.get_freeze_count() == before
        settle()
        assert gc.get_freeze_count() > before + 1000
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("compression", ["none", "log1p", "cubic"])
def test_after_a_long_silence_the_rates_are_right_though_all_that_decays_would_have_no_normal_number(
    compression: str,
) -> None:
    torch.manual_seed(0)
    mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=8000.0, compression=compression)
    adaptation = AdapTrans.for_bands(8, dt_ms=5.0, max_freq_hz=8000.0)
    small = {"hidden_channels": 2, "kernel_size": 4, "stride": 2, "out_neurons": 3}
    module = SoundToRates(StateNet(8, **small, wav2spec=mel, prefiltering=adaptation), 200.0)  # type: ignore[arg-type]
    sound = np.zeros((1, 1, 80 * 6000), dtype=np.float32)  # 30 s: in float32, decays end after about 22 s
    sound[..., : 80 * 100] = np.random.default_rng(0).normal(0, 0.1, 80 * 100)
    sound[..., -80 * 20 :] = sound[..., : 80 * 20]  # and what comes after is heard as ever
    heard: list[np.ndarray] = []

    def run() -> None:
        with deadline_thread():
            runner = StepRunner(module)
            hops = (torch.from_numpy(hop) for hop in np.split(sound, 6000, axis=-1))
            heard.extend(runner.step(hop)["rates_hz"].numpy()[0, :, 0].copy() for hop in hops)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    right = StepRunner(module, dtype=torch.float64).step(torch.from_numpy(sound))["rates_hz"][0].numpy().T
    assert np.abs(np.stack(heard) - right).max() / np.abs(right).max() < 1e-5

"""From a sound card to a client in another process: PulseAudio, PortAudio, the engine and ZeroMQ as they are."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rtstrf.checkpoints.load import load_model
from rtstrf.pipeline import Pipeline
from rtstrf.record.recording import Recording
from rtstrf.record.rerun import model_of, rerun
from tests.support.live import noise
from tests.support.pulse import DEVICE, missing_programs, virtual_sound_card
from tests.support.sounds import write_sound

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(bool(missing_programs()), reason=f"a virtual sound card needs {', '.join(missing_programs())}"),
]


def free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def test_a_client_receives_what_a_replay_of_the_captured_sound_gives(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    played = write_sound(tmp_path / "played.wav", 0.3 * np.tanh(3 * noise(3 * 48000)), 48000)
    kept, received = tmp_path / "kept", tmp_path / "received.npz"
    data, control = (f"tcp://127.0.0.1:{port}" for port in free_ports())
    live = [sys.executable, "-m", "rtstrf", "live", "--source", "microphone", "--set", f"source.device={DEVICE}"]
    live += ["--set", f"wire.data={data}", "--set", f"wire.control={control}", "--record", str(kept)]
    live += ["--set", "engine.overload.rungs=[]"]  # a hop a step however late this machine is: exact, not within G1
    with virtual_sound_card(tmp_path_factory.mktemp("card")) as card:
        listener = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.client_process", data, str(received)],
            stdout=subprocess.PIPE,
            text=True,
        )
        engine = subprocess.Popen(live, env=card.environment, stderr=subprocess.PIPE, text=True)
        try:
            assert listener.stdout is not None
            assert listener.stdout.readline() == "greeted\n"
            card.play(played)
            time.sleep(0.2)  # the tail of the sound on its way through the card
            engine.send_signal(signal.SIGINT)
            _, told = engine.communicate(timeout=60)
            assert engine.returncode == 0, told
            assert listener.wait(60) == 0
        finally:
            for process in (engine, listener):
                process.kill()
                process.wait()

    (folder,) = kept.iterdir()
    recording = Recording(folder)
    own = recording.streams["main"]
    result = np.load(received)
    assert own.source_rate_hz == 48000
    assert np.abs(own.sound_pa).max() > 0.1, "nothing of what was played has been captured"
    assert int(result["lost"]) == 0
    first = int(result["i0"][0])  # the client joined a little after the start
    np.testing.assert_array_equal(result["i0"], np.arange(first, first + len(result["i0"])))
    # One hop after another, from nothing but the captured samples: no code of the recorder or of the engine.
    replayed = np.stack([b.rates_hz for b in Pipeline(load_model("statenet-gru-ns1")).push(np.array(own.sound_pa))])
    assert len(result["rates_hz"]) > 500
    np.testing.assert_array_equal(result["rates_hz"], replayed[first : first + len(result["rates_hz"])])
    assert rerun(recording, "main", model_of(recording)).identical

    latency_ms = (result["t_recv_ns"] - result["t_raw_ns"]) / 1e6
    p50, p99 = np.percentile(latency_ms, [50, 99])
    with capsys.disabled():
        print(f"\n  from captured block to client: p50 {p50:.2f} ms, p99 {p99:.2f} ms over {len(latency_ms)} bins")

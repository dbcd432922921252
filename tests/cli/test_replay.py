"""`rtstrf replay`, as it is typed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rtstrf.checkpoints.save import save_model
from rtstrf.replay.rates_file import load_rates
from rtstrf.spikes import SpikeGenerator
from tests.support.command import Command, assert_refused
from tests.support.models import HOP_SAMPLES, RATE_HZ, UNITS, tiny_checkpoint, tiny_model, tiny_sidecar
from tests.support.sounds import bursts, write_sound


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write_sound(tmp_path / "call.wav", bursts(4000, RATE_HZ), RATE_HZ)


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture(autouse=True)
def same_threads() -> object:
    """The command sets the number of torch's threads, as a program of its own may."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def sha256s(text: str) -> list[str]:
    return re.findall(r"SHA-256\s+([0-9a-f]{64})", text)


def test_a_replay_prints_the_figures_and_the_verdict(rtstrf: Command, model: Path, sound: Path) -> None:
    outcome = rtstrf("replay", sound, "--model", model)
    assert outcome.code == 0
    assert outcome.err == ""
    for word in (
        "call.wav: 0.250 s at 16,000 Hz",
        "50 of 5 ms",
        "p99.9",
        "x real time",
        "framing",
        "of 50 bins missed",
    ):
        assert word in outcome.out
    assert outcome.out.rstrip().splitlines()[-1].startswith(("Keeps up", "Does not keep up"))
    assert len(sha256s(outcome.out)) == 1


def test_the_printed_sha256_is_the_same_for_every_block_size(rtstrf: Command, model: Path, sound: Path) -> None:
    printed = {
        block: sha256s(rtstrf("replay", sound, "--model", model, "--block", block).out)
        for block in ("1", "7", "240", "4096", "random")
    }
    assert len({tuple(hashes) for hashes in printed.values()}) == 1
    assert all(printed.values())


def test_out_writes_the_rates(rtstrf: Command, model: Path, sound: Path, tmp_path: Path) -> None:
    outcome = rtstrf("replay", sound, "--model", model, "--out", tmp_path / "rates.npz")
    assert f"wrote {tmp_path / 'rates.npz'}" in outcome.out
    rates = load_rates(tmp_path / "rates.npz")
    assert rates.rates_hz.shape == (50, UNITS)
    assert rates.t_s.tolist() == [(i + 1) * HOP_SAMPLES / RATE_HZ for i in range(50)]
    assert files(tmp_path) == {"call.wav", "rates.npz"}


def test_several_sounds_are_clips_of_their_own(rtstrf: Command, model: Path, sound: Path, tmp_path: Path) -> None:
    other = write_sound(tmp_path / "other.flac", bursts(3000, RATE_HZ, seed=5), RATE_HZ, "PCM_24")
    out = tmp_path / "out"
    out.mkdir()
    outcome = rtstrf("replay", other, sound, sound, "--model", model, "--out", out)
    assert "together" in outcome.out
    assert files(out) == {"other.npz", "call.npz", "call-2.npz"}
    alone = sha256s(rtstrf("replay", sound, "--model", model).out)
    assert sha256s(outcome.out)[1:] == alone * 2  # nothing of one clip is left in the next


def test_report_writes_a_page_and_its_figures(rtstrf: Command, model: Path, sound: Path, tmp_path: Path) -> None:
    outcome = rtstrf("replay", sound, "--model", model, "--report", tmp_path / "latency", "--pace", "real")
    assert outcome.code == 0
    assert files(tmp_path / "latency") == {"report.json", "report.html"}
    facts = json.loads((tmp_path / "latency" / "report.json").read_text())
    assert facts["total"]["latency_ms"]["p50"] > 0
    assert facts["machine"]["torch_threads"] == 1
    assert facts["verdict"]["sentence"] in outcome.out
    again = rtstrf("replay", sound, "--model", model, "--report", tmp_path / "latency")
    assert again.code == 0  # a report that is there is replaced
    assert json.loads((tmp_path / "latency" / "report.json").read_text())["pace"] == "fast"


def test_a_channel_and_a_level_can_be_chosen(rtstrf: Command, model: Path, tmp_path: Path) -> None:
    left, right = bursts(2000, RATE_HZ, 1), bursts(2000, RATE_HZ, 2)
    both = write_sound(tmp_path / "both.wav", np.stack([left, right], axis=1), RATE_HZ)
    alone = write_sound(tmp_path / "alone.wav", right, RATE_HZ)
    options = ("--model", model, "--full-scale-db-spl", "100")
    chosen = sha256s(rtstrf("replay", both, "--channel", "1", *options).out)
    assert chosen == sha256s(rtstrf("replay", alone, *options).out)
    assert chosen != sha256s(rtstrf("replay", alone, "--model", model).out)


def test_as_a_program_it_prints_plain_text_and_exits_with_0(model: Path, sound: Path) -> None:
    command = [sys.executable, "-m", "rtstrf", "replay", str(sound), "--model", str(model)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(sha256s(done.stdout)) == 1


def test_as_a_program_a_mistake_is_one_message_and_exit_code_2(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rtstrf", "replay", str(tmp_path / "no.wav"), "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("rtstrf replay: no sound file")
    assert "Traceback" not in done.stderr


# ---- bad sounds -----------------------------------------------------------------------------------------------------


def nan_in_the_middle(path: Path) -> None:
    samples = bursts(4000, RATE_HZ)
    samples[2345] = np.nan
    write_sound(path, samples, RATE_HZ)


def cut_short(path: Path) -> None:
    write_sound(path, bursts(4000, RATE_HZ), RATE_HZ)
    path.write_bytes(path.read_bytes()[:5000])


BAD_SOUNDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no sound file"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "directory": (lambda path: path.mkdir(), "no sound in the folder"),
    "text": (lambda path: path.write_text("not a sound"), "cannot be read as sound"),
    "truncated": (cut_short, "is cut short"),
    "nan": (nan_in_the_middle, "sample 2345 (0.146563 s)"),
    "shorter than a bin": (lambda path: write_sound(path, bursts(79, RATE_HZ), RATE_HZ), "shorter than one bin"),
    "without samples": (lambda path: write_sound(path, bursts(0, RATE_HZ), RATE_HZ), "holds no samples"),
}


@pytest.mark.parametrize("kind", BAD_SOUNDS)
def test_a_bad_sound_is_refused_and_nothing_is_left(
    rtstrf: Command, model: Path, sound: Path, tmp_path: Path, kind: str
) -> None:
    make, words = BAD_SOUNDS[kind]
    bad = tmp_path / "bad.wav"
    make(bad)
    before = files(tmp_path)
    outcome = rtstrf(
        "replay", sound, bad, "--model", model, "--out", tmp_path / "rates.npz", "--report", tmp_path / "report"
    )
    assert_refused(outcome, words, "bad.wav")
    assert files(tmp_path) == before  # nor the rates of the good sound before it


def test_a_channel_that_is_not_there_is_refused(rtstrf: Command, model: Path, sound: Path) -> None:
    assert_refused(rtstrf("replay", sound, "--model", model, "--channel", "1"), "no channel 1", "only channel 0")


# ---- bad models -----------------------------------------------------------------------------------------------------


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:200])


def wrong_shape(folder: Path) -> None:
    shutil.rmtree(folder)
    save_model(folder, tiny_model(units=UNITS + 1), tiny_sidecar(UNITS))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "out_neurons": UNITS}))


BAD_MODELS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (lambda folder: shutil.rmtree(folder), "no model"),
    "no config": (without("config.json"), "has no config.json"),
    "no weights": (without("model.safetensors"), "has no model.safetensors"),
    "no sidecar": (without("stream.json"), "has no stream.json"),
    "truncated": (truncated, "truncated"),
    "wrong shape": (wrong_shape, "readout.fc.weight is (5, 6), should be (4, 6)"),
    "broken sidecar": (lambda folder: (folder / "stream.json").write_text("{"), "is not JSON"),
}


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_a_bad_model_is_refused_and_nothing_is_left(rtstrf: Command, sound: Path, tmp_path: Path, kind: str) -> None:
    spoil, words = BAD_MODELS[kind]
    folder = tiny_checkpoint(tmp_path / "model")
    spoil(folder)
    before = files(tmp_path)
    outcome = rtstrf("replay", sound, "--model", folder, "--out", tmp_path / "r.npz", "--report", tmp_path / "report")
    assert_refused(outcome, words)
    assert files(tmp_path) == before


# ---- bad options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--block", "0"), "a block of 0 samples"),
        (("--block", "-1"), "a block of -1 samples"),
        (("--block", "some"), "a block of 'some' samples"),
        (("--threads", "0"), "0 threads"),
        (("--device", "abacus"), "no device 'abacus' here"),
        (("--full-scale-db-spl", "nan"), "a full scale of nan"),
    ],
)
def test_a_bad_option_is_refused(
    rtstrf: Command, model: Path, sound: Path, options: tuple[str, str], words: str
) -> None:
    assert_refused(rtstrf("replay", sound, "--model", model, "=".join(options)), words)


@pytest.mark.parametrize(
    ("option", "place", "words"),
    [
        ("--out", "missing/rates.npz", "there is no folder"),
        ("--out", "rates.csv", "nor a name that ends in .npz"),
        ("--out", "call.wav/rates.npz", "there is no folder"),
        ("--report", "missing/report", "cannot create the folder"),
        ("--report", "call.wav", "it is a file"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_sound_is_played(
    rtstrf: Command, model: Path, sound: Path, tmp_path: Path, option: str, place: str, words: str
) -> None:
    before = files(tmp_path)
    assert_refused(rtstrf("replay", sound, "--model", model, option, tmp_path / place), words)
    assert files(tmp_path) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_refused(rtstrf: Command, model: Path, sound: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert_refused(rtstrf("replay", sound, "--model", model, "--out", closed / "rates.npz"), "Permission denied")
    assert files(closed) == set()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full to write to")
def test_a_full_disk_is_one_message(rtstrf: Command, model: Path, sound: Path, tmp_path: Path, monkeypatch) -> None:
    open_file = Path.open

    def on_a_full_disk(self: Path, mode: str = "r", *rest: object, **options: object) -> object:
        return open_file(Path("/dev/full") if mode == "wb" else self, mode, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", on_a_full_disk)
    before = files(tmp_path)
    assert_refused(rtstrf("replay", sound, "--model", model, "--out", tmp_path / "rates.npz"), "No space left")
    assert files(tmp_path) == before


def test_a_report_without_matplotlib_says_what_to_install(
    rtstrf: Command, model: Path, sound: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    before = files(tmp_path)
    outcome = rtstrf("replay", sound, "--model", model, "--report", tmp_path / "report")
    assert_refused(outcome, 'pip install "rtstrf[report]"')
    assert files(tmp_path) == before
    assert rtstrf("replay", sound, "--model", model, "--out", tmp_path / "rates.npz").code == 0


def test_ctrl_c_leaves_nothing_behind(rtstrf: Command, model: Path, sound: Path, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rtstrf.replay.play.replay", interrupted)
    before = files(tmp_path)
    outcome = rtstrf(
        "replay", sound, "--model", model, "--out", tmp_path / "rates.npz", "--report", tmp_path / "report"
    )
    assert outcome.code == 130
    assert files(tmp_path) == before


def test_help_shows_an_example(rtstrf: Command) -> None:
    outcome = rtstrf("replay", "--help")
    assert outcome.code == 0
    assert "rtstrf replay call.wav --pace real" in outcome.out


def test_being_told_to_end_leaves_nothing_half_written(model: Path, tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "long.wav", bursts(60 * RATE_HZ, RATE_HZ), RATE_HZ)
    out = tmp_path / "out"
    out.mkdir()
    words = ["replay", str(sound), "--model", str(model), "--pace", "real", "--out", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "rtstrf", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not files(out):  # what will become the file is there from the start
        assert process.poll() is None
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert files(out) == set()


def test_spikes_go_with_the_rates_the_same_for_any_block(
    rtstrf: Command, model: Path, sound: Path, tmp_path: Path
) -> None:
    for name, block in (("a", 7), ("b", "random")):
        outcome = rtstrf(
            "replay", sound, "--model", model, "--out", tmp_path / f"{name}.npz", "--spikes", 3, "--block", block
        )
        assert outcome.code == 0, outcome.err
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as held:
        generator = SpikeGenerator(UNITS, hop_samples=HOP_SAMPLES, sample_rate_hz=RATE_HZ, seed=3)
        samples, units = generator.times(generator.step(held["rates_hz"], generator.initial_state())[0])
        np.testing.assert_array_equal(held["spike_sample"], samples)
        np.testing.assert_array_equal(held["spike_unit"], units)
        assert len(samples)
        assert int(held["spike_seed"]) == 3
    assert load_rates(tmp_path / "a.npz").rates_hz.shape[1] == UNITS


def test_spikes_without_a_place_to_go_or_with_no_seed_are_refused_before_anything_is_played(
    rtstrf: Command, model: Path, sound: Path, tmp_path: Path
) -> None:
    assert_refused(rtstrf("replay", sound, "--model", model, "--spikes", 3), "--spikes without --out")
    out = ("--out", tmp_path / "rates.npz")
    assert_refused(rtstrf("replay", sound, "--model", model, "--spikes", -1, *out), "seed -1")
    assert_refused(
        rtstrf("replay", sound, "--model", model, "--spikes", 1, "--refractory-ms", 0, *out),
        "refractory period of 0 ms",
    )
    assert not (tmp_path / "rates.npz").exists()

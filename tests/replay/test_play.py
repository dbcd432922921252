"""A sound through the served path."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError, SoundError
from rtstrf.pipeline import Pipeline
from rtstrf.replay.blocks import BlockSize
from rtstrf.replay.play import Replayed, replay
from rtstrf.sound.file import FileSource
from rtstrf.verify.measure import BOUND
from tests.support.models import HOP_SAMPLES, RATE_HZ, UNITS
from tests.support.sounds import ArraySource, bursts, write_sound


def play(loaded: LoadedModel, samples: int, rate_hz: int = RATE_HZ, **options: object) -> Replayed:
    source = ArraySource(bursts(samples, rate_hz), rate_hz)
    return replay(source, loaded, **options)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(HOP_SAMPLES, 12 * HOP_SAMPLES),
    blocks=st.lists(st.one_of(st.integers(1, 5000), st.just("random")), min_size=2, max_size=4),
    seed=st.integers(0, 99),
)
def test_however_the_sound_is_cut_the_rates_are_the_same_bits(
    loaded: LoadedModel, samples: int, blocks: list[BlockSize], seed: int
) -> None:
    results = [play(loaded, samples, block=block, seed=seed) for block in blocks]
    assert len({r.rates_sha256 for r in results}) == 1
    assert all(r.bins == samples // HOP_SAMPLES for r in results)


@settings(max_examples=10, deadline=None)
@given(rate_hz=st.sampled_from([8000, 44100, 48000, 192000]), block=st.integers(1, 3000))
def test_resampled_sound_gives_the_same_bits_too(loaded: LoadedModel, rate_hz: int, block: int) -> None:
    samples = rate_hz // 10
    by_block, by_bin = play(loaded, samples, rate_hz, block=block), play(loaded, samples, rate_hz)
    assert by_block.rates_sha256 == by_bin.rates_sha256
    assert by_block.bins == by_bin.bins == 20


def test_the_sha256_is_that_of_the_rates_it_kept(loaded: LoadedModel) -> None:
    result = play(loaded, 1000)
    assert result.rates_hz is not None
    assert result.rates_hz.dtype == np.float32
    assert result.rates_hz.shape == (12, UNITS)
    assert hashlib.sha256(result.rates_hz.tobytes()).hexdigest() == result.rates_sha256


def test_other_sound_or_other_weights_give_another_sha256(loaded: LoadedModel) -> None:
    quiet = replay(ArraySource(0.5 * bursts(1000, RATE_HZ), RATE_HZ), loaded)
    assert quiet.rates_sha256 != play(loaded, 1000).rates_sha256


def test_replay_is_what_the_pipeline_gives_a_live_listener(loaded: LoadedModel) -> None:
    pipeline = Pipeline(loaded)
    live = np.array([b.rates_hz for b in pipeline.push(bursts(4000, RATE_HZ))])
    result = play(loaded, 4000, block=33)
    assert result.rates_hz is not None
    assert np.array_equal(result.rates_hz, live)


def test_replay_equals_the_offline_model(loaded: LoadedModel) -> None:
    result = play(loaded, 4000)
    with torch.inference_mode():
        offline = loaded.model(torch.from_numpy(bursts(4000, RATE_HZ)).reshape(1, 1, -1))[0].T * 100.0
    peak = max(1.0, float(offline.max()))
    assert result.rates_hz is not None
    assert np.abs(result.rates_hz - offline.numpy()).max() <= BOUND[torch.float32] * peak


def test_each_replay_starts_from_nothing(loaded: LoadedModel) -> None:
    assert play(loaded, 2000).rates_sha256 == play(loaded, 2000).rates_sha256


def test_bins_end_where_the_sample_count_says(loaded: LoadedModel) -> None:
    result = play(loaded, 2011)
    assert result.t_s.tolist() == [(index + 1) * HOP_SAMPLES / RATE_HZ for index in range(25)]
    assert result.tail_s == pytest.approx(11 / RATE_HZ, abs=1e-12)


@pytest.mark.parametrize(("rate_hz", "channels"), [(44100, 1), (8000, 2), (192000, 1), (48000, 8)])
def test_files_of_any_rate_and_channel_count_are_heard_whole(loaded: LoadedModel, tmp_path, rate_hz, channels) -> None:
    samples = np.stack([bursts(rate_hz // 4, rate_hz, seed) for seed in range(channels)], axis=1)
    path = write_sound(tmp_path / "sound.wav", samples, rate_hz)
    result = replay(FileSource(path), loaded)
    assert result.bins == 50
    assert result.source.channels == channels
    assert result.tail_s == 0.0
    one = replay(FileSource(path, channel=channels - 1), loaded)
    alone = replay(ArraySource(samples[:, -1], rate_hz), loaded)
    assert one.rates_sha256 == alone.rates_sha256


def test_every_bin_has_its_times(loaded: LoadedModel) -> None:
    result = play(loaded, 4000, block=7)
    assert result.compute_ns.shape == result.delivered_ns.shape == (50,)
    assert result.compute_ns.dtype == np.int64
    assert (result.compute_ns > 0).all()
    assert (np.diff(result.delivered_ns) > 0).all()
    assert result.latency_ns is None


def test_in_real_time_the_latency_counts_from_the_capture_of_the_block(loaded: LoadedModel) -> None:
    result = play(loaded, RATE_HZ // 4, pace="real", block=160)
    assert result.latency_ns is not None
    assert result.latency_ns.shape == (50,)
    assert (result.latency_ns > 0).all()  # nothing is delivered before it was captured
    assert result.wall_s >= 0.25
    # Both bins of a block of two hops were captured together, and are computed one after the other.
    assert (result.latency_ns[1::2] > result.latency_ns[::2]).all()


def test_real_time_and_fast_give_the_same_bits(loaded: LoadedModel) -> None:
    assert play(loaded, 1600, pace="real").rates_sha256 == play(loaded, 1600).rates_sha256


@pytest.mark.parametrize(
    ("block", "wait_samples"),
    [(HOP_SAMPLES, 0), (40, 0), (2 * HOP_SAMPLES, HOP_SAMPLES), (100, 80), (240, 160)],
)
def test_the_wait_for_the_block_is_a_delay_of_its_own(loaded: LoadedModel, block: int, wait_samples: int) -> None:
    result = play(loaded, 10 * 1200, block=block)
    assert result.block_wait_ms == pytest.approx(1e3 * wait_samples / RATE_HZ)
    assert [d.wait_ms for d in result.delays if d.stage.startswith("driver")] == (
        [result.block_wait_ms] if wait_samples else []
    )
    assert any(d.stage.startswith("framing") and d.wait_ms == 5.0 for d in result.delays)


def test_the_resamplers_delay_is_declared(loaded: LoadedModel) -> None:
    assert any(d.stage.startswith("resampling") and d.wait_ms > 0 for d in play(loaded, 4410, 44100).delays)


def test_without_keeping_them_the_rates_are_only_hashed(loaded: LoadedModel) -> None:
    result = play(loaded, 2000, keep_rates=False)
    assert result.rates_hz is None
    assert result.level_db_spl is None
    assert result.rates_sha256 == play(loaded, 2000).rates_sha256


def test_a_source_that_does_not_tell_its_length_is_kept_whole(loaded: LoadedModel, monkeypatch) -> None:
    monkeypatch.setattr("rtstrf.replay.play.FIRST_BINS", 3)
    result = replay(ArraySource(bursts(2000, RATE_HZ), RATE_HZ, total_known=False), loaded)
    known = play(loaded, 2000)
    assert result.rates_hz is not None
    assert np.array_equal(result.rates_hz, known.rates_hz)


def test_progress_is_told_up_to_the_whole_sound(loaded: LoadedModel) -> None:
    told: list[int] = []
    play(loaded, 1600, block=40, on_progress=told.append)
    assert told == [80 * n for n in range(1, 21)]


@pytest.mark.parametrize(("samples", "rate_hz"), [(HOP_SAMPLES - 1, RATE_HZ), (1, 44100), (0, RATE_HZ)])
def test_a_sound_shorter_than_a_bin_is_an_error_that_says_so(loaded: LoadedModel, samples: int, rate_hz: int) -> None:
    with pytest.raises(SoundError, match=rf"shorter than one bin: {samples} samples at {rate_hz} Hz, .* 5 ms"):
        play(loaded, samples, rate_hz)


def test_a_device_that_is_not_there_is_an_error_that_names_it(loaded: LoadedModel) -> None:
    with pytest.raises(ConfigError, match="no device 'nonsense:0'"):
        play(loaded, 800, device="nonsense:0")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no device 'cuda'"):
            play(loaded, 800, device="cuda")

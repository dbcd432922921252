"""The microphone: any input device of PortAudio, with its time of capture and a count of what was lost."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from rtstrf.errors import ConfigError, SoundError, StreamError
from rtstrf.sound.continuity import ContinuityCheck
from rtstrf.sound.devices import find_again, find_device, hold_devices, input_devices, portaudio, release_devices
from rtstrf.sound.level import db_spl_to_pa
from rtstrf.sound.mix import check_channel, to_mono_pa
from rtstrf.sound.ring import Captured, CaptureRing
from rtstrf.sound.source import Block, Source, SourceInfo

RING_S = 2.0  # a reader that falls further behind loses sound, and is told so
FIRST_WITHIN_S = 4.0  # PulseAudio may take 2 s for the first callback
GONE_AFTER_S = 0.8  # of no callback at all once there were some, where the driver does not say that it has stopped
OLDEST_NS = 250_000_000  # at delivery; Bluetooth comes near it, PulseAudio claims 500 ms when it starts, wrongly
_NS_PER_S = 1_000_000_000
_OVERFLOW, _NOT_OVERFLOW = 1, 0


class MicrophoneSource(Source):
    """Sound as it comes in from an input device.

    Parameters
    ----------
    device : int or str, optional
        Index or a part of the name, as `rtstrf devices` lists them; the system's default where it is not given.
    rate_hz : int
        Rate to open it at. A device that cannot is opened at its default rate, which `info` then has; the engine
        resamples.
    block_samples : int
        Samples that the driver is asked to deliver at a time.
    channel : int, optional
        Channel to hear, from 0; the mean of the first two where it is not given.
    full_scale_db_spl : float
        Level of a sine whose RMS is a sample value of 1.0, from a calibration.

    Attributes
    ----------
    xruns : int
        Overflows that the driver reported or the count of samples proved, and blocks dropped as the reader was late.
    non_finite_samples : int
        NaN and infinite samples that the driver delivered, replaced by zeros.

    Raises
    ------
    SoundError
        If there is no such device (the message lists those there are), it cannot be opened, or it goes away.
    MissingExtraError
        If PortAudio or sounddevice is not installed.
    """

    live = True
    can_wait = False
    comes_back = True

    def __init__(
        self,
        device: int | str | None = None,
        *,
        rate_hz: int = 48000,
        block_samples: int = 240,
        channel: int | None = None,
        full_scale_db_spl: float = 94.0,
    ) -> None:
        if block_samples < 1:
            raise ConfigError(f"block_samples of microphone is {block_samples}", remedy="give 1 or more, such as 240")
        self._sounddevice = portaudio()
        self.device = find_device(device, input_devices(self._sounddevice))
        check_channel(channel, self.device.channels, f"the device {self.device.name!r}")
        # Two at least, as a sound server asked for one mixes; not all, as ALSA's plug-ins claim 32 or 128.
        self._channels = min(self.device.channels, max(2, 1 + (channel or 0)))
        self.channel = channel
        self.block_samples = block_samples
        self._pa_per_unit = db_spl_to_pa(full_scale_db_spl, "full_scale_db_spl")
        self.non_finite_samples = 0
        self._stream: Any = None
        self._ring = CaptureRing(1, 1)
        self._check = ContinuityCheck(1)
        self._rest: Block | None = None
        self._last_end_ns = 0
        self._waited_s = 0.0  # for nothing, since the last block
        self._heard = False  # since it was opened
        self._opened_before = False
        self.info = SourceInfo(
            kind="microphone",
            name=self.device.name,
            rate_hz=self._possible_rate_hz(rate_hz),
            channels=self._channels,
            full_scale_db_spl=full_scale_db_spl,
            details={"host_api": self.device.host_api, "block_samples": block_samples, "wanted_rate_hz": rate_hz},
        )

    def open(self) -> None:
        """Open the device; a second time, look for it by its name, as it may have been away and come back elsewhere."""
        self.close()
        if self._opened_before:
            self.device = find_again(self._sounddevice, self.device)
        rate_hz = self.info.rate_hz
        self._ring = CaptureRing(round(RING_S * rate_hz) + self.block_samples, self._channels)
        self._check = ContinuityCheck(rate_hz)
        self._rest = None
        self._last_end_ns = 0
        self._waited_s, self._heard = 0.0, False
        try:
            self._stream = self._sounddevice.InputStream(
                samplerate=rate_hz,
                blocksize=self.block_samples,
                device=self.device.index,
                channels=self._channels,
                dtype="float32",
                latency="low",
                callback=_callback_into(self._ring, rate_hz),
            )
            hold_devices(self)
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            self.close()
            raise SoundError(
                f"the input device {self.device.name!r} cannot be opened at {rate_hz} Hz: {error}",
                remedy="close other programs that use it, or choose another: rtstrf devices",
            ) from error
        self._opened_before = True
        latency_ms = 1e3 * float(self._stream.latency)
        if latency_ms != self.info.reported_latency_ms:
            self.info = replace(self.info, reported_latency_ms=latency_ms)

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        if self._stream is None:
            raise StreamError("the microphone is read before it is opened", remedy="use it in a with statement")
        block = self._rest
        self._rest = None
        if block is None:
            captured = self._ring.read(timeout_s)
            if captured is None:
                self._check_alive(timeout_s)
                return Block(np.empty(0, dtype=np.float32), time.monotonic_ns())
            block = self._to_block(captured)
        if len(block.samples) > max_samples:
            left = len(block.samples) - max_samples
            self._rest = Block(block.samples[max_samples:], block.t_ns)
            before_ns = block.t_ns - left * _NS_PER_S // self.info.rate_hz
            block = Block(block.samples[:max_samples], before_ns, block.lost_samples)
        return block

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)
            release_devices(self)

    def _to_block(self, captured: Captured) -> Block:
        self._waited_s, self._heard = 0.0, True
        samples = to_mono_pa(captured.frames, self.channel, self._pa_per_unit)  # (n, channels) -> (n,)
        finite = np.isfinite(samples)
        if not finite.all():
            self.non_finite_samples += int(len(samples) - np.count_nonzero(finite))
            samples[~finite] = 0.0
        self._check.count_dropped(captured.dropped_frames)
        flagged = captured.flags == _OVERFLOW
        lost = self._check.lost_samples(len(samples), captured.end_ns, captured.arrived_ns, flagged=flagged)
        if flagged or lost or captured.dropped_frames:
            self.xruns += 1
        self._last_end_ns = max(self._last_end_ns, captured.end_ns)  # a driver's estimate may step back
        return Block(samples, self._last_end_ns, lost + captured.dropped_frames)

    def _check_alive(self, timeout_s: float) -> None:
        # Time spent waiting, not time passed: after this whole program was suspended the driver needs its turn first.
        self._waited_s += timeout_s
        if self._stream.active and self._waited_s < (GONE_AFTER_S if self._heard else FIRST_WITHIN_S):
            return
        raise SoundError(
            f"the input device {self.device.name!r} has stopped: no sound for {self._waited_s:.1f} s",
            remedy="connect it again and restart, or choose another: rtstrf devices",
        )

    def _possible_rate_hz(self, wanted_hz: int) -> int:
        for rate_hz in (wanted_hz, self.device.default_rate_hz):
            refusal = self._refusal(rate_hz)
            if refusal is None:
                return int(rate_hz)
        raise SoundError(
            f"the input device {self.device.name!r} opens neither at {wanted_hz} Hz nor at its own "
            f"{self.device.default_rate_hz} Hz: {refusal}",
            remedy="close other programs that use it, or choose another: rtstrf devices",
        )

    def _refusal(self, rate_hz: int) -> str | None:
        """Return why the device cannot be opened at that rate, None where it can."""
        try:
            self._sounddevice.check_input_settings(
                device=self.device.index, channels=self._channels, dtype="float32", samplerate=rate_hz
            )
        except (self._sounddevice.PortAudioError, ValueError) as error:
            return str(error)
        return None


def _callback_into(ring: CaptureRing, rate_hz: int) -> Any:
    """Return PortAudio's callback, which copies into the ring and does nothing else."""
    ns_per_frame = _NS_PER_S / rate_hz
    clock = time.monotonic_ns

    def callback(frames: np.ndarray, count: int, times: Any, status: Any) -> None:
        arrived_ns = clock()
        age_ns = (times.currentTime - times.inputBufferAdcTime) * _NS_PER_S  # of the first sample
        length_ns = count * ns_per_frame
        # Some drivers give 0 or nonsense: then the last sample was captured as the block came.
        known = times.inputBufferAdcTime > 0 and length_ns <= age_ns < length_ns + OLDEST_NS
        end_ns = arrived_ns - int(age_ns - length_ns) if known else arrived_ns
        ring.write(frames, end_ns, arrived_ns, _OVERFLOW if status.input_overflow else _NOT_OVERFLOW)

    return callback

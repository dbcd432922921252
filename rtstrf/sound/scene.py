"""A built-in scene of 20 s in six acts: rain, birds, footsteps, a voice, rustling leaves, and all of them.

Synthesised, no recording, so that it may be shipped and is the same everywhere. Each act ends in silence: what a
population does when a sound stops is half of what there is to see.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtstrf.sound.level import db_spl_to_pa
from rtstrf.sound.paged import SyntheticSource

RATE_HZ = 48000
DURATION_S = 20.0
_SEED = 1959

# (start in seconds, name); the last one is silence to the end
ACTS = (
    (0.5, "rain"),
    (4.0, "birds"),
    (8.0, "footsteps"),
    (11.0, "voice"),
    (15.0, "leaves"),
    (17.4, "all"),
    (19.3, "silence"),
)


class SceneSource(SyntheticSource):
    """The built-in scene, 20 s at 48 kHz, 62 to 72 dB SPL while it sounds.

    Parameters
    ----------
    loop : bool
        Begin again at the end, for ever.

    Examples
    --------
    >>> with SceneSource() as scene:
    ...     scene.info.total_samples, scene.read(48000).samples.shape
    (960000, (48000,))
    """

    def __init__(self, *, loop: bool = False) -> None:
        acts: dict[str, object] = {name: start_s for start_s, name in ACTS}
        duration_s = None if loop else DURATION_S
        super().__init__("scene", "built-in scene", RATE_HZ, duration_s, {"loop": loop, "acts_s": acts})
        self._scene: np.ndarray | None = None

    def open(self) -> None:
        super().open()
        if self._scene is None:
            self._scene = render()

    def pressure_pa(self, index: np.ndarray) -> np.ndarray:
        assert self._scene is not None  # rendered by `open`, and `read` asks for that
        return self._scene[index % len(self._scene)]


def render() -> np.ndarray:
    """Return the scene, shape (960000,), float32, pascals."""
    scene = np.zeros(round(DURATION_S * RATE_HZ))
    for number, (start_s, name) in enumerate(ACTS[:-1]):
        act = _PLAYERS[name](np.random.default_rng([_SEED, number]))
        _add(scene, start_s, act)
    return scene.astype(np.float32)


# ---- the acts: each returns its own sound in pascals, from its start to its last sound ----------------------------


def _rain(rng: np.random.Generator) -> np.ndarray:
    """A shower that swells for 2.5 s, drops on leaves in front of it, and stops at once."""
    length_s = 2.9
    t = _time(length_s)
    bed = _noise(rng, length_s, low_hz=400, high_hz=18000, slope_db_per_octave=-3.5)
    slow = 1.0 + 0.35 * _noise(rng, length_s, low_hz=0.6, high_hz=5, slope_db_per_octave=0)
    bed *= np.clip(slow, 0.2, None) * (0.06 + 0.94 * np.clip(t / 2.5, 0, 1) ** 2)
    drops = np.zeros_like(bed)
    for onset_s in np.sort(length_s * rng.random(140) ** 0.7):
        pitch_hz, decay_s = np.exp(rng.uniform(np.log(1500), np.log(12000))), rng.uniform(0.002, 0.007)
        dt = _time(min(0.05, length_s - onset_s))
        drop = np.exp(-dt / decay_s) * np.sin(2 * np.pi * pitch_hz * (dt + 4.0 * dt**2))
        _add(drops, onset_s, rng.exponential(0.6) * drop)
    return _fade(_at_level(bed + 2.0 * drops, 67.0), rise_s=0.02, fall_s=0.002)


def _birds(rng: np.random.Generator) -> np.ndarray:
    """Whistles that glide, a trill, falling chirps with harmonics, and two birds that answer each other."""
    act = np.zeros(round(3.6 * RATE_HZ))
    for onset_s, contour_hz, length_s, gain in (
        (0.00, (2600, 3900, 3700), 0.45, 0.8),
        (0.55, (3900, 2500), 0.30, 0.8),
        (2.95, (2100, 4800, 3000), 0.50, 0.9),
    ):
        _add(act, onset_s, gain * _whistle(contour_hz, length_s, partials=(1.0, 0.25, 0.08)))
    for beat in range(10):  # a trill, rising step by step
        pitch_hz = 5200 * 1.035**beat
        _add(act, 1.0 + 0.062 * beat, 0.7 * _whistle((pitch_hz * 1.25, pitch_hz * 0.85), 0.04, partials=(1.0, 0.15)))
    for call in range(4):
        top_hz = rng.uniform(8500, 11000)
        falling = _whistle((top_hz, 0.5 * top_hz, 0.33 * top_hz), 0.11, partials=(1.0, 0.5))
        _add(act, 1.75 + 0.27 * call, 0.8 * falling)
        warble = _whistle((3000, 3200, 3000), 0.1, partials=(1.0, 0.5, 0.35, 0.2), vibrato_hz=55, vibrato_depth=0.10)
        _add(act, 1.89 + 0.27 * call, 0.6 * warble)
    return _at_level(act, 66.0)


def _footsteps(rng: np.random.Generator) -> np.ndarray:
    """Six steps on gravel that come nearer, then three knocks on wood."""
    act = np.zeros(round(2.75 * RATE_HZ))
    for step in range(6):
        near = 0.35 + 0.13 * step
        heel = _noise(rng, 0.09, 300, 4000, -5) * np.exp(-_time(0.09) / 0.012)
        gravel = _noise(rng, 0.16, 1500, 16000, -2) * np.exp(-_time(0.16) / 0.04)
        gravel *= np.clip(_noise(rng, 0.16, 20, 220, 0), 0, None)  # grains
        _add(act, 0.29 * step, near * 1.6 * heel)
        _add(act, 0.29 * step + 0.045, near * 0.8 * gravel)
    for knock in range(3):
        dt = _time(0.25)
        modes = zip((430, 780, 1290, 2150, 3400, 5200), (1.0, 0.9, 0.7, 0.5, 0.35, 0.2), strict=True)
        wood = np.zeros_like(dt)
        for pitch_hz, gain in modes:
            wood += gain * np.exp(-dt * pitch_hz / 22) * np.sin(2 * np.pi * pitch_hz * dt)
        wood[:144] += _noise(rng, 0.003, 1000, 20000, 0) * 0.7
        _add(act, 1.9 + 0.25 * knock, 2.0 * wood)
    return _at_level(act, 68.0)


# formant frequencies, hertz, of a small speaker's vowels
_VOWELS = {
    "a": (950, 1500, 3000, 4200, 5400),
    "e": (600, 2350, 3050, 4300, 5500),
    "i": (420, 2850, 3500, 4500, 5600),
    "o": (600, 1050, 2950, 4100, 5300),
    "u": (450, 950, 2800, 4100, 5300),
}


def _voice(rng: np.random.Generator) -> np.ndarray:
    """Syllables of a high voice: gliding pitch and formants, fricatives and bursts before and after."""
    act = np.zeros(round(3.6 * RATE_HZ))
    for onset_s, vowels, length_s, contour_hz in (
        (0.16, "ai", 0.48, (240, 330, 300)),
        (0.86, "oa", 0.40, (330, 260)),
        (1.42, "ie", 0.32, (280, 380, 340)),
        (1.86, "ua", 0.44, (300, 420, 240)),
        (2.62, "aeiou", 0.95, (260, 440, 400, 210)),
    ):
        _add(act, onset_s, _voiced(vowels, length_s, contour_hz))
    for onset_s, low_hz, high_hz, length_s, gain in (
        (0.02, 5000, 14000, 0.13, 0.28),  # s
        (0.74, 2200, 8000, 0.11, 0.26),  # sh
        (2.46, 6000, 16000, 0.15, 0.28),  # s
    ):
        hiss = _noise(rng, length_s, low_hz, high_hz, 0) * np.sin(np.pi * _time(length_s) / length_s) ** 0.5
        _add(act, onset_s, gain * hiss)
    for onset_s, low_hz, high_hz in ((1.385, 2000, 9000), (1.83, 700, 4000)):  # t, p
        _add(act, onset_s, 0.8 * _noise(rng, 0.03, low_hz, high_hz, 0) * np.exp(-_time(0.03) / 0.006))
    return _at_level(act, 69.0)


def _leaves(rng: np.random.Generator) -> np.ndarray:
    """Rustling at 4, 8, 16 and 32 Hz, each band higher than the last, cut off sharply."""
    act = np.zeros(round(2.05 * RATE_HZ))
    for number, modulation_hz in enumerate((4, 8, 16, 32)):
        length_s = 0.5
        dt = _time(length_s)
        carrier = _noise(rng, length_s, 700 * 1.8**number, 4500 * 1.6**number, -3)
        depth = (0.5 - 0.5 * np.cos(2 * np.pi * modulation_hz * dt)) ** 1.5
        _add(act, 0.51 * number, _fade(carrier * depth, 0.003, 0.003))
    return _at_level(act, 66.0)


def _all(rng: np.random.Generator) -> np.ndarray:
    """Wind, chirps and a chord of voices in one crescendo, and a hard stop."""
    length_s = 1.55
    t = _time(length_s)
    act = 0.5 * _at_level(_noise(rng, length_s, 500, 20000, -3), 66.0)
    for contour_hz in ((250, 380), (312, 475), (375, 570)):
        _add(act, 0.15, 0.6 * _at_level(_voiced("ua", length_s - 0.15, contour_hz, fall_s=0.002), 66.0))
    for call in range(9):
        pitch_hz = rng.uniform(3500, 9500)
        chirp = _whistle((pitch_hz, pitch_hz * rng.uniform(0.6, 1.6)), 0.09, partials=(1.0, 0.3))
        _add(act, 0.1 + 0.15 * call, 0.14 * chirp)
    return _fade(_at_level(act * (0.12 + 0.88 * (t / length_s) ** 1.5), 70.0), 0.005, 0.001)


_PLAYERS = {"rain": _rain, "birds": _birds, "footsteps": _footsteps, "voice": _voice, "leaves": _leaves, "all": _all}


# ---- the instruments ----------------------------------------------------------------------------------------------


def _time(length_s: float) -> np.ndarray:
    return np.arange(round(length_s * RATE_HZ)) / RATE_HZ


def _noise(
    rng: np.random.Generator, length_s: float, low_hz: float, high_hz: float, slope_db_per_octave: float
) -> np.ndarray:
    """Gaussian noise of RMS 1 between two frequencies, with a sloping spectrum."""
    white = rng.standard_normal(round(length_s * RATE_HZ))
    frequency_hz = np.fft.rfftfreq(len(white), 1 / RATE_HZ)
    octaves = np.log2(np.maximum(frequency_hz, low_hz / 4) / low_hz)
    edges = 1 / (1 + (low_hz / np.maximum(frequency_hz, 1e-3)) ** 8) / (1 + (frequency_hz / high_hz) ** 12)
    noise = np.fft.irfft(np.fft.rfft(white) * 10 ** (slope_db_per_octave * octaves / 20) * np.sqrt(edges), len(white))
    return noise / np.sqrt(np.mean(noise**2))


def _contour(points: Sequence[float], t: np.ndarray) -> np.ndarray:
    """A smooth line in log frequency through equally spaced points."""
    place = np.linspace(0, len(points) - 1, len(t))
    index = np.minimum(place.astype(int), len(points) - 2)
    blend = 0.5 - 0.5 * np.cos(np.pi * (place - index))
    log_points = np.log(np.asarray(points, dtype=np.float64))
    return np.exp(log_points[index] * (1 - blend) + log_points[index + 1] * blend)


def _whistle(
    contour_hz: Sequence[float],
    length_s: float,
    *,
    partials: Sequence[float],
    vibrato_hz: float = 0.0,
    vibrato_depth: float = 0.0,
) -> np.ndarray:
    """A gliding tone with harmonics below 20 kHz, swelling and fading."""
    t = _time(length_s)
    frequency_hz = _contour(contour_hz, t) * (1 + vibrato_depth * np.sin(2 * np.pi * vibrato_hz * t))
    cycles = np.cumsum(frequency_hz) / RATE_HZ
    tone = np.zeros_like(t)
    for order, gain in enumerate(partials, start=1):
        tone += gain * (order * frequency_hz < 20000) * np.sin(2 * np.pi * (order * cycles % 1.0))
    return tone * np.sin(np.pi * t / length_s) ** 0.7


def _voiced(vowels: str, length_s: float, contour_hz: Sequence[float], fall_s: float = 0.05) -> np.ndarray:
    """Harmonics of a gliding pitch, weighed by formants that move from vowel to vowel."""
    t = _time(length_s)
    pitch_hz = _contour(contour_hz, t) * (1 + 0.012 * np.sin(2 * np.pi * 5.5 * t))
    cycles = np.cumsum(pitch_hz) / RATE_HZ
    tracks = [_contour([_VOWELS[vowel][number] for vowel in vowels], t) for number in range(5)]
    sound = np.zeros_like(t)
    for order in range(1, 1 + int(12000 / max(contour_hz))):
        frequency_hz = order * pitch_hz
        gain = np.zeros_like(t)
        for number, formant_hz in enumerate(tracks):
            width_hz = 70 + 0.06 * formant_hz
            gain += 0.8**number / (1 + ((frequency_hz - formant_hz) / width_hz) ** 2)
        sound += gain * (300 / frequency_hz) ** 0.3 * np.sin(2 * np.pi * (order * cycles % 1.0))
    return _fade(sound, 0.03, fall_s)


def _fade(sound: np.ndarray, rise_s: float, fall_s: float) -> np.ndarray:
    """Raised-cosine edges."""
    t, end_s = _time(len(sound) / RATE_HZ), len(sound) / RATE_HZ
    rise = np.sin(0.5 * np.pi * np.clip(t / rise_s, 0, 1)) ** 2
    return sound * rise * np.sin(0.5 * np.pi * np.clip((end_s - t) / fall_s, 0, 1)) ** 2


def _at_level(sound: np.ndarray, level_db_spl: float) -> np.ndarray:
    """Scale to an RMS level over the parts, in steps of 10 ms, that are not silent."""
    blocks = sound[: len(sound) // 480 * 480].reshape(-1, 480)
    mean_square = np.mean(blocks**2, axis=1)
    sounding = mean_square[mean_square > 1e-4 * mean_square.max()]
    return sound * (db_spl_to_pa(level_db_spl) / np.sqrt(np.mean(sounding)))


def _add(into: np.ndarray, start_s: float, sound: np.ndarray) -> None:
    """Mix a sound in place; what would reach past the end is left out."""
    start = round(start_s * RATE_HZ)
    end = min(len(into), start + len(sound))
    into[start:end] += sound[: end - start]

"""Pascals and dB SPL.

One convention everywhere: 94 dB SPL is 1 Pa exactly, as calibrators and the NS1 recordings have it, so
p = 10 ** ((L - 94) / 20). (By the definition, 20 micropascals are 0 dB SPL, which puts 1 Pa at 93.98 dB; the
difference of 0.02 dB is below what any sound calibrator resolves.)
"""

from __future__ import annotations

import math

import numpy as np

from rtstrf.errors import ConfigError

ONE_PASCAL_DB_SPL = 94.0
LEAST_DB_SPL, GREATEST_DB_SPL = -100.0, 300.0  # further than any sound, and any calibration of a sound card


def db_spl_to_pa(level_db_spl: float, name: str = "level_db_spl") -> float:
    """Return the RMS pressure in pascals of a level in dB SPL.

    Parameters
    ----------
    level_db_spl : float
        From -100 to 300.
    name : str, optional
        What the user calls it, for the error.

    Raises
    ------
    ConfigError
        If it is no level of a sound: NaN, or out of range.

    Examples
    --------
    >>> db_spl_to_pa(94.0)
    1.0
    >>> round(db_spl_to_pa(80.0), 4)
    0.1995
    """
    if not LEAST_DB_SPL <= level_db_spl <= GREATEST_DB_SPL:
        raise ConfigError(
            f"{name} is {level_db_spl:g}", remedy=f"give dB SPL from {LEAST_DB_SPL:g} to {GREATEST_DB_SPL:g}"
        )
    return float(10.0 ** ((level_db_spl - ONE_PASCAL_DB_SPL) / 20.0))


def pa_to_db_spl(pressure_pa: float, floor_db_spl: float = -math.inf) -> float:
    """Return the level in dB SPL of an RMS pressure, not below the floor; silence is the floor.

    Examples
    --------
    >>> pa_to_db_spl(1.0)
    94.0
    >>> pa_to_db_spl(0.0, floor_db_spl=0.0)
    0.0
    """
    if pressure_pa <= 0.0:
        return floor_db_spl
    return max(floor_db_spl, 20.0 * math.log10(pressure_pa) + ONE_PASCAL_DB_SPL)


class LevelMeter:
    """The level of each hop in dB SPL, from samples no later than its own.

    Parameters
    ----------
    floor_db_spl : float
        Reported for silence and anything quieter.
    time_constant_hops : float
        Exponential averaging of the mean square over past hops, in hops; 0 gives each hop its own RMS. The "fast"
        weighting of sound level meters, 125 ms, is 25 hops of 5 ms.

    Notes
    -----
    State: one mean square, taken from the first hop at the start. Delay: none beyond the hop.

    Examples
    --------
    >>> meter = LevelMeter()
    >>> meter.push(np.array([[1.0, -1.0], [0.0, 0.0]], dtype=np.float32)).tolist()
    [94.0, 0.0]
    """

    def __init__(self, *, floor_db_spl: float = 0.0, time_constant_hops: float = 0.0) -> None:
        self.floor_db_spl = floor_db_spl
        self._keep = math.exp(-1.0 / time_constant_hops) if time_constant_hops > 0 else 0.0
        self._mean_square: float | None = None

    def push(self, hops: np.ndarray) -> np.ndarray:
        """Return the level of each hop.

        Parameters
        ----------
        hops : ndarray, shape (k, hop_samples), pascals
            k >= 0, as `rtstrf.framing.Framer` gives them.

        Returns
        -------
        level_db_spl : ndarray, shape (k,), float64
        """
        levels = np.empty(len(hops))
        for index, hop in enumerate(np.asarray(hops, dtype=np.float64)):
            own = float(np.dot(hop, hop)) / len(hop)
            past = own if self._mean_square is None else self._mean_square
            self._mean_square = self._keep * past + (1.0 - self._keep) * own
            levels[index] = pa_to_db_spl(math.sqrt(self._mean_square), self.floor_db_spl)
        return levels

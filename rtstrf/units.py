"""Bins, hops and rates: the few conversions that must be the same everywhere."""

from __future__ import annotations

from fractions import Fraction

from rtstrf.errors import ConfigError


def hop_samples(rate_hz: float, bin_ms: float) -> int:
    """Return the samples of one bin, which must be a whole number.

    Parameters
    ----------
    rate_hz : float
        Sample rate.
    bin_ms : float
        Bin width in milliseconds.

    Raises
    ------
    ConfigError
        If the bin is not a whole number of samples; the message names the nearest rates at which it is. (deepSTRF
        rounds instead, and so drifts: at 44.1 kHz by 136 ms a minute.)

    Examples
    --------
    >>> hop_samples(48000, 5.0)
    240
    """
    exact = Fraction(rate_hz).limit_denominator(1000) * Fraction(bin_ms).limit_denominator(10**6) / 1000
    if exact.denominator == 1 and exact >= 1:
        return int(exact)
    step = (1000 / Fraction(bin_ms).limit_denominator(10**6)).numerator
    below = int(rate_hz // step * step)
    near = [rate for rate in (below, below + step, 48000) if rate > 0 and hop_is_whole(rate, bin_ms)]
    raise ConfigError(
        f"a bin of {bin_ms:g} ms at {rate_hz:g} Hz is {float(exact):g} samples, not a whole number",
        remedy=f"resample to one of {', '.join(f'{rate} Hz' for rate in dict.fromkeys(near))}, or change the bin width",
    )


def hop_is_whole(rate_hz: float, bin_ms: float) -> bool:
    """Tell whether a bin is a whole number of samples."""
    exact = Fraction(rate_hz).limit_denominator(1000) * Fraction(bin_ms).limit_denominator(10**6) / 1000
    return exact.denominator == 1 and exact >= 1


def bin_end_s(bin_index: int, hop: int, rate_hz: float) -> float:
    """Return the end of a bin in seconds of sound, from the sample count (never by adding up bins)."""
    return (bin_index + 1) * hop / rate_hz

"""From a model's own units to firing rates in hertz.

A model predicts what it was fitted to: spikes in a bin, often smoothed. What leaves the simulator is always in Hz, by
one factor that every checkpoint carries:

    rate_hz = response * hz_per_response,   hz_per_response = 1 / (kernel_sum * bin_s)

where `kernel_sum` is what the smoothing kernel adds up to. The raw 5-tap Hanning window [0, .5, 1, .5, 0], which the
field uses for NS1, adds up to 2, so a response of 1 is 100 Hz at a bin of 5 ms, not 200.
"""

from __future__ import annotations

from rtstrf.errors import ConfigError


def hz_per_response(bin_ms: float, kernel_sum: float = 1.0) -> float:
    """Return the firing rate of a response of 1.

    Parameters
    ----------
    bin_ms : float
        Bin width.
    kernel_sum : float
        Sum of the smoothing kernel's taps; 1 for plain counts.

    Examples
    --------
    >>> hz_per_response(5.0, 2.0)
    100.0
    """
    if bin_ms <= 0 or kernel_sum <= 0:
        raise ConfigError(
            f"a bin of {bin_ms:g} ms and a kernel that sums to {kernel_sum:g}", remedy="both must be positive"
        )
    return 1000.0 / (bin_ms * kernel_sum)

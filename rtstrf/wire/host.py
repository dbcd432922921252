"""What the wire says of the machine and the process it runs in."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path


def machine_id() -> str:
    """Return a name for this machine since it booted: two programs that share it share a monotonic clock.

    Returns
    -------
    machine : str
        A hash, so that nothing of the machine is given away.

    Examples
    --------
    >>> machine_id() == machine_id()
    True
    """
    try:
        seed = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux: the host's name is the best that costs nothing
        seed = platform.node()
    return hashlib.sha256(f"rtstrf {seed}".encode()).hexdigest()[:16]


def resident_memory_bytes() -> int | None:
    """Return the physical memory of this process: now on Linux, the most so far on other Unix systems, else None.

    Examples
    --------
    >>> memory = resident_memory_bytes()
    >>> memory is None or memory > 1_000_000
    True
    """
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

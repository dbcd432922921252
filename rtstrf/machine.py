"""The machine a figure was measured on: a latency or a rounding error means little without it."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rtstrf.version import __version__


def machine_facts(device: str = "cpu") -> dict[str, Any]:
    """Return what figures depend on: processor, cores, system, and the versions of what computes.

    Parameters
    ----------
    device : str
        Where the model runs; an accelerator is named too.

    Returns
    -------
    facts : dict
        JSON-serialisable.

    Examples
    --------
    >>> facts = machine_facts()
    >>> facts["cores_usable"] >= 1, facts["torch"] == torch.__version__
    (True, True)
    """
    return {
        "cpu_model": cpu_model(),
        "architecture": platform.machine(),
        "cores_usable": cores_usable(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "rtstrf": __version__,
        "device": device,
        "device_name": torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_model(),
        "torch_threads": torch.get_num_threads(),
    }


def cpu_model() -> str:
    """Return the processor's name, or its architecture where the system does not tell."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def cores_usable() -> int:
    """Return the cores this process may run on."""
    try:
        return len(os.sched_getaffinity(0))  # not os.cpu_count(): a container or taskset may allow fewer
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def arithmetic_id() -> str:
    """Return a short name for what decides how sums are rounded: processor, architecture and torch.

    Examples
    --------
    >>> len(arithmetic_id()), arithmetic_id() == arithmetic_id()
    (12, True)
    """
    parts = (
        cpu_model(),
        platform.machine(),
        platform.system(),
        torch.__version__,
        torch.backends.cpu.get_cpu_capability(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

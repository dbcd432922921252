"""What all tests share: one torch thread, so that runs side by side do not crowd one another out; and no clock."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# How long an example takes is the machine's affair: the gate runs these tests beside a soak, and gives way to it.
settings.register_profile("rtstrf", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rtstrf")

"""What all tests share: one torch thread, so that runs side by side do not crowd one another out."""

from __future__ import annotations

import torch

torch.set_num_threads(1)

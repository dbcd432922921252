"""What follows from weights alone, computed once and kept while the weights stay as they are.

A recurrence often needs more of its weights than the weights themselves: a matrix exponential, a discretisation, a
power. Computing it for every hop would cost more than the hop. It is no state: nothing of the sound is in it, two
streams share it, and throwing it away changes no number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Derived:
    """Keep the result of a function of a module's own parameters and buffers until one of them changes.

    Parameters
    ----------
    compute : callable
        Takes the module that has this as an attribute, returns tensors in any arrangement.

    Notes
    -----
    While gradients are recorded for a weight the result is computed afresh, as part of the graph. Otherwise it is
    kept, and known to be stale by the address and the version counter of each weight, which every assignment, load,
    optimiser step and change of dtype or device moves.

    Examples
    --------
    >>> layer = nn.Linear(2, 2, bias=False).requires_grad_(False)
    >>> doubled = Derived(lambda module: 2 * module.weight)
    >>> doubled(layer) is doubled(layer)
    True
    >>> before = doubled(layer)
    >>> _ = layer.weight.fill_(1.0)
    >>> doubled(layer) is before
    False
    """

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self._compute = compute
        self._kept: tuple[Any, Any] | None = None
        self._fixed: Any = None

    def __call__(self, module: nn.Module) -> Any:
        """Return the result for the module's weights as they are now."""
        if self._fixed is not None:
            return self._fixed
        weights = [*module.parameters(), *module.buffers()]
        if torch.is_grad_enabled() and any(weight.requires_grad for weight in weights):
            return self._compute(module)
        if any(weight.is_inference() for weight in weights):  # these carry no version to watch
            return self._compute(module)
        seen = [(weight.data_ptr(), weight._version, weight.dtype, weight.device) for weight in weights]
        if self._kept is None or self._kept[0] != seen:
            # Not an inference tensor, whatever the caller is in: what is kept may meet a recording call later.
            with torch.inference_mode(False), torch.no_grad():
                self._kept = (seen, self._compute(module))
        return self._kept[1]

    def __deepcopy__(self, memo: dict[int, Any]) -> Derived:
        return Derived(self._compute)  # of another module: the addresses would not match

    def fix(self, module: nn.Module) -> None:
        """Compute the result for good: from now on nobody looks whether a weight has changed."""
        with torch.inference_mode(False), torch.no_grad():
            self._fixed = self._compute(module)

    def __getstate__(self) -> dict[str, Any]:
        return {"_compute": self._compute, "_kept": None, "_fixed": None}


def fix_derived(module: nn.Module) -> None:
    """Compute all that follows from a module's weights, for good: only where nothing will change them any more."""
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, Derived):
                value.fix(part)

"""From hidden units to neurons: a linear readout and its activation."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from rtstrf.models.activations import ParametricSoftplus
from rtstrf.stream import Stateless, StreamModule


class LinearReadout(Stateless):
    """Each neuron is a weighted sum of the hidden units, through an activation.

    Parameters
    ----------
    hidden : int
        Hidden units H.
    units : int
        Neurons N.
    activation : nn.Module
        Applied to (B, N, T).
    layer : int, optional
        Units of a further layer in between, through a leaky rectifier of slope 0.1; none by default.

    Notes
    -----
    Input (B, H, T), output (B, N, T), in the units of the responses the model was fitted to. No state, no delay.
    Weights ``fc.weight`` (N, H), ``fc.bias`` (N,), ``activation.*``; with a further layer ``fc.0.*`` and ``fc.2.*``.

    Examples
    --------
    >>> import torch
    >>> LinearReadout(8, 3, ParametricSoftplus(3))(torch.zeros(1, 8, 2)).shape
    torch.Size([1, 3, 2])
    """

    def __init__(self, hidden: int, units: int, activation: nn.Module, *, layer: int | None = None) -> None:
        super().__init__()
        self.hidden = hidden
        self.fc: nn.Module
        if layer is None:
            self.fc = nn.Linear(hidden, units)
        else:
            self.fc = nn.Sequential(nn.Linear(hidden, layer), nn.LeakyReLU(0.1), nn.Linear(layer, units))
        self.activation = activation

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "softplus": lambda: cls(6, 4, ParametricSoftplus(4)),
            "identity": lambda: cls(6, 4, nn.Identity()),
            "two-layers": lambda: cls(6, 4, nn.Identity(), layer=5),
        }

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.hidden, frames)

    def apply_frames(self, x: Tensor) -> Tensor:
        return self.activation(self.fc(x.transpose(1, 2)).transpose(1, 2))  # (B, H, T) -> (B, N, T)

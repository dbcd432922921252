"""From a spectrogram to the tokens of a Transformer: one vector for each frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rtstrf.errors import ConfigError
from rtstrf.stream import State, StreamModule


class PatchEmbedding(StreamModule):
    """Cut each frame's near past into patches of bands, and embed every patch alike.

    token[e F_p + p] = b[e] + sum_{c, f, k} W[e, c, f, k] x[c, p K_F + f, t - (K_T - 1) + k], over the F_p = F / K_F
    patches p.

    Parameters
    ----------
    channels_in, bands : int
        Channels C and bands F of the spectrogram.
    embedding_dim : int
        Numbers E for each patch.
    freq_patch_size : int
        Bands K_F of a patch; a divisor of F.
    time_patch_size : int
        Frames K_T of a patch, the current one last.

    Notes
    -----
    Input (B, C, F, T), output (B, E F_p, T), embedding-major. State: ``past``, the last K_T - 1 frames, zeros at the
    start. No delay. Weights ``weight`` (E, C, K_F, K_T), ``bias`` (E,).

    Source: Dosovitskiy et al. 2021, arXiv 10.48550/arXiv.2010.11929 (patches), as deepSTRF 0.1.0 applies it to sound.

    Raises
    ------
    ConfigError
        If the patches do not tile the bands, or have no frame.

    Examples
    --------
    >>> PatchEmbedding(1, 34, 6, freq_patch_size=17, time_patch_size=3)(torch.zeros(2, 1, 34, 5)).shape
    torch.Size([2, 12, 5])
    """

    def __init__(
        self, channels_in: int, bands: int, embedding_dim: int, *, freq_patch_size: int, time_patch_size: int
    ) -> None:
        super().__init__()
        if freq_patch_size < 1 or bands % freq_patch_size:
            divisors = [str(n) for n in range(1, bands + 1) if bands % n == 0]
            raise ConfigError(
                f"patches of {freq_patch_size} bands do not tile {bands} bands",
                remedy=f"choose freq_patch_size from {', '.join(divisors)}",
            )
        if time_patch_size < 1:
            raise ConfigError(f"patches of {time_patch_size} frames", remedy="make time_patch_size at least 1")
        self.patches = bands // freq_patch_size
        shape = (embedding_dim, channels_in, freq_patch_size, time_patch_size)
        bound = (channels_in * freq_patch_size * time_patch_size) ** -0.5
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(embedding_dim).uniform_(-bound, bound))

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "whole-frame": lambda: cls(1, 6, 4, freq_patch_size=6, time_patch_size=1),
            "patches-onoff": lambda: cls(2, 6, 3, freq_patch_size=2, time_patch_size=3),
        }

    @property
    def tokens(self) -> int:
        """Length E F_p of a frame's token."""
        return self.bias.shape[0] * self.patches

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.weight.shape[1], self.patches * self.weight.shape[2], frames)

    def initial_state(self, streams: int) -> State:
        shape = self.input_shape(streams, self.weight.shape[3] - 1)
        return {"past": self.weight.new_zeros(shape)}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        frames = x.shape[-1]
        _, _, per_patch, per_token = self.weight.shape
        joined = torch.cat([state["past"], x], dim=-1)  # (B, C, F, K_T - 1 + T)
        patches = joined.unfold(2, per_patch, per_patch).unfold(3, per_token, 1)  # -> (B, C, F_p, T, K_F, K_T)
        rows = patches.permute(0, 3, 2, 1, 4, 5).flatten(3)  # -> (B, T, F_p, C K_F K_T)
        tokens = linear(rows, self.weight.flatten(1), self.bias)  # (B, T, F_p, E)
        return tokens.permute(0, 3, 2, 1).flatten(1, 2).contiguous(), {"past": joined[..., frames:].clone()}

"""Self-attention over the last W frames, with the keys and values of the past kept instead of computed again."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear

from rtstrf.errors import ConfigError
from rtstrf.stream import State, StreamModule

# Scores that one block of queries may have, per head: bounds the memory of long sounds and wide windows.
BLOCK_SCORES = 2**21
FEWEST_QUERIES = 128


def banded_attention(q: Tensor, k: Tensor, v: Tensor, missing: Tensor) -> Tensor:
    """Return what each query reads from its own frame and the W - 1 before it.

    Parameters
    ----------
    q : Tensor, shape (B, h, T, d)
        Queries, already scaled.
    k, v : Tensor, shape (B, h, W - 1 + T, d)
        Keys and values: the past, then the frames of the queries.
    missing : Tensor, shape (B,), int64
        How many of the first entries stand for frames before the start, and are not there.

    Returns
    -------
    y : Tensor, shape (B, h, T, d)

    Notes
    -----
    A block of queries shares one product with all the keys that any of them sees. A key outside a query's window gets
    weight zero there, which would still let a NaN through; so spoiled entries are set aside first, and their NaN is
    given to exactly those queries that do see them.
    """
    frames, window = q.shape[2], k.shape[2] - q.shape[2] + 1
    index = torch.arange(k.shape[2], device=q.device)
    there = (index >= missing.unsqueeze(-1))[:, None, None]  # (B, 1, 1, S)
    if frames == 1:  # sees every entry: nothing to set aside
        return _read(q, k, v, there)
    fine = k.isfinite().all(-1) & v.isfinite().all(-1)  # (B, h, S)
    k, v = (torch.where(fine.unsqueeze(-1), part, 0) for part in (k, v))
    spoiled = torch.cumsum(~fine & there.squeeze(2), dim=-1)  # up to and with each entry
    before = torch.cat([torch.zeros_like(spoiled[..., :1]), spoiled[..., : frames - 1]], dim=-1)
    clean = (spoiled[..., window - 1 :] == before).unsqueeze(-1)  # (B, h, T, 1): none in the window
    queries = min(max(window, FEWEST_QUERIES), max(1, BLOCK_SCORES // window))
    blocks = []
    for first in range(0, frames, queries):
        asking = q[:, :, first : first + queries]
        seen = slice(first, first + asking.shape[2] + window - 1)
        behind = index[seen] - index[first : first + asking.shape[2], None]  # (n, s): entry W - 1 is the query's own
        allowed = (behind >= 0) & (behind < window) & there[..., seen]  # -> (B, 1, n, s)
        blocks.append(_read(asking, k[:, :, seen], v[:, :, seen], allowed))
    return torch.where(clean, torch.cat(blocks, dim=2), torch.nan)


def _read(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
    scores = (q @ k.transpose(-1, -2)).masked_fill(~allowed, -torch.inf)
    return scores.softmax(dim=-1) @ v


class SelfAttention(nn.Module):
    """The weights of multi-head attention, named as in ``torch.nn.MultiheadAttention``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * width, width)))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.zeros_(self.out_proj.bias)

    def step(self, x: Tensor, cache: State, missing: Tensor) -> tuple[Tensor, State]:
        """Return (B, T, D) of (B, T, D), and the keys and values to keep."""
        split = linear(x, self.in_proj_weight, self.in_proj_bias).unflatten(-1, (3, self.heads, -1))
        q, k, v = split.permute(2, 0, 3, 1, 4)  # (B, T, 3, h, d) -> 3 x (B, h, T, d)
        k, v = torch.cat([cache["k"], k], dim=2), torch.cat([cache["v"], v], dim=2)  # (B, h, W - 1 + T, d)
        read = banded_attention(q * q.shape[-1] ** -0.5, k, v, missing)
        y = self.out_proj(read.transpose(1, 2).flatten(2))  # (B, h, T, d) -> (B, T, D)
        frames = x.shape[1]
        return y, {"k": k[:, :, frames:].clone(), "v": v[:, :, frames:].clone()}


class EncoderLayer(nn.Module):
    """One layer, named as in ``torch.nn.TransformerEncoderLayer``: norms after each sum, ReLU, four times as wide."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(width, heads)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def step(self, x: Tensor, cache: State, missing: Tensor) -> tuple[Tensor, State]:
        """Return (B, T, D) of (B, T, D), and the keys and values to keep."""
        read, cache = self.self_attn.step(x, cache, missing)
        x = self._normed(x + read, self.norm1)
        return self._normed(x + self.linear2(torch.relu(self.linear1(x))), self.norm2), cache

    @staticmethod
    def _normed(x: Tensor, norm: nn.LayerNorm) -> Tensor:
        return layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)


class CausalEncoder(StreamModule):
    """A stack of Transformer layers in which each frame sees itself and the W - 1 frames before it.

    y = LN(x + attention(x)), z = LN(y + W_2 relu(W_1 y + b_1) + b_2), in each layer.

    Parameters
    ----------
    width : int
        Length D of a token.
    heads : int
        Heads; a divisor of D.
    layers : int
        Layers; at least 1.
    window_frames : int
        Frames W that a frame sees in a layer, itself included. Through n layers it depends on n (W - 1) + 1 frames.

    Notes
    -----
    Input and output (B, D, T). State: in each layer, ``k`` and ``v`` (B, heads, W - 1, D / heads), the keys and values
    of the last W - 1 frames, newest last; ``frames`` (B,) int64, how many frames there were, so that entries from
    before the start count as absent and not as zeros. No delay. Weights as in ``torch.nn.TransformerEncoder``:
    ``layers.i.{self_attn.in_proj_weight,self_attn.in_proj_bias,self_attn.out_proj.*,linear1.*,linear2.*,norm1.*,
    norm2.*}``; no dropout.

    Source: Vaswani et al. 2017, arXiv 10.48550/arXiv.1706.03762.

    Raises
    ------
    ConfigError
        If heads do not divide the width, or there is no layer or no frame to see.

    Examples
    --------
    >>> CausalEncoder(8, heads=2, layers=1, window_frames=4)(torch.zeros(1, 8, 6)).shape
    torch.Size([1, 8, 6])
    """

    def __init__(self, width: int, *, heads: int, layers: int, window_frames: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ConfigError(
                f"{heads} heads do not divide tokens of length {width}",
                remedy="choose n_heads so that it divides embedding_dim times the number of patches",
            )
        if layers < 1 or window_frames < 1:
            raise ConfigError(
                f"{layers} layers over {window_frames} frames", remedy="give at least 1 layer and 1 frame"
            )
        self.width, self.heads, self.window = width, heads, window_frames
        self.layers = nn.ModuleList(EncoderLayer(width, heads) for _ in range(layers))

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "one-layer": lambda: cls(6, heads=1, layers=1, window_frames=5),
            "heads-and-layers": lambda: cls(8, heads=2, layers=2, window_frames=12),
            "no-past": lambda: cls(4, heads=1, layers=1, window_frames=1),
            "longer-than-the-sound": lambda: cls(4, heads=1, layers=1, window_frames=200),
        }

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.width, frames)

    def initial_state(self, streams: int) -> State:
        like = self.layers[0].norm1.weight  # type: ignore[union-attr]
        shape = (streams, self.heads, self.window - 1, self.width // self.heads)
        state: State = {
            f"layer_{i}": {"k": like.new_zeros(shape), "v": like.new_zeros(shape)}  # type: ignore[operator]
            for i in range(len(self.layers))
        }
        return {**state, "frames": torch.zeros(streams, dtype=torch.int64, device=like.device)}  # type: ignore[arg-type]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        missing = self.window - 1 - state["frames"].clamp(max=self.window - 1)
        new: State = {}
        y = x.transpose(1, 2)  # (B, D, T) -> (B, T, D)
        for i, layer in enumerate(self.layers):
            y, new[f"layer_{i}"] = layer.step(y, state[f"layer_{i}"], missing)  # type: ignore[operator]
        return y.transpose(1, 2).contiguous(), {**new, "frames": state["frames"] + x.shape[-1]}

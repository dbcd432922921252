"""What a unit listens for: its kernel where it has one, and for any model the gradient of its response.

`STRFs` writes down the kernels of models that begin with them. `STRF_gradmap` and `waveform_gradmap` ask any model how
a small change of its past would change a response: for a linear unit that is its kernel, for others a linear
approximation that holds for the sound it was asked at.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from rtstrf.errors import ConfigError, StreamError
from rtstrf.models.linear import STRFReadout
from rtstrf.models.model import AuditoryModel
from rtstrf.models.strf import CausalSTRFConv
from rtstrf.stream import Chain, StreamModule, clone, stack

WINDOW_FRAMES = 40
WINDOWS_AT_ONCE = 64
STEPS_AT_ONCE = 2**17  # of the input, over all windows: what a front-end keeps for its gradient is 100 times as much

# What `frames` may be: all that have a whole window behind them, the last, or some by index.
Frames = str | int | Sequence[int]


def STRFs(model: AuditoryModel) -> Tensor:  # noqa: N802 - the field's name for them
    """Return the kernels of a model that begins with spectro-temporal receptive fields.

    Parameters
    ----------
    model : AuditoryModel
        `Linear` and `LinearNonlinear`: one kernel a unit, the running statistics of the batch norm in it.
        `NetworkReceptiveField` and `DNet`: one kernel a hidden unit, before its layer norm.

    Returns
    -------
    kernels : Tensor, shape (N, C, F, T)
        N units, or hidden units; C channels after the prefilter (ON before OFF where the model adapts by `AdapTrans`);
        the last of the T frames is the current one. A copy, without gradient.

    Raises
    ------
    ConfigError
        If the model has no kernels of its own; the message names the function for it.

    Examples
    --------
    >>> from rtstrf.models.linear import LinearNonlinear
    >>> STRFs(LinearNonlinear(out_neurons=3)).shape
    torch.Size([3, 1, 34, 9])
    """
    stages = model.core_stages()
    first = stages.get("core", stages.get("readout"))
    if isinstance(first, Chain):
        first = next(stage for _, stage in first.stages())
    if not isinstance(first, CausalSTRFConv | STRFReadout):
        hears = "decoder" in stages  # ICNet: its spectrogram is learned, so only the sound has a meaning
        way = "waveform_gradmap(model, waveform_pa, unit)" if hears else "STRF_gradmap(model, spectrogram, unit)"
        raise ConfigError(
            f"{type(model).__name__} has no receptive fields that are written in its weights",
            remedy=f"use {way}: the gradient of a response to a sound",
        )
    with torch.no_grad():
        return first.filters()[0].detach().clone()


def STRF_gradmap(  # noqa: N802 - the field's name for it
    model: AuditoryModel,
    spectrogram: Tensor,
    unit: int,
    *,
    frames: Frames = "every",
    window_frames: int | None = None,
) -> Tensor:
    """Return the gradient of a unit's response with respect to the recent past of the spectrogram.

    G[b, 0, f, k] = the mean over the frames t of d r[b, unit, t] / d s[b, 0, f, t - (K - 1) + k].

    Parameters
    ----------
    model : AuditoryModel
        Any; it is not changed, and computes as in evaluation mode.
    spectrogram : Tensor, shape (B, 1, F, T)
        What the front-end delivers, before the prefilter; for `ICNet` the channels of its bottleneck.
    unit : int
        0 to N - 1.
    frames : {"every", "last"}, int or sequence of int
        At which frames t: every one that has K frames of past, averaged; the last; or those named, averaged.
    window_frames : int, optional
        Columns K of the map; by default 40, or T where the sound is shorter.

    Returns
    -------
    gradient : Tensor, shape (B, 1, F, K)
        Responses for a unit change of the spectrogram; the last column is the current frame.

    Notes
    -----
    Exact, adaptation and recurrence included: windows begin at the state that the sound before them left, which no
    later frame changes. Cost: one pass over the sound, and one over K frames, forth and back, for each frame asked for.
    deepSTRF's method of this name asks at a spectrogram of K zeros, at its last frame, and returns minus this.

    Raises
    ------
    ConfigError
        If there is no such unit, or a frame has less than K frames of past.
    StreamError
        If the spectrogram has not the shape that the model takes.

    Examples
    --------
    >>> from rtstrf.models.statenet import StateNet
    >>> STRF_gradmap(StateNet(out_neurons=3), torch.rand(1, 1, 34, 60), unit=2).shape
    torch.Size([1, 1, 34, 40])
    """
    stages = {name: stage for name, stage in model.stages() if name != "wav2spec"}
    return _gradmap(model, Chain(stages), spectrogram, unit, frames, window_frames)


def waveform_gradmap(
    model: AuditoryModel,
    waveform_pa: Tensor,
    unit: int,
    *,
    frames: Frames = "every",
    window_frames: int | None = None,
) -> Tensor:
    """Return the gradient of a unit's response with respect to the recent past of the sound.

    Parameters
    ----------
    model : AuditoryModel
        One with a front-end; it is not changed, and computes as in evaluation mode.
    waveform_pa : Tensor, shape (B, 1, samples)
        Pascals, whole hops.
    unit, frames, window_frames
        As for `STRF_gradmap`, T being the hops of the sound.

    Returns
    -------
    gradient : Tensor, shape (B, 1, K hop)
        Responses for a change of 1 Pa; the last sample is the last of the current bin.

    Notes
    -----
    As for `STRF_gradmap`. Where a response follows the envelope of a sound the sign of its gradient follows the phase:
    the mean over many frames goes to zero, so ask at one frame, or take the spectrogram's gradient.

    Raises
    ------
    ConfigError
        As for `STRF_gradmap`, and if the model has no front-end.
    StreamError
        If the waveform has not the shape that the model takes.

    Examples
    --------
    >>> from rtstrf.models.statenet import StateNet
    >>> from rtstrf.spectrogram.mel import MelSpectrogram
    >>> model = StateNet(out_neurons=3, wav2spec=MelSpectrogram(48000, 5.0))
    >>> waveform_gradmap(model, torch.rand(1, 1, 4800), unit=2, frames="last", window_frames=5).shape
    torch.Size([1, 1, 1200])
    """
    if model.front_end is None:
        raise ConfigError(
            f"this {type(model).__name__} has no front-end: no waveform reaches it",
            remedy="use STRF_gradmap(model, spectrogram, unit), or build it with wav2spec",
        )
    return _gradmap(model, Chain(dict(model.stages())), waveform_pa, unit, frames, window_frames)


def _gradmap(
    model: AuditoryModel, chain: StreamModule, given: Tensor, unit: int, frames: Frames, window_frames: int | None
) -> Tensor:
    """Return the mean gradient over windows of the input, of shape (B, ..., K samples_per_frame)."""
    if not 0 <= unit < model.out_neurons:
        raise ConfigError(f"no unit {unit}: the model has {model.out_neurons}", remedy=_choose(0, model.out_neurons))
    streams, per_frame = given.shape[0], chain.samples_per_frame
    total = given.shape[-1] // per_frame
    expected = chain.input_shape(streams, max(total, 1))
    if tuple(given.shape) != expected:
        raise StreamError(
            f"input of shape {tuple(given.shape)} for the gradient of {type(model).__name__}",
            remedy=f"give {(streams, *expected[1:-1], f'a multiple of {per_frame}')}",
        )
    window = min(WINDOW_FRAMES, total) if window_frames is None else window_frames
    chosen = _choose_frames(frames, window, total)
    at_once = max(1, min(WINDOWS_AT_ONCE, STEPS_AT_ONCE // (streams * window * per_frame)))
    with torch.inference_mode(False), torch.enable_grad():
        stage = copy.deepcopy(chain).eval().requires_grad_(False)  # the caller's model may be in training
        x = given.detach().to(next(stage.parameters())).clone()
        summed = x.new_zeros(*expected[:-1], window * per_frame)
        state, at = stage.initial_state(streams), 0
        for begin in range(0, len(chosen), at_once):
            windows, befores = [], []
            for t in chosen[begin : begin + at_once]:
                first = t + 1 - window
                if first > at:
                    with torch.no_grad():
                        _, state = stage.step(x[..., at * per_frame : first * per_frame], state)
                    at = first
                befores.append(clone(state))
                windows.append(x[..., first * per_frame : (t + 1) * per_frame])
            # Every window is a stream of its own, so one pass gives the gradients of all.
            heard = torch.cat(windows).requires_grad_()  # (W B, ..., K samples_per_frame)
            y, _ = stage.step(heard, stack(befores))  # -> (W B, N, K)
            (gradient,) = torch.autograd.grad(y[:, unit, -1].sum(), heard)
            summed += gradient.unflatten(0, (-1, streams)).sum(0)
        return summed / len(chosen)


def _choose_frames(frames: Frames, window: int, total: int) -> list[int]:
    """Return the frames asked for, in order, or raise ConfigError where one has no whole window behind it."""
    if not 1 <= window <= total:
        raise ConfigError(f"a window of {window} frames for a sound of {total}", remedy=_choose(1, total + 1))
    if isinstance(frames, str):
        if frames not in ("every", "last"):
            raise ConfigError(f"frames {frames!r} of a gradient", remedy="'every', 'last', an index or several")
        return list(range(window - 1 if frames == "every" else total - 1, total))
    several = frames if isinstance(frames, Iterable) else [frames]
    chosen = sorted({int(frame) for frame in several})
    wrong = [frame for frame in chosen if not window - 1 <= frame < total]
    if wrong or not chosen:
        raise ConfigError(
            f"frames {wrong} of a sound of {total}, for a window of {window}" if wrong else "a gradient at no frame",
            remedy=f"{_choose(window - 1, total)}, or a smaller window_frames",
        )
    return chosen


def _choose(first: int, end: int) -> str:
    return f"choose {first} to {end - 1}"

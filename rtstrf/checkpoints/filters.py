"""The filters that no fit changes: what a front-end's options lead to, against what the weights hold.

They are in the weights, so with a wrong rate, band edge or scale in the options a stream would hear as it was fitted,
and its frequencies would be wrongly named.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

TOLERANCE = 1e-3  # of the largest; they may have been computed in float32


def fixed_filters(front_end: nn.Module | None) -> dict[str, Tensor]:
    """Return copies of a front-end's filters, by their keys in the weights of a model; none without a front-end."""
    if front_end is None:
        return {}
    return {f"wav2spec.{name}": buffer.clone() for name, buffer in front_end.named_buffers()}


def contradiction(built: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> str | None:
    """Return the key of the first filter that is another than its options lead to; None where all agree.

    Parameters
    ----------
    built : mapping of str to Tensor
        As of `fixed_filters`, before weights are loaded.
    stored : mapping of str to Tensor
        Weights; keys that are in one of the two only are passed over.

    Examples
    --------
    >>> import torch
    >>> contradiction({"wav2spec.gain": torch.ones(3)}, {"wav2spec.gain": torch.full((3,), 1.1)})
    'wav2spec.gain'
    """
    for key in sorted(built.keys() & stored.keys()):
        ours, theirs = built[key].double(), stored[key].double()
        # The comparison is false for NaN too. An empty filter has no largest value.
        if ours.shape != theirs.shape or (
            ours.numel() and not (ours - theirs).abs().max() <= TOLERANCE * ours.abs().max()
        ):
            return key
    return None

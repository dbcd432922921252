"""Make the golden cases in tests/golden by running deepSTRF 0.1.0 itself.

    python tools/make_golden.py [NAME ...] [--out tests/golden]

The cases are listed in golden_cases.yaml beside this file. It needs deepSTRF, which neither the package nor its tests
import, so an environment of its own is best:

    pip install torch numpy PyYAML safetensors scipy matplotlib huggingface_hub
    pip install --no-deps deepSTRF==0.1.0 mambapy==1.2.0 Gammatone==1.0.3 torchaudio
    pip install --no-deps einops pytorch-lightning lightning-utilities torchmetrics    # for its S4 layer

Of torchaudio only the Python part is used; where its native library does not fit the torch that is installed, delete
the folder ``torchaudio/lib``. Each case is written in the layout that `rtstrf.verify.golden` reads: ``case.json``,
``ckpt/config.json`` and ``ckpt/model.safetensors`` as deepSTRF's ``save_pretrained`` wrote them, and ``data.npz`` with
the input and deepSTRF's outputs in float32 and in float64 from the same float32 weights.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import yaml
from torch import nn

TABLE = Path(__file__).with_name("golden_cases.yaml")
OUT = Path(__file__).parents[1] / "tests" / "golden"
FRAMES = 100
MADE_WITH = ("deepSTRF", "torch", "numpy", "mambapy", "Gammatone")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases to make (default: all of golden_cases.yaml)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER")
    args = parser.parse_args()
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    unknown = [name for name in args.names if name not in table]
    if unknown:
        parser.error(f"no case {', '.join(unknown)} in {TABLE.name}")
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in args.names or table:
        facts = make(name, table[name], args.out)
        print(
            f"{name}: output {facts['output_shape']}, float32 within {facts['f32_vs_f64']['max_abs']:.1e}", flush=True
        )


def make(name: str, told: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write one case, whole or not at all; return its ``case.json``."""
    seed = zlib.crc32(name.encode())
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    kind = "model" if "model_class" in told else "wav2spec" if "wav2spec" in told else "prefilter"
    module = build(told).eval()
    stored, x, described = make_input(told, kind, module, rng)
    randomise(module, rng)
    if kind == "model":
        rescale_readout(module, *pre_activations(again(told, module), x))
    if "s4_prerun" in told:
        offline(module, x[..., : told["s4_prerun"]])  # sets l_kernel, and what C holds with it
    single = offline(again(told, module), x).numpy()
    wide = again(told, module).double()
    with float64_by_default():  # for what a forward makes anew
        double = offline(wide, x.double()).numpy()
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=out) as scratch:
        fresh = Path(scratch) / name
        via = save(module, fresh / "ckpt", kind, told)
        facts = {
            "name": name,
            "kind": kind,
            **{key: value for key, value in told.items() if key != "frames"},
            "input": described,
            "seed": seed,
            "checkpoint_via": via,
            "output_shape": list(double.shape),
            "reload_bitexact": reloads(told, fresh / "ckpt", x, single),
            "f32_vs_f64": compared(single, double),
            "state_dict": {key: list(tensor.shape) for key, tensor in module.state_dict().items()},
            "made_with": {package: importlib.metadata.version(package) for package in MADE_WITH},
        }
        if "wav2spec" in facts:
            facts["wav2spec"] = {"factory": "make_wav2spec", **facts["wav2spec"]}
        (fresh / "case.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        arrays: dict[str, Any] = {**stored, "output_f32": single, "output_f64": double}
        np.savez_compressed(fresh / "data.npz", **arrays)
        shutil.rmtree(out / name, ignore_errors=True)
        os.replace(fresh, out / name)
    return facts


def build(told: dict[str, Any]) -> Any:
    """Return deepSTRF's module for a case, as its constructors leave it."""
    from deepSTRF.models import activations, audio, layers, prefiltering, wav2spec

    parts: dict[str, Any] = {}
    if "wav2spec" in told:
        parts["wav2spec"] = wav2spec.make_wav2spec(**told["wav2spec"]["args"])
    if "prefiltering" in told:
        args = {
            key: torch.tensor(value) if isinstance(value, list) else value
            for key, value in told["prefiltering"]["args"].items()
        }
        parts["prefiltering"] = getattr(prefiltering, told["prefiltering"]["factory"])(**args)
    if "model_class" not in told:
        return parts.popitem()[1]
    if "kernel" in told:
        parts["kernel"] = getattr(layers, told["kernel"]["class"])(**told["kernel"]["args"])
    if "output_activation" in told:
        of_torch, _, name = told["output_activation"]["class"].rpartition(".")
        parts["output_activation"] = getattr(nn if of_torch else activations, name)(**told["output_activation"]["args"])
    ear = parts.pop("wav2spec") if told.get("wav2spec", {}).get("attach") == "attribute" else None
    options = {key: tuple(v) if isinstance(v, list) else v for key, v in told["init_kwargs"].items()}
    model = getattr(audio, told["model_class"])(**options, **parts)
    if ear is not None:
        model.wav2spec = ear
    return model


def make_input(
    told: dict[str, Any], kind: str, module: Any, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], torch.Tensor, dict[str, Any]]:
    """Return what is stored of an input, the tensor that it is, and its description.

    Sound is amplitude-modulated noise and a tone, a spectrogram the same of gamma noise; both with a silence.
    """
    frames = told.get("frames", FRAMES)
    clock = told["wav2spec"]["args"] if "wav2spec" in told else told.get("init_kwargs", {})
    if kind != "prefilter" and "audio_fs" in clock:
        rate_hz = clock["audio_fs"]
        hop = max(1, round(rate_hz * clock.get("dt_ms", 5.0) / 1000))
        t = np.arange(frames * hop) / rate_hz
        wave = (
            (0.2 * rng.standard_normal(t.size) + 0.3 * np.sin(2 * np.pi * 1500 * t))
            * (1 - np.cos(2 * np.pi * 9 * t))
            / 2
        )
        wave[t.size // 2 : t.size // 2 + 12 * hop] = 0
        wave_i16 = (np.clip(wave, -1, 1) * 32767).astype(np.int16)
        described: dict[str, Any] = {"type": "waveform_int16", "audio_fs": rate_hz, "hop": hop, "n_samples": t.size}
        x = torch.from_numpy(wave_i16.astype(np.float32) / 32768).reshape(1, 1, -1)
        return {"wave_i16": wave_i16}, x, {**described, "dequantise": "float32(i16)/32768"}
    bands = told["init_kwargs"]["n_frequency_bands"] if kind == "model" else bands_of(told["prefiltering"]["args"])
    t = np.arange(frames)
    spec = rng.gamma(2.0, 0.5, (bands, frames)) * (1.2 + np.sin(2 * np.pi * t / 23 + np.arange(bands)[:, None]))
    spec[:, frames // 2 : frames // 2 + 12] = 0
    stored = spec.astype(np.float32).reshape(1, 1, bands, frames)
    return {"spec": stored}, torch.from_numpy(stored), {"type": "spectrogram", "shape": list(stored.shape)}


def bands_of(args: dict[str, Any]) -> int:
    """Return the bands that a prefilter is for."""
    return args["n_frequency_bands"] if "n_frequency_bands" in args else len(args["init_a_vals"])


def randomise(module: nn.Module, rng: np.random.Generator) -> None:
    """Move what a constructor leaves at ones, zeros or a regular grid, so that a swap of two of them would show."""

    def uniform(tensor: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(low, high, tuple(tensor.shape))).to(tensor.dtype)

    with torch.no_grad():
        for key, tensor in {**dict(module.named_parameters()), **dict(module.named_buffers())}.items():
            owner, _, name = key.rpartition(".")
            norm = owner.endswith((".ln", ".bn")) or ".norm" in owner
            if name in ("running_var",) or (norm and name == "weight"):
                tensor.copy_(uniform(tensor, 0.6, 1.6))
            elif name in ("running_mean", "bias", "biases") or (owner.endswith("activation") and name != "weight"):
                tensor.add_(uniform(tensor, -0.3, 0.3))
            elif name in ("d_on", "d_off", "p", "d", "low_hz_", "band_hz_", "center_freq_", "SIG") or name.endswith(
                "_raw"
            ):
                tensor.mul_(uniform(tensor, 0.85, 1.15))
            elif name == "P" and tensor.shape[0] == 2:  # centres of Gaussians, in cells of the grid
                tensor.copy_(uniform(tensor, 0.0, 7.0))


def again(told: dict[str, Any], module: Any) -> Any:
    """Return a second module with the weights of one: an S4 layer changes its own as it hears, and no copy is taken."""
    second = build(told)
    second.load_state_dict(module.state_dict())
    return second.eval()


def last_layer(model: Any) -> Any:
    """Return the layer before the output activation."""
    readout = getattr(model, "decoder", None) or model.readout
    return [layer for layer in readout.modules() if isinstance(layer, nn.Linear | nn.BatchNorm1d)][-1]


def pre_activations(model: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the standard deviation over time and the mean of what enters the output activation, (N,) each."""
    last = last_layer(model)
    heard: list[torch.Tensor] = []
    last.register_forward_hook(lambda _module, _given, output: heard.append(output))
    offline(model, x)
    y = heard[-1].movedim(1, -1) if isinstance(last, nn.BatchNorm1d) else heard[-1]
    y = y.reshape(-1, last.weight.shape[0])
    return y.std(dim=0), y.mean(dim=0)


def rescale_readout(model: Any, spread: torch.Tensor, mean: torch.Tensor) -> None:
    """Let what enters the output activation vary by about 1 around 0, where activations bend."""
    last = last_layer(model)
    with torch.no_grad():
        last.weight.div_(spread.reshape(-1, *[1] * (last.weight.dim() - 1)))
        last.bias.sub_(mean).div_(spread)


def offline(module: Any, x: torch.Tensor) -> torch.Tensor:
    """Return the output for a whole input."""
    with torch.no_grad():  # inference mode would not let an S4 layer keep its weights
        return module(x).detach()


@contextmanager
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def save(module: Any, folder: Path, kind: str, told: dict[str, Any]) -> str:
    """Write a checkpoint as deepSTRF does, and say how."""
    folder.mkdir(parents=True)
    if kind != "model":
        safetensors.torch.save_file(contiguous(module.state_dict()), folder / "model.safetensors")
        return "safetensors of module.state_dict()"
    if told["model_class"] == "ICNet":
        weights = {key: t for key, t in module.state_dict().items() if not key.startswith("readout.")}
        safetensors.torch.save_file(contiguous(weights), folder / "model.safetensors")
        config = {"_model_class": "ICNet", **module._init_kwargs}
        (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return "by hand: save_pretrained refuses that decoder and readout share memory"
    module.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    return "save_pretrained"


def contiguous(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: tensor.contiguous() for key, tensor in weights.items()}


def reloads(told: dict[str, Any], folder: Path, x: torch.Tensor, single: np.ndarray) -> bool:
    """Tell whether a new module with the weights written gives the same output, bit by bit; it must."""
    loaded = build(told).eval()
    left_out = loaded.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"), strict=False)
    if left_out.unexpected_keys or not all(key.startswith("readout.") for key in left_out.missing_keys):
        raise RuntimeError(f"{folder} does not hold the weights of the module: {left_out}")
    if not np.array_equal(offline(loaded, x).numpy(), single):
        raise RuntimeError(f"{folder}: the module gives another output once it is loaded again")
    return True


def compared(single: np.ndarray, double: np.ndarray) -> dict[str, float]:
    """Return how far deepSTRF's float32 output is from its float64 output."""
    error, peak = np.abs(single - double), float(np.abs(double).max())
    return {
        "max_abs": float(error.max()),
        "max_rel_to_peak": float(error.max()) / peak,
        "rms": float(np.sqrt(np.mean(error**2))),
        "peak_abs_output": peak,
        "mean_temporal_std": float(double.std(axis=-1).mean()),
    }


if __name__ == "__main__":
    main()

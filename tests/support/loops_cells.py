"""The recurrent cells once more, frame by frame in float64 numpy from their equations: slow, and nothing shared.

Inputs are (frames, inputs), outputs (frames, hidden); `p` holds a cell's weights by their keys. States start at zero.
"""

from __future__ import annotations

import math

import numpy as np

from tests.support.loops import sigmoid, softplus


def matvec(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.array([sum(w * v for w, v in zip(row, vector, strict=True)) for row in matrix])


def silu(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(x)


def gelu(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x])


def lstm(inputs: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    hidden = p["weight_hh_l0"].shape[1]
    h, c = np.zeros(hidden), np.zeros(hidden)
    out = []
    for x in inputs:
        sums = matvec(p["weight_ih_l0"], x) + p["bias_ih_l0"] + matvec(p["weight_hh_l0"], h) + p["bias_hh_l0"]
        i, f, g, o = (sums[k * hidden : (k + 1) * hidden] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def rnn(inputs: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    h = np.zeros(p["weight_hh_l0"].shape[1])
    out = []
    for x in inputs:
        h = np.tanh(matvec(p["weight_ih_l0"], x) + p["bias_ih_l0"] + matvec(p["weight_hh_l0"], h) + p["bias_hh_l0"])
        out.append(h)
    return np.array(out)


def lmu(inputs: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    cell = {key.removeprefix("cell."): value for key, value in p.items()}
    h, m = np.zeros(cell["W_h"].shape[0]), np.zeros(cell["A"].shape[0])
    out = []
    for x in inputs:
        u = (matvec(cell["e_x"], x) + matvec(cell["e_h"], h) + matvec(cell["e_m"], m))[0]
        m = matvec(cell["A"], m) + cell["B"][:, 0] * u
        h = np.tanh(matvec(cell["W_x"], x) + matvec(cell["W_h"], h) + matvec(cell["W_m"], m))
        out.append(h)
    return np.array(out)


def legendre(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the held matrices of a Legendre delay: their power series for a short step, then doubled."""
    a = np.array(
        [[(2 * i + 1) / theta * (-1 if i < j else (-1) ** (i - j + 1)) for j in range(order)] for i in range(order)]
    )
    b = np.array([[(2 * i + 1) / theta * (-1) ** i] for i in range(order)])
    halvings = 6
    step = 2.0**-halvings
    power, whole, integral = np.eye(order), np.zeros((order, order)), np.zeros((order, order))
    for k in range(30):
        whole = whole + power * step**k / math.factorial(k)
        integral = integral + power * step ** (k + 1) / math.factorial(k + 1)
        power = power @ a
    for _ in range(halvings):  # e^{2h} = e^h e^h; the integral over 2h is (1 + e^h) that over h
        integral = integral + whole @ integral
        whole = whole @ whole
    return whole, integral @ b


def mamba(inputs: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    channels, states = p["A_log"].shape
    rank = p["dt_proj.weight"].shape[1]
    past = [np.zeros(channels)] * 3
    h = np.zeros((channels, states))
    out = []
    for u in inputs:
        both = matvec(p["in_proj.weight"], u)
        before, z = both[:channels], both[channels:]
        line = [*past, before]
        past = line[1:]
        x = np.array(
            [
                p["conv1d.bias"][e] + sum(p["conv1d.weight"][e, 0, k] * line[k][e] for k in range(4))
                for e in range(channels)
            ]
        )
        x = silu(x)
        q = matvec(p["x_proj.weight"], x)
        d, b, c = q[:rank], q[rank : rank + states], q[rank + states :]
        delta = np.array([softplus(v) for v in matvec(p["dt_proj.weight"], d) + p["dt_proj.bias"]])
        y = np.zeros(channels)
        for e in range(channels):
            for n in range(states):
                h[e, n] = math.exp(-delta[e] * math.exp(p["A_log"][e, n])) * h[e, n] + delta[e] * x[e] * b[n]
                y[e] += h[e, n] * c[n]
            y[e] += p["D"][e] * x[e]
        out.append(matvec(p["out_proj.weight"], y * silu(z)))
    return np.array(out)


def s4_systems(p: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return (dA, dB, c) of each channel on all its states, dense; c as the weights hold it."""
    k = {key.removeprefix("layer.kernel."): value for key, value in p.items()}
    found = []
    for channel in range(k["A_real"].shape[0]):
        half = -np.exp(k["A_real"][channel]) - 1j * k["A_imag"][channel]
        diagonal = np.concatenate([half, half.conj()])
        b, c, low = (
            np.concatenate([v, v.conj()]) for v in (k[n][0, channel, :, 0] + 1j * k[n][0, channel, :, 1] for n in "BCP")
        )
        a = np.diag(diagonal) - np.outer(low, low.conj())
        dt = math.exp(k["inv_dt"][channel, 0])
        one = np.eye(len(diagonal))
        inverse = np.linalg.inv(one - dt / 2 * a)
        found.append((inverse @ (one + dt / 2 * a), dt * inverse @ b, c))
    return found


def s4(inputs: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    cut = int(p["layer.kernel.l_kernel"])
    y = np.zeros_like(inputs)
    for channel, (da, db, c) in enumerate(s4_systems(p)):
        if cut:  # c holds c (I - dA^cut)
            c = c @ np.linalg.inv(np.eye(len(db)) - np.linalg.matrix_power(da, cut))
        s = np.zeros(len(db), dtype=complex)
        for t, u in enumerate(inputs[:, channel]):
            s = da @ s + db * u
            y[t, channel] = (c @ s).real + p["layer.D"][0, channel] * u
    out = []
    for row in y:
        mixed = matvec(p["output_linear.0.weight"], gelu(row)) + p["output_linear.0.bias"]
        half = len(mixed) // 2
        out.append(mixed[:half] * sigmoid(mixed[half:]))
    return np.array(out)

"""Linear systems whose matrix is diagonal minus rank one, A = Lambda - P P^H, a frame or a chunk of frames at a time.

Each system has N states in conjugate pairs, of which one of each is kept, so that sums over all states are twice a real
part. The bilinear rule keeps the form: with R = (I - dt/2 A)^-1,

    dA = R (I + dt/2 A) = 2 R - I = diag(alpha) - g q^H,        dB = dt R B,

so a frame costs O(N), and nothing is diagonalised: the eigenvectors of a Legendre memory are useless in any floating
point format (their condition number is 2^85 at N = 64).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Frames of one chunk: long enough for few steps from chunk to chunk, short enough that the rest of a stream, which is
# run frame by frame, is short too.
CHUNK_FRAMES = 32


def paired(product: Tensor) -> Tensor:
    """Return the sum over all states of what is given for one of each pair: (..., N / 2) -> (...), real."""
    return 2 * product.real.sum(-1)


@dataclass(frozen=True, slots=True)
class Discrete:
    """H systems for one frame: s = alpha s - g (q . s) + beta u, y = c . s, all (H, N / 2) complex128."""

    alpha: Tensor
    g: Tensor
    q: Tensor
    beta: Tensor
    c: Tensor

    def advance(self, s: Tensor, u: Tensor | None = None) -> Tensor:
        """Return the states (..., H, N / 2) one frame on, with inputs u (..., H) or without."""
        on = self.alpha * s - self.g * paired(self.q * s).unsqueeze(-1)
        return on if u is None else on + self.beta * u.unsqueeze(-1)

    def run(self, u: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, H, T) for inputs (B, H, T) and the states after them, frame by frame."""
        outputs = []
        for t in range(u.shape[-1]):
            s = self.advance(s, u[..., t])
            outputs.append(paired(self.c * s))
        return torch.stack(outputs, dim=-1), s

    def matrix(self) -> Tensor:
        """Return dA on all N states, (H, N, N): first one of each pair, then the other."""
        both = [torch.cat([part, part.conj()], dim=-1) for part in (self.alpha, self.g, self.q)]
        alpha, g, q = both
        return torch.diag_embed(alpha) - g.unsqueeze(-1) * q.unsqueeze(-2)


@dataclass(frozen=True, slots=True)
class Chunked:
    """H systems for a chunk of L frames, on N real numbers a state (real parts, then imaginary parts), float64.

    Attributes
    ----------
    power : Tensor, shape (H, N, N)
        States L frames on, without input.
    written : Tensor, shape (H, N, L)
        What the inputs of the chunk leave in the states after it.
    read : Tensor, shape (H, L, N)
        What the states before the chunk give to its outputs.
    response : Tensor, shape (H, L)
        Impulse response.
    """

    power: Tensor
    written: Tensor
    read: Tensor
    response: Tensor

    def run(self, u: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, H, T) for inputs (B, H, T) and the states after them; T is whole chunks."""
        streams, channels, frames = u.shape
        length = self.response.shape[-1]
        cut = u.reshape(streams, channels, frames // length, length)  # -> (B, H, n, L)
        # Shifts and additions: a triangular matrix would multiply later frames by zero, which a NaN survives.
        within = cut * self.response[:, 0, None, None]
        for age in range(1, length):
            late = cut[..., :-age] * self.response[:, age, None, None]
            within = torch.cat([within[..., :age], within[..., age:] + late], dim=-1)
        added = (self.written @ cut.permute(1, 3, 0, 2).reshape(channels, length, -1)).reshape(
            channels, -1, streams, frames // length
        )  # (H, N, L) (H, L, B n) -> (H, N, B, n)
        real = torch.cat([s.real, s.imag], dim=-1).permute(1, 2, 0)  # (B, H, N / 2) -> (H, N, B)
        before = []
        for chunk in range(frames // length):
            before.append(real)
            real = self.power @ real + added[..., chunk]
        carried = self.read @ torch.cat(before, dim=-1)  # (H, L, N) (H, N, n B) -> (H, L, n B)
        carried = carried.reshape(channels, length, -1, streams).permute(3, 0, 2, 1)  # -> (B, H, n, L)
        pairs = real.permute(2, 0, 1).chunk(2, dim=-1)  # (H, N, B) -> (B, H, N / 2) twice
        return (within + carried).reshape(streams, channels, frames), torch.complex(*pairs)


def discretise(diagonal: Tensor, p: Tensor, b: Tensor, c: Tensor, dt: Tensor) -> Discrete:
    """Return the systems for one frame, by the bilinear rule.

    Parameters
    ----------
    diagonal, p, b, c : Tensor, shape (H, N / 2), complex128
        Lambda, P, B and C of one of each conjugate pair.
    dt : Tensor, shape (H, 1), float64
        Time steps, in frames.
    """
    inverse = 1 / (1 - dt / 2 * diagonal)  # R without its low rank
    q = p.conj() * inverse
    g = dt / 2 * inverse * p / (1 + dt / 2 * paired(q * p).unsqueeze(-1))  # R = inverse - g q^H
    beta = dt * (inverse * b - g * paired(q * b).unsqueeze(-1))
    return Discrete(alpha=2 * inverse - 1, g=2 * g, q=q, beta=beta, c=c)


def uncut(system: Discrete, frames: int) -> Discrete:
    """Return the systems with the C that a kernel of so many frames was cut from: c (I - dA^frames) is given."""
    pairs = system.c.shape[-1]
    matrix = system.matrix()
    remaining = torch.eye(2 * pairs, dtype=matrix.dtype, device=matrix.device) - torch.linalg.matrix_power(
        matrix, frames
    )
    given = torch.cat([system.c, system.c.conj()], dim=-1)  # (H, N)
    c = torch.linalg.solve(remaining.transpose(-1, -2), given)[..., :pairs]
    return Discrete(alpha=system.alpha, g=system.g, q=system.q, beta=system.beta, c=c)


def chunked(system: Discrete, frames: int) -> Chunked:
    """Return the systems for a chunk of `frames` frames."""
    pairs = system.c.shape[-1]
    # The states after each of the frames that follow one input of 1.
    impulse = [system.beta]
    for _ in range(frames - 1):
        impulse.append(system.advance(impulse[-1]))
    written = torch.stack(impulse[::-1], dim=-1)  # (H, N / 2, L)
    response = torch.stack([paired(system.c * state) for state in impulse], dim=-1)  # (H, L)
    # The same the other way round: what each state gives to the output of each frame.
    transposed = Discrete(alpha=system.alpha, g=system.q, q=system.g, beta=system.c, c=system.beta)
    rows = [transposed.advance(system.c)]
    for _ in range(frames - 1):
        rows.append(transposed.advance(rows[-1]))
    read = torch.stack(rows, dim=-2)  # (H, L, N / 2)
    power = torch.linalg.matrix_power(system.matrix(), frames)  # (H, N, N)
    own, other = power[:, :pairs, :pairs], power[:, :pairs, pairs:]  # what s and conj(s) give to s
    top = torch.cat([(own + other).real, (other - own).imag], dim=-1)
    bottom = torch.cat([(own + other).imag, (own - other).real], dim=-1)
    return Chunked(
        power=torch.cat([top, bottom], dim=1),
        written=torch.cat([written.real, written.imag], dim=1),
        read=2 * torch.cat([read.real, -read.imag], dim=-1),
        response=response,
    )


def legendre_dplr(states: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return Lambda, P and B of the HiPPO-LegS memory, one of each conjugate pair, (N / 2,) complex128.

    The memory's matrix A_nk = -sqrt((2n+1)(2k+1)) for n > k, -(n+1) for n = k, plus P P^T with P_n = sqrt(n + 1/2), is
    -I/2 plus a skew matrix, whose eigenvectors are orthonormal: in them A is diagonal minus rank one.
    """
    n = torch.arange(states, dtype=torch.float64)
    root = (2 * n + 1).sqrt()
    lower = torch.outer(root, root) / 2  # of A + P P^T below the diagonal, with the sign taken out
    skew = torch.triu(lower, 1) - torch.tril(lower, -1)
    frequency, vectors = torch.linalg.eigh(-1j * skew)
    kept = frequency > 0
    basis = vectors[:, kept].mH
    diagonal = torch.complex(torch.full_like(frequency[kept], -0.5), frequency[kept])
    return diagonal, basis @ (n + 0.5).sqrt().to(basis.dtype), basis @ root.to(basis.dtype)

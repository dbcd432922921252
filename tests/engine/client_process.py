"""A client in a process of its own: receives rates until the run ends, and keeps them with their times.

Usage: python -m tests.engine.client_process ENDPOINT OUT.npz

Prints "greeted" when it has had the greeting.
"""

from __future__ import annotations

import sys

import numpy as np

from rtstrf.wire.client import Client
from rtstrf.wire.message import Flags


def main(endpoint: str, out: str) -> None:
    kept: dict[str, list] = {"rates_hz": [], "i0": [], "flags": [], "t_raw_ns": [], "t_cap_ns": [], "t_recv_ns": []}
    greeted = over = False
    with Client(endpoint, lag_s=1e6) as client:
        while not over:
            for message in client.poll(0.5):
                if message.kind != "rates" or message.array is None:
                    continue
                over = Flags.LAST in message.flags
                if len(message.array):
                    start_ns = int(client.hello["anchor"]["monotonic_ns"]) if client.hello else 0
                    kept["rates_hz"].append(message.array[0])
                    kept["i0"].append(message.header["i0"])
                    kept["flags"].append(int(message.flags))
                    kept["t_raw_ns"].append(start_ns + message.header["t_raw"])
                    kept["t_cap_ns"].append(start_ns + message.header["t_cap"])
                    kept["t_recv_ns"].append(message.t_recv_ns)
            if client.hello is not None and not greeted:
                greeted = True
                print("greeted", flush=True)
        np.savez(out, lost=client.bins_lost, **{name: np.asarray(values) for name, values in kept.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])

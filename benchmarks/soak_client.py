"""A client of benchmarks/soak.py: python soak_client.py ENDPOINT OUT BINS PART_S; what it keeps does not grow."""

from __future__ import annotations

import sys

import numpy as np

from rtstrf.wire.client import Client
from rtstrf.wire.message import Flags


def main(endpoint: str, out: str, bins: int, part_s: float) -> None:
    """Receive to the end of the run; keep how late each message was, and the part of the run that it belongs to."""
    late_ms = np.full(bins + 1000, np.nan, dtype=np.float32)
    part = np.full(bins + 1000, -1, dtype=np.int8)
    messages = received = 0
    with Client(endpoint, topics=("rates",), lag_s=1e6) as client:
        hello = client.wait_hello(60.0)
        start_ns, bin_s = int(hello["anchor"]["monotonic_ns"]), hello["bin_s"]
        print("greeted", flush=True)
        for message in client:
            header = message.header
            if header["n"]:
                late_ms[messages] = (message.t_recv_ns - start_ns - header["t_cap"]) / 1e6
                part[messages] = header["i0"] * bin_s // part_s
                messages, received = messages + 1, received + header["n"]
            if Flags.LAST in message.flags:
                break
        facts = {"bins": received, "bins_lost": client.bins_lost, "messages_lost": sum(client.lost.values())}
    np.savez(out, late_ms=late_ms[:messages], part=part[:messages], **facts)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))

"""A client in a process of its own, for `rtstrf bench wire`: python -m rtstrf.bench.wire_client ENDPOINT OUT."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from rtstrf.wire.client import Client
from rtstrf.wire.message import Flags


def main(endpoint: str, out: str) -> None:
    """Receive to the end of the run; keep in `out`, an npz file, how long each message took and what was lost.

    Writes ``greeted`` on the standard output once the greeting is there.
    """
    began_s = time.monotonic()
    sent_ns: list[int] = []
    received_ns: list[int] = []
    with Client(endpoint, topics=("rates",), lag_s=1e6) as client:
        client.wait_hello(30.0)
        hello_s = time.monotonic() - began_s
        print("greeted", flush=True)
        for message in client:
            if message.kind != "rates" or message.array is None:
                continue
            if len(message.array):
                sent_ns.append(message.header["t_pub"] - message.header["t_submit"])
                received_ns.append(client.run_time_ns(message.t_recv_ns) - message.header["t_submit"])
            if Flags.LAST in message.flags:
                break
        lost = json.dumps(client.lost)
        bins_lost = client.bins_lost
    np.savez(out, sent_ns=sent_ns, received_ns=received_ns, hello_s=hello_s, bins_lost=bins_lost, lost=lost)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

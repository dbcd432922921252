"""A client in a process of its own, to be stopped and woken: prints what it read, skipped and lost, and how late."""

from __future__ import annotations

import json
import sys

from rtstrf.wire.client import Client


def main(data: str) -> None:
    read, latest_s = 0, 0.0
    with Client(data, topics=("rates",)) as client:
        client.wait_hello(20.0)
        print("ready", flush=True)
        over = False
        while not over:
            for message in client.poll(0.1):
                if message.kind != "rates":
                    continue
                read += 1
                latest_s = max(latest_s, (client.run_time_ns(message.t_recv_ns) - message.header["t_pub"]) / 1e9)
                over = over or bool(message.flags & message.flags.LAST)
        result = {
            "read": read,
            "skipped": client.skipped["rates/main/"],
            "lost": client.lost.get("rates/main/", 0),
            "bins_lost": client.bins_lost,
            "runs": len(client.runs_seen),
            "late_s": latest_s,
        }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Listen to a microphone in a process of its own, until standard input ends; run by the tests.

Usage: python -m tests.sound.listen_process OUT.npz '{"device": "pulse", ...}'

Prints "listening" with the first sound, and a user's error as the command line does, with exit code 2.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
import time

import numpy as np

from rtstrf.errors import UserError
from rtstrf.sound import microphone
from rtstrf.sound.source import Block


def main(out: str, options: dict[str, object]) -> None:
    pause_s = float(str(options.pop("pause_s", 0.0)))
    microphone.RING_S = float(str(options.pop("ring_s", microphone.RING_S)))
    done = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        done.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    blocks: list[Block] = []
    arrived_ns = []
    with microphone.MicrophoneSource(**options) as source:  # type: ignore[arg-type]
        while not done.is_set():
            block = source.read(100_000)
            if block is None or len(block.samples) == 0:
                continue
            if not blocks:
                print("listening", flush=True)
            arrived_ns.append(time.monotonic_ns())
            blocks.append(block)
            if len(blocks) == 150:
                time.sleep(pause_s)  # a reader that is held up
        np.savez(
            out,
            samples=np.concatenate([block.samples for block in blocks]),
            lengths=[len(block.samples) for block in blocks],
            end_ns=[block.t_ns for block in blocks],
            lost=[block.lost_samples for block in blocks],
            arrived_ns=arrived_ns,
            xruns=source.xruns,
            non_finite=source.non_finite_samples,
            info=json.dumps(dataclasses.asdict(source.info)),
        )


if __name__ == "__main__":
    try:
        main(sys.argv[1], json.loads(sys.argv[2]))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)

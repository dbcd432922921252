"""An hour of sound, hop by hop, as fast as it computes: are time a hop and memory flat?

python benchmarks/hour.py --out benchmarks/results/hour.json
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch

from rtstrf.checkpoints.load import load_model
from rtstrf.machine import machine_facts
from rtstrf.pipeline import Pipeline
from rtstrf.sound.make import open_source


def resident_mib() -> float:
    """Return the memory this process holds now, in MiB (Linux; elsewhere the most it ever held)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--model", default="statenet-gru-ns1")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = Pipeline(load_model(args.model))
    rows = []
    print("minute   p50 us   p99 us   memory MiB")
    with open_source("noise", frozen=False) as source:
        for minute in range(1, args.minutes + 1):
            took = np.empty(60 * pipeline.rate_hz // pipeline.hop_samples)
            for hop in range(len(took)):
                block = source.read(pipeline.hop_samples)
                assert block is not None
                began = time.perf_counter_ns()
                pipeline.push(block.samples)
                took[hop] = (time.perf_counter_ns() - began) / 1e3
            p50, p99 = np.percentile(took, [50, 99])
            rows.append(
                {
                    "minute": minute,
                    "p50_us": round(p50, 2),
                    "p99_us": round(p99, 2),
                    "memory_mib": round(resident_mib(), 1),
                }
            )
            print(f"{minute:6}   {p50:6.1f}   {p99:6.1f}   {rows[-1]['memory_mib']:10.1f}", flush=True)
    result = {
        "machine": machine_facts(),
        "model": args.model,
        "last_to_first_minute_p50": round(rows[-1]["p50_us"] / rows[0]["p50_us"], 3),
        "memory_growth_mib": round(rows[-1]["memory_mib"] - rows[min(1, len(rows) - 1)]["memory_mib"], 1),
        "rows": rows,
    }
    print({key: value for key, value in result.items() if key != "rows"})
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Compiles an exported step: ``python -m rtstrf.backends.compile_worker GRAPH PACKAGE THREADS LANES``."""

from __future__ import annotations

import os
import sys
import warnings

import torch


def main(graph: str, package: str, threads: str, lanes: str) -> None:
    """Compile the exported graph of a step to a package of native code."""
    warnings.simplefilter("ignore")  # of torch about itself
    if hasattr(os, "nice"):
        os.nice(10)  # somebody may be listening on this machine
    torch.set_num_threads(int(threads))
    from torch._inductor import aoti_compile_and_package

    # One lane is all matrix times vector, where the generated product always beats a library call. For several, what
    # is faster is found by trying.
    products = "CPP" if lanes == "1" else "CPP,ATEN"
    options = {
        "freezing": True,
        "max_autotune": True,
        "max_autotune_gemm_backends": products,
        "cpp.threads": int(threads),
    }
    aoti_compile_and_package(torch.export.load(graph), package_path=package, inductor_configs=options)


if __name__ == "__main__":
    main(*sys.argv[1:])

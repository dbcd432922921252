"""Compiles an exported step: ``python -m rtstrf.backends.compile_worker GRAPH PACKAGE THREADS ROWS``."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass


class WriteLast(CustomGraphPass):
    """Let what enters a delay line be written after all that is read from it.

    The compiler writes in place only what nobody reads any more; in another order, which its search for locality often
    finds, it copies the whole line for every hop.
    """

    def __call__(self, graph: torch.fx.Graph) -> None:
        for node in graph.find_nodes(op="call_function", target=torch.ops.aten.index_put.default):
            if node.users:
                min(node.users).prepend(node)

    def uuid(self) -> bytes:
        return hashlib.sha256(b"rtstrf write last 1").digest()


def main(graph: str, package: str, threads: str, rows: str) -> None:
    """Compile the exported graph of a step to a package of native code."""
    warnings.simplefilter("ignore")  # of torch about itself
    if hasattr(os, "nice"):
        os.nice(10)  # somebody may be listening on this machine
    torch.set_num_threads(int(threads))
    from torch._inductor import aoti_compile_and_package

    # One hop of one lane is all matrix times vector, where the generated product always beats a library call. For
    # several rows, what is faster is found by trying.
    products = "CPP" if rows == "1" else "CPP,ATEN"
    options = {
        "freezing": True,
        "max_autotune": True,
        "max_autotune_gemm_backends": products,
        "cpp.threads": int(threads),
        "post_grad_custom_post_pass": WriteLast(),
    }
    aoti_compile_and_package(torch.export.load(graph), package_path=package, inductor_configs=options)


if __name__ == "__main__":
    main(*sys.argv[1:])

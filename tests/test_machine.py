"""The machine a figure was measured on."""

from __future__ import annotations

import json
import os

import pytest
import torch

from rtstrf import machine
from rtstrf.machine import arithmetic_id, cores_usable, cpu_model, machine_facts


def test_the_facts_are_json_and_name_what_figures_depend_on() -> None:
    facts = json.loads(json.dumps(machine_facts()))
    assert facts["torch"] == torch.__version__
    assert facts["torch_threads"] == torch.get_num_threads()
    assert all(facts[name] for name in ("cpu_model", "architecture", "os", "python", "numpy", "rtstrf", "device_name"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_cores_are_those_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores_usable() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert cores_usable() == len(allowed)


def test_another_processor_or_torch_rounds_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    here = arithmetic_id()
    monkeypatch.setattr(machine, "cpu_model", lambda: "an abacus")
    assert arithmetic_id() != here
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "0.0")
    assert arithmetic_id() != here


def test_without_proc_the_platform_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    assert cpu_model()

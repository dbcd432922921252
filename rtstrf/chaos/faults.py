"""Each fault, one function: inject it, wait until all is well, compare."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from rtstrf.chaos import malformed
from rtstrf.chaos.row import Row
from rtstrf.chaos.stage import Stage
from rtstrf.extras import require

STALL_CLIENT_S = 6.0
SETTLED_S = 8.0  # how long an audio clock must have been fitted for a step of it to be known
ROOM_BYTES = 200_000
REPLIES_WITHIN_S = 20.0

Fault = Callable[[Stage, random.Random], Row]


def xruns(stage: Stage, chance: random.Random) -> Row:
    """The device overflows three times, for less than is concealed."""
    orders = [("lose", chance.randint(1, stage.facts["conceal_samples"]), 1) for _ in range(3)]
    return of_source(stage, "xruns", orders, apart_s=0.15)


def dropped_blocks(stage: Stage, chance: random.Random) -> Row:
    """The device loses more than is concealed, twice."""
    least = stage.facts["conceal_samples"]
    orders = [("lose", chance.randint(least + 1, 5 * least), 0) for _ in range(2)]
    return of_source(stage, "dropped blocks", orders, apart_s=0.7)


def late_blocks(stage: Stage, chance: random.Random) -> Row:
    """The device delivers nothing for a while, then all at once."""
    late_ms = chance.randint(150, 400)
    row = of_source(stage, "late blocks", [("late", late_ms)])
    row.checks["late messages are known to be late"] = row.notes["latest_ms"] >= late_ms - 1
    return row


def clock_step(stage: Stage, chance: random.Random) -> Row:
    """The device's clock jumps."""
    step_ms = chance.choice((-1, 1)) * chance.randint(20, 80)
    mark = stage.mark()
    stage.server.ask("step", step_ms)
    (truth,) = stage.injected(mark, 1)

    def steps(told: dict[str, Any]) -> list[float]:
        return [
            each["step_ms"] for each in told["events"] if each["name"] == "clock_step" and each["cause"] == "device"
        ]

    told = stage.until(
        lambda: stage.witness.ask("told", mark.bin, 2**53, 0, mark.events), lambda told: bool(steps(told))
    )
    row = Row("clock step")
    stage.compare(row, mark, [truth], truth["to_ns"])
    row.injected["step, ms"] = step_ms
    row.announced["step, ms"] = round(sum(steps(told)))
    found_ns = next(each["t"] for each in told["events"] if each["name"] == "clock_step") + stage.facts["start_ns"]
    row.recovery_s = (found_ns - truth["to_ns"]) / 1e9
    return row


def unplugged(stage: Stage, chance: random.Random) -> Row:
    """The device goes away and comes back."""
    row = of_source(stage, "unplugged", [("unplug", chance.randint(400, 900))])
    row.checks["it is told that the source is lost, and back"] = row.notes.pop("states") == ["source_lost", "running"]
    return row


def model_stalls(stage: Stage, chance: random.Random) -> Row:
    """A step of the model takes longer than the queue holds."""
    mark = stage.mark()
    stall_s = stage.facts["queue_s"] + chance.uniform(0.3, 0.8)
    stage.server.ask("stall", stall_s)
    over_ns = time.monotonic_ns() + round(stall_s * 1e9)
    row = Row("model stalls")
    told = stage.compare(row, mark, [], over_ns)
    steps = [event["level"] for event in told["events"] if event["name"] == "overload"]
    row.checks["sound was dropped, and it was told"] = row.announced["bins missing"] > 0 and 3 in steps
    row.checks["the ladder is climbed down again"] = ladder_is_left(stage)
    row.notes["stall_s"] = round(stall_s, 2)
    return row


def client_stalls(stage: Stage, chance: random.Random) -> Row:
    """Another client is suspended for 6 s: nobody else notices, and it knows what it missed."""
    row = Row("client stalls for 6 s")
    with stage.start_witness(lag_s=1.0) as stalled:
        stage.until(lambda: stalled.ask("where"), lambda where: where["last_seq"] >= 0)
        mark = stage.mark()
        stalled.stop()
        try:
            time.sleep(STALL_CLIENT_S)
        finally:
            over_ns = time.monotonic_ns()
            stalled.resume()
        stage.compare(row, mark, [], over_ns)
        woken = stage.mark()
        last = stage.until(lambda: stalled.ask("seqs"), lambda seqs: seqs["next_bin"] >= woken.bin)
    sent = last["to_seq"] - last["first_seq"] + 1
    row.injected["messages it did not read"] = sent - last["read"]
    row.announced["messages it did not read"] = last["skipped"] + last["rates_lost"]
    row.checks["it knows that it is late"] = last["skipped"] + last["rates_lost"] > 0
    return row


def malformed_control(stage: Stage, chance: random.Random) -> Row:
    """Requests with faults in them: each is answered, in words."""
    zmq = require("zmq", "wire")
    mark = stage.mark()
    sent = [*malformed.requests(chance, 500), b"{" * 70_000, b"\x00" * 70_000, b""]
    replies = []
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(stage.facts["control"])
        for request in sent:
            dealer.send_multipart([b"", request])
            replies += [dealer.recv_multipart()[-1] for _ in range(1 if dealer.poll(REPLIES_WITHIN_S * 1000) else 0)]
    row = Row("malformed control")
    stage.compare(row, mark, [], time.monotonic_ns())
    answers = [json.loads(reply) for reply in replies]
    refused = [answer for answer in answers if not answer["ok"]]
    row.injected["requests"] = len(sent)
    row.announced["requests"] = len(answers)
    row.checks["each refusal says what and what to do"] = all(
        answer["error"]["message"] and answer["error"]["hint"] for answer in refused
    )
    row.checks["none is a fault of the server's own"] = all(answer["error"]["code"] != "internal" for answer in refused)
    row.notes["refused"] = len(refused)
    return row


def port_theft(stage: Stage, chance: random.Random) -> Row:
    """Another server wants the ports of this one."""
    mark = stage.mark()
    refused = refused_start(stage)
    row = Row("port theft")
    stage.compare(row, mark, [], time.monotonic_ns())
    row.injected["refused servers"], row.announced["refused servers"] = 1, int(refused)
    return row


def full_disk(stage: Stage, chance: random.Random) -> Row:
    """The system lets no file of the recording grow; later there is room again."""
    row = Row("full disk")
    try:
        import resource  # noqa: F401
    except ImportError:
        row.skipped = "this system has no limit that a process can set on its files"
        return row
    from rtstrf.record.check import check

    mark = stage.mark()
    name = stage.request("status")["recording"]
    stage.server.ask("fill_disk", ROOM_BYTES)
    stage.until(lambda: stage.request("status"), lambda status: status["recording"] is None)
    over_ns = time.monotonic_ns()
    stage.server.ask("make_room")
    again = stage.request("record.start")["recording"]
    told = stage.compare(row, mark, [], over_ns)
    faults = [event["what"] for event in told["events"] if event["name"] == "fault"]
    found = check(stage.recordings / name)
    row.injected["recordings stopped"] = 1
    row.announced["recordings stopped"] = len([what for what in faults if "recording" in what])
    row.checks["the recording is whole up to where it stopped, and says why"] = bool(
        found.is_whole and found.end not in (None, "closed")
    )
    row.checks["another can be begun when there is room"] = bool(again) and again != name
    return row


def mixed(stage: Stage, chance: random.Random, count: int = 8) -> Row:
    """Faults of the source and of the model in an order and at distances drawn by the seed."""
    mark = stage.mark()
    stalled_s, ordered = 0.0, 0
    for _ in range(count):
        kind = chance.choice(("xrun", "drop", "late", "stall", "long stall", "request"))
        if kind == "xrun":
            stage.server.ask("lose", chance.randint(1, 4000), 1)
        elif kind == "drop":
            stage.server.ask("lose", chance.randint(5000, 30_000), 1)
        elif kind == "late":
            stage.server.ask("late", chance.randint(50, 400))
        elif kind == "request":
            stage.request("mark", label="chaos")
        else:
            stalled_s = (
                chance.uniform(0.1, 1.0) if kind == "stall" else stage.facts["queue_s"] + chance.uniform(0.1, 0.6)
            )
            stage.server.ask("stall", stalled_s)
        ordered += kind in ("xrun", "drop", "late")
        time.sleep(chance.uniform(0.0, 0.6))
    truth = stage.injected(mark, ordered)
    over_ns = time.monotonic_ns() + round(stalled_s * 1e9)
    row = Row("mixed by the seed")
    stage.compare(row, mark, truth, over_ns)
    row.checks["the ladder is climbed down again"] = ladder_is_left(stage)
    row.notes["faults"] = count
    return row


# --- parts ----------------------------------------------------------------------------------------------------------


def of_source(stage: Stage, name: str, orders: Iterable[tuple[Any, ...]], apart_s: float = 0.0) -> Row:
    """Inject faults of the source, one after another."""
    mark, truth = stage.mark(), []
    for count, order in enumerate(orders, start=1):
        stage.server.ask(*order)
        truth = stage.injected(mark, count)
        time.sleep(apart_s)
    row = Row(name)
    told = stage.compare(row, mark, truth, truth[-1]["to_ns"])
    row.notes["states"] = [event["state"] for event in told["events"] if event["name"] == "state"]
    return row


def ladder_is_left(stage: Stage) -> bool:
    """Wait until nothing is done about overload any more."""
    status = stage.until(lambda: stage.request("status"), lambda status: not status["overloaded"])
    return status["overload"] == "none"


def refused_start(stage: Stage) -> bool:
    """Start another server on the same ports, and return whether it was refused in words."""
    command = [sys.executable, "-m", "rtstrf", "live", "--source", "silence"]
    for key in ("data", "control"):
        command += ["--set", f"wire.{key}={stage.facts[key]}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    told = done.stderr
    return done.returncode == 2 and "  -> " in told and "Traceback" not in told and stage.facts["data"] in told


def thief(endpoint: str) -> socket.socket:
    """Take a port as another program would."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the dead linger
    taken.bind((host, int(port)))
    taken.listen()
    return taken

"""docs/protocol.md is true: its examples run, its tables are complete."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import rtstrf.wire
from rtstrf.wire import message, request

DOC = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
PACKAGE = Path(rtstrf.wire.__file__).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)


def table_after(heading: str) -> list[list[str]]:
    """Return the rows of the first table after a line, without its head."""
    lines = DOC[DOC.index(heading) :].splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("language", ["python", "python rtstrf"])
def test_the_client_of_the_page_prints_the_rates_and_ends_with_the_run(engine, language, tmp_path):
    [code] = blocks(language)
    assert len(code.strip().splitlines()) <= 17
    script = tmp_path / "client.py"
    script.write_text(code.replace("tcp://127.0.0.1:5590", engine.server.data_endpoint))
    environment = {**os.environ, "PYTHONPATH": str(Path(rtstrf.__file__).resolve().parents[1])}
    process = subprocess.Popen([sys.executable, "-u", str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    heard = threading.Event()

    def publish():
        i0 = 0
        while not heard.wait(0.005):
            engine.publish(i0, m=119)
            i0 += 1
        engine.publish(i0, n=0, m=119, flags=128)

    publishing = threading.Thread(target=publish)
    publishing.start()
    try:
        first, second = process.stdout.readline(), process.stdout.readline()
    finally:
        heard.set()
        publishing.join()
    process.communicate(timeout=60)
    assert process.returncode == 0
    if language == "python":
        for line in (first, second):
            assert re.fullmatch(r"bin \d+: \d+\.\d Hz on average over 119 units\n", line)
    else:
        assert first == "test\n"
        assert re.fullmatch(r"\d+ \d+\.\d+ \d+\.\d ms after they were sent\n", second)


def test_the_control_client_of_the_page_prints_the_state(engine):
    [code] = blocks("python control")
    code = code.replace("tcp://127.0.0.1:5591", engine.server.control_endpoint)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "running\n"


def test_each_header_of_the_page_is_one_a_client_accepts():
    kinds = []
    for text in blocks("json"):
        kind = json.loads(text)["kind"]
        frames = [f"{kind}/main/".encode(), text.encode()]
        if kind == "rates":
            frames.append(bytes.fromhex(blocks("hex")[0]))
        decoded = message.decode(frames)
        kinds.append(decoded.kind)
        if kind == "rates":
            np.testing.assert_array_equal(decoded.array, np.float32([[0, 1.5, 120], [2, 0.25, 0.001]]))
            assert message.encode(decoded.header, message.as_payload(decoded.array)) == [
                frames[0], frames[1].strip(), frames[2],
            ]  # fmt: skip
    assert kinds == ["rates", "hello", "heartbeat", "event"]


def test_each_kind_and_flag_is_in_its_table():
    assert [name for row in table_after("| kind |") for name in names(row[0])] == [
        "rates", "spectrogram", "onoff", "level", "spikes", "hello", "heartbeat", "event",
    ]  # fmt: skip
    assert [int(row[0]) for row in table_after("| flag |")] == [flag.value for flag in message.Flags]


def test_each_field_that_is_sent_is_in_its_table(engine, connect, gather):
    client = connect(engine)
    engine.publish(0)
    engine.server.event("mark")
    wanted = {"rates", "hello", "heartbeat", "event"}
    common = {name for row in table_after("### Header of every message") for name in names(row[0])}
    tables = {
        "rates": "### Header of an array",
        "hello": "### `hello`",
        "heartbeat": "### `heartbeat`",
        "event": "### `event`",
    }
    from_the_engine = {"hello": {"model"}, "heartbeat": {"state"}}
    for each in gather(client, lambda all_: {m.kind for m in all_} >= wanted):
        known = common | {name for row in table_after(tables[each.kind]) for name in names(row[0])}
        assert set(each.header) - from_the_engine.get(each.kind, set()) <= known


def test_each_field_and_event_of_the_engine_is_in_its_table():
    source = PACKAGE.parent / "engine"
    greeting = ast.parse((source / "greeting.py").read_text(encoding="utf-8"))
    [fields] = [node.value for node in ast.walk(greeting) if isinstance(node, ast.Return)]
    said = {name for row in table_after("### `hello`") for name in names(row[0])}
    assert {key.value for key in fields.keys} == said - {"protocol", "endpoints", "security", "anchor", "machine"}
    folders = (source, PACKAGE, PACKAGE.parent / "sinks")
    code = "".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("*.py"))
    found = re.findall(r'\.event\(\s*"(\w+)"|_put_event\(stream, "(\w+)"|_tell\(\w+, "(\w+)"', code)
    events = {name for names_ in found for name in names_ if name}
    assert events == {name for row in table_after("| event |") for name in names(row[0])}


def test_each_request_and_reply_of_the_page_is_of_the_right_form():
    for text in blocks("json request"):
        assert request.check(request.read_object(text.encode())).cmd == "mark"
    good, bad = (json.loads(text) for text in blocks("json reply"))
    assert set(good) == {"v", "id", "ok", "result", "t1", "t2"}
    assert set(bad) == {"v", "id", "ok", "error", "t1", "t2"}
    with pytest.raises(request.RequestError) as caught:
        request.check({"v": 1, "id": "5b1d", "cmd": "dance"})
    assert bad["error"] == request.refusal_of(caught.value)["error"]


def test_each_command_with_its_arguments_is_in_the_table():
    rows = table_after("| command |")
    assert {names(row[0])[0]: names(row[1]) for row in rows} == {
        cmd: list(args) for cmd, args in request.COMMANDS.items()
    }


def test_each_error_code_is_in_the_table():
    source = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py"))
    used = set(re.findall(r'RequestError\(\s*"(\w+)"', source))
    assert used == {name for row in table_after("| code |") for name in names(row[0])}


def test_each_fault_of_the_fake_server_is_in_its_table():
    from rtstrf.wire.fake import FAULTS
    from rtstrf.wire.golden_frames import golden_messages

    assert [name for row in table_after("| fault |") for name in names(row[0])] == list(FAULTS)
    counts = [sum(each.good == good for each in golden_messages()) for good in (True, False)]
    assert [int(number) for number in re.search(r"a run of (\d+) .*?and (\d+) that", DOC, re.DOTALL).groups()] == counts

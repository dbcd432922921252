from __future__ import annotations

import itertools
import json
import logging
from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.wire import control as control_module
from rtstrf.wire.control import Control
from rtstrf.wire.request import RequestError

HERE = (b"client",)


class Desk:
    """A Control with what it was told and how often it woke its thread."""

    def __init__(self, answer=lambda cmd, args: {}):
        self.told: list[tuple[str, dict]] = []
        self.wakes = 0
        ticks = itertools.count(1)

        def execute(cmd, args):
            self.told.append((cmd, args))
            return answer(cmd, args)

        def wake():
            self.wakes += 1

        self.control = Control(execute, lambda: next(ticks), wake)

    def ask(self, cmd, identity="a", envelope=HERE, **args):
        reply = self.control.receive(envelope, json.dumps({"v": 1, "id": identity, "cmd": cmd, "args": args}).encode())
        return None if reply is None else json.loads(reply)


def test_a_command_is_executed_with_its_arguments_and_its_result_returned():
    desk = Desk(lambda cmd, args: {"was": args["label"]})
    reply = desk.ask("mark", label="left")
    assert (reply["ok"], reply["result"], reply["t1"] < reply["t2"]) == (True, {"was": "left"}, True)
    assert desk.told == [("mark", {"label": "left"})]


@pytest.mark.parametrize("cmd", ["start", "stop", "reset", "arm", "shutdown"])
def test_a_repeated_request_is_executed_once_and_answered_each_time(cmd):
    count = itertools.count()
    desk = Desk(lambda cmd, args: {"count": next(count)})
    unique = "5b1c5b1c5b1c5b1c"
    replies = [desk.ask(cmd, unique), desk.ask(cmd, unique, envelope=(b"reconnected",)), desk.ask(cmd, unique)]
    assert [reply["result"]["count"] for reply in replies] == [0, 0, 0]
    assert len(desk.told) == 1


@pytest.mark.parametrize("identity", [1, "1", "x" * 15])
def test_two_clients_with_the_same_short_id_are_two_requests_with_a_reply_each(identity):
    desk = Desk(lambda cmd, args: {"label": args["label"]})
    replies = [
        desk.ask("mark", identity, envelope=(client,), label=label)
        for client, label in ((b"one", "left"), (b"two", "right"), (b"one", "left"))
    ]
    assert [reply["result"]["label"] for reply in replies] == ["left", "right", "left"]
    assert [args["label"] for _, args in desk.told] == ["left", "right"]


def test_two_clients_that_wait_under_the_same_short_id_are_each_answered():
    futures = {"left": Future(), "right": Future()}
    desk = Desk(lambda cmd, args: futures[args["label"]])
    assert desk.ask("mark", 1, envelope=(b"one",), label="left") is None
    assert desk.ask("mark", 1, envelope=(b"two",), label="right") is None
    for label in ("right", "left"):
        futures[label].set_result({"label": label})
    replies = {envelope: json.loads(reply)["result"]["label"] for envelope, reply in desk.control.resolved()}
    assert replies == {(b"one",): "left", (b"two",): "right"}


def test_whoever_may_not_command_any_more_is_told_and_nothing_is_done():
    desk = Desk()
    request = json.dumps({"v": 1, "id": 1, "cmd": "stop"}).encode()
    assert json.loads(desk.control.receive(HERE, request, allowed=False))["error"]["code"] == "not_allowed"
    assert desk.told == []


def test_a_refusal_is_repeated_too():
    def refuse(cmd, args):
        raise ConfigError("gain is not live", remedy="choose another")

    desk = Desk(refuse)
    first, second = desk.ask("set", name="gain", value=1), desk.ask("set", name="gain", value=1)
    assert (
        first["error"]
        == second["error"]
        == {"code": "refused", "message": "gain is not live", "hint": "choose another"}
    )
    assert len(desk.told) == 1


def test_an_id_used_for_another_request_is_refused_and_nothing_done():
    desk = Desk()
    desk.ask("mark", label="left")
    reply = desk.ask("mark", label="right")
    assert reply["error"]["code"] == "id_reused"
    assert len(desk.told) == 1


def test_a_question_is_answered_anew_each_time():
    count = itertools.count()
    desk = Desk(lambda cmd, args: {"count": next(count)})
    assert [desk.ask("status")["result"]["count"] for _ in range(3)] == [0, 1, 2]


def test_an_id_may_be_used_again_after_a_minute(monkeypatch):
    desk = Desk()
    monkeypatch.setattr(control_module.time, "monotonic", lambda: 100.0)
    desk.ask("reset")
    monkeypatch.setattr(control_module.time, "monotonic", lambda: 160.5)
    desk.ask("reset")
    assert len(desk.told) == 2


def test_no_more_than_1024_requests_are_remembered():
    desk = Desk()
    for identity in range(1100):
        desk.ask("reset", identity=identity)
    assert len(desk.control._entries) == 1024
    desk.ask("reset", identity=1099)
    assert len(desk.told) == 1100


def test_a_future_is_answered_when_it_resolves_to_whoever_asked_last():
    future: Future[dict] = Future()
    desk = Desk(lambda cmd, args: future)
    unique = "5b1c5b1c5b1c5b1c"
    assert desk.ask("start", unique) is None
    assert desk.ask("start", unique, envelope=(b"reconnected",)) is None
    assert (desk.control.resolved(), desk.wakes) == ([], 0)
    future.set_result({"at": 5})
    assert desk.wakes == 1
    [(envelope, reply)] = desk.control.resolved()
    assert envelope == (b"reconnected",)
    assert json.loads(reply)["result"] == {"at": 5}
    assert desk.ask("start", unique)["result"] == {"at": 5}  # now at once, and still executed once
    assert len(desk.told) == 1


def test_a_future_that_had_resolved_already_is_answered_too():
    future: Future[dict] = Future()
    future.set_exception(RequestError("not_armed", "nothing is armed", remedy="arm first"))
    desk = Desk(lambda cmd, args: future)
    assert desk.ask("start") is None
    [(_, reply)] = desk.control.resolved()
    assert json.loads(reply)["error"] == {"code": "not_armed", "message": "nothing is armed", "hint": "arm first"}


def test_requests_that_are_not_done_when_the_server_stops_are_told_so():
    desk = Desk(lambda cmd, args: Future())
    desk.ask("start")
    desk.control.abandon()
    [(_, reply)] = desk.control.resolved()
    assert json.loads(reply)["error"]["code"] == "stopping"


@pytest.mark.parametrize("fault", [ZeroDivisionError("oops"), RuntimeError("gone")])
def test_a_fault_in_the_engine_is_a_reply_and_a_line_in_the_log(fault, caplog):
    def fail(cmd, args):
        raise fault

    with caplog.at_level(logging.ERROR):
        reply = Desk(fail).ask("reset")
    assert reply["error"]["code"] == "internal"
    assert str(fault) in reply["error"]["message"]
    assert "reset" in caplog.text


@pytest.mark.parametrize("result", [None, [1], {"a": float("nan")}, {"a": object()}])
def test_a_result_that_cannot_be_sent_is_an_internal_error(result):
    assert Desk(lambda cmd, args: result).ask("reset")["error"]["code"] == "internal"


@given(data=st.binary(max_size=400))
def test_random_bytes_get_an_error_reply_and_change_nothing(data):
    desk = Desk()
    reply = json.loads(desk.control.receive(HERE, data))
    assert reply["ok"] is False
    assert reply["error"]["hint"]
    assert desk.told == []


def test_the_id_is_in_the_reply_even_where_the_rest_is_wrong():
    reply = json.loads(Desk().control.receive(HERE, b'{"id":"mine"}'))
    assert (reply["id"], reply["error"]["code"]) == ("mine", "bad_request")

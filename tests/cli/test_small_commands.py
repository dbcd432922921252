"""`rtstrf models`, `devices`, `doctor`."""

from __future__ import annotations

import json
import socket

import pytest

from rtstrf.checkpoints.load import bundled_models
from tests.support.command import Command, assert_refused


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


def test_all_bundled_models_are_listed(rtstrf: Command) -> None:
    outcome = rtstrf("models", "--json")
    rows = json.loads(outcome.out)
    assert outcome.code == 0
    assert [row["name"] for row in rows] == bundled_models()
    assert "statenet-gru-ns1" in bundled_models()
    shown = rtstrf("models").out
    for row in rows:
        assert row["name"] in shown
        assert row["model_class"] in shown


def test_one_model_is_shown_with_its_units_and_citation(rtstrf: Command) -> None:
    row = json.loads(rtstrf("models", "statenet-gru-ns1", "--json").out)
    assert len(row["units"]) == 119
    assert 0.5 < row["mean_cc_norm"] < 1
    shown = rtstrf("models", "statenet-gru-ns1").out
    assert "118" in shown
    assert "cite:" in shown


def test_an_unknown_model_says_which_there_are(rtstrf: Command) -> None:
    assert_refused(rtstrf("models", "none"), "no model 'none'", "statenet-gru-ns1")


def test_the_doctor_looks_at_everything_and_says_what_to_do(rtstrf: Command) -> None:
    findings = json.loads(rtstrf("doctor", "--json").out)
    assert {
        "machine",
        "models",
        "sound files",
        "microphone",
        "network",
        "display",
        "screen",
        "ports",
        "models by OWNER/NAME",
    } <= {finding["what"] for finding in findings}
    assert all(finding["ok"] or finding["remedy"] for finding in findings)
    shown = rtstrf("doctor")
    assert shown.code == 0
    for finding in findings:
        assert finding["ok"] or f"{finding['what']}: {finding['remedy']}" in shown.out.splitlines()


def test_the_doctor_finds_a_port_that_is_in_use_and_not_one_whose_connections_just_closed(
    rtstrf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> dict[str, object]:
        return next(f for f in json.loads(rtstrf("doctor", "--json").out) if f["what"] == "ports")

    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        monkeypatch.setattr("rtstrf.cli.demo.DEFAULT_PORTS", (port, port))
        assert str(port) in str(found()["found"])
        assert not found()["ok"]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # first, so that the port keeps the connection in TIME_WAIT
            assert client.recv(1) == b""
    assert found()["ok"]

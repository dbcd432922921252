"""`rtstrf models`, `devices`, `doctor`."""

from __future__ import annotations

import json

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
    assert rtstrf("models").out.count("StateNet") == len(rows)


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
    assert {"machine", "models", "sound files", "microphone", "network", "display", "screen", "ports"} <= {
        finding["what"] for finding in findings
    }
    assert all(finding["ok"] or finding["remedy"] for finding in findings)
    assert rtstrf("doctor").code == 0

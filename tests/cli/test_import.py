"""`rtstrf import`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstrf.checkpoints import deepstrf
from rtstrf.checkpoints.load import load_model
from tests.support.command import Command, assert_refused
from tests.support.golden_case import write_case

TAPS = deepstrf.prefilter_taps(8, 500.0, 20000.0)


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_case(tmp_path / "case") / "ckpt"


def test_a_folder_of_deepstrf_becomes_one_that_streams(rtstrf: Command, folder: Path, tmp_path: Path) -> None:
    facts = ("--hz-per-response", 200, "--bin-ms", 5, "--sample-rate", 44100, "--round-bin", "--prefilter-taps", TAPS)
    front_end = ("--wav2spec", "defaults,log_offset=1.0", "--name", "mine")
    outcome = rtstrf("import", folder, "--out", tmp_path / "out", *facts, *front_end)
    assert (outcome.code, outcome.err) == (0, "")
    for word in (
        "wav2spec: mel",
        "log_offset=1.0",
        "prefiltering: adaptrans",
        f"kernel_frames={TAPS}",
    ):
        assert word in outcome.out
    assert f"{tmp_path / 'out'}: 3 units" in outcome.out
    assert f"next: rtstrf verify {tmp_path / 'out'}\n" in outcome.out
    loaded = load_model(tmp_path / "out")
    assert loaded.sidecar.name == "mine"
    assert loaded.sidecar.hz_per_response == 200


def test_a_long_path_is_printed_in_one_piece_to_be_copied(rtstrf: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 5)
    facts = ("--hz-per-response", 200, "--bin-ms", 5, "--sample-rate", 44100, "--round-bin", "--prefilter-taps", TAPS)
    outcome = rtstrf("import", folder, "--out", out, *facts, "--wav2spec", "defaults,log_offset=1.0")
    assert f"next: rtstrf verify {out}" in outcome.out.splitlines()
    assert [line.partition(":")[0] for line in outcome.out.splitlines()][:2] == ["wav2spec", "prefiltering"]


def test_what_is_missing_is_one_message_with_the_options(rtstrf: Command, folder: Path, tmp_path: Path) -> None:
    assert_refused(
        rtstrf("import", folder, "--out", tmp_path / "out"), "does not say", "--prefilter-taps K", "--sample-rate HZ"
    )
    assert_refused(rtstrf("import", tmp_path, "--out", tmp_path / "out"), "has no config.json")


def test_a_model_of_spectrograms_is_told_that_it_cannot_hear(rtstrf: Command, tmp_path: Path) -> None:
    from rtstrf.checkpoints.save import save_model
    from rtstrf.models.linear import Linear

    model = Linear(8, 2)
    sidecar = deepstrf.make_sidecar("m", {**model.options, "_model_class": "Linear"}, 2)
    save_model(tmp_path / "m", model, sidecar)
    given = (tmp_path / "m", "--hz-per-response", 1, "--bin-ms", 5)
    outcome = rtstrf("import", *given, "--out", tmp_path / "out")
    assert outcome.code == 0
    assert "It takes spectrograms" in outcome.out
    assert_refused(rtstrf("import", *given, "--out", tmp_path / "out"), "exists")
    assert rtstrf("import", *given, "--out", tmp_path / "out", "--overwrite").code == 0


def test_units_get_their_names_and_facts_from_a_file(rtstrf: Command, folder: Path, tmp_path: Path) -> None:
    facts = ("--hz-per-response", 200, "--bin-ms", 5, "--sample-rate", 44100, "--round-bin", "--prefilter-taps", TAPS)
    named = (*facts, "--wav2spec", "defaults,log_offset=1.0", "--units", tmp_path / "units.csv")
    (tmp_path / "units.csv").write_text("id,depth_um,best_frequency_hz\nm1-u3,350,1200\nm1-u7,,\n")
    assert_refused(rtstrf("import", folder, "--out", tmp_path / "out", *named), "lists 2 units, the model has 3")
    assert not (tmp_path / "out").exists()
    (tmp_path / "units.csv").write_text("id,depth_um,best_frequency_hz\nm1-u3,350,1200\nm1-u7,,\nm2-u1,410,\n")
    assert rtstrf("import", folder, "--out", tmp_path / "out", *named).code == 0
    units = load_model(tmp_path / "out").sidecar.units
    assert [unit.id for unit in units] == ["m1-u3", "m1-u7", "m2-u1"]
    assert (units[0].depth_um, units[0].best_frequency_hz, units[1].depth_um) == (350.0, 1200.0, None)

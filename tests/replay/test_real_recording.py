"""The served path on a real recording: the same bits however the sound is cut into blocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstrf.checkpoints.load import load_model
from rtstrf.replay.play import replay
from rtstrf.sound.file import FileSource

RECORDING = Path(__file__).parents[3] / "shared/ns1/spikesandwav/SH.En.C/source.1.sound.0.snr.0.token.0.fw.2.frozen.1"


@pytest.mark.skipif(not RECORDING.exists(), reason="the NS1 recordings are not beside the project")
def test_rates_of_a_recording_have_one_sha256_for_all_blocks() -> None:
    model = load_model("statenet-gru-ns1")
    sha256s = {
        block: replay(FileSource(RECORDING), model, block=block, keep_rates=False).rates_sha256
        for block in (1, 7, 240, 4096, "random")
    }
    assert len(set(sha256s.values())) == 1, sha256s

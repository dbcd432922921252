"""Checkpoints by their hub name, from a stand-in on this machine: fetched, cached, pinned, and refused by name."""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import huggingface_hub.constants
import pytest
import torch

from rtstrf.checkpoints.hub import bare_name, fetch, is_hub_name
from rtstrf.checkpoints.importing import Given, import_checkpoint
from rtstrf.checkpoints.load import load_model
from rtstrf.errors import CheckpointError, MissingExtraError
from tests.support.golden import COMMITTED
from tests.support.hub import COMMIT, Hub, serving
from tests.support.models import tiny_checkpoint

FOLDER = COMMITTED / "statenet_gru_lc" / "ckpt"
FACTS = Given(hz_per_response=200.0, bin_ms=5.0)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return folder


def point_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as hub:
        point_to(hub.url, monkeypatch)
        hub.publish("lab/statenet", FOLDER, **{"README.md": b"a card", "pytorch_model.bin": b"\x80\x04 a pickle"})
        yield hub


@pytest.fixture
def unreachable(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    point_to(f"http://127.0.0.1:{port}", monkeypatch)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library try again at once, not after seconds."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def refused(name: str, *words: str) -> None:
    with pytest.raises(CheckpointError) as told:
        fetch(name, ["config.json", "model.safetensors"])
    for word in words:
        assert word in str(told.value)
    assert told.value.remedy


def test_a_checkpoint_of_the_hub_is_imported_as_its_folder_is(hub: Hub, tmp_path: Path) -> None:
    told = import_checkpoint("lab/statenet", tmp_path / "out", FACTS)
    here = import_checkpoint(FOLDER, tmp_path / "here", FACTS)
    assert told.name == "statenet"
    assert told.provenance["imported_from"] == f"lab/statenet@{COMMIT}"
    assert told.provenance["weights_sha256"] == here.provenance["weights_sha256"]
    assert load_model(tmp_path / "out").sidecar == told


def test_only_what_is_needed_is_fetched_and_only_once(hub: Hub, tmp_path: Path) -> None:
    import_checkpoint("lab/statenet", tmp_path / "out", FACTS)
    import_checkpoint("lab/statenet", tmp_path / "again", FACTS)
    assert sorted(hub.sent) == ["config.json", "model.safetensors"]


def test_what_was_fetched_is_there_without_a_connection(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_checkpoint("lab/statenet", tmp_path / "out", FACTS)
    point_to("http://127.0.0.1:9", monkeypatch)
    import_checkpoint("lab/statenet", tmp_path / "again", FACTS)
    import_checkpoint(f"lab/statenet@{COMMIT}", tmp_path / "pinned", FACTS)
    assert len(hub.sent) == 2


def test_a_repository_with_a_sidecar_streams_at_once(hub: Hub, tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m")
    hub.publish("lab/streams", folder)
    loaded, here = load_model("lab/streams"), load_model(folder)
    assert loaded.sidecar == here.sidecar
    assert all(map(torch.equal, loaded.model.state_dict().values(), here.model.state_dict().values()))


def test_a_repository_without_one_names_the_command_that_makes_it(hub: Hub) -> None:
    with pytest.raises(CheckpointError, match=r"rtstrf import lab/statenet --out FOLDER"):
        load_model("lab/statenet")


def test_a_sidecar_out_of_reach_is_not_taken_for_none(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish("lab/streams", tiny_checkpoint(tmp_path / "m"))
    fetch("lab/streams", ["config.json", "model.safetensors"])
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=r"its stream\.json can neither be fetched"):
        load_model("lab/streams")


def test_a_repository_that_says_too_little_is_named_in_the_list_of_what_is_missing(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"lab/statenet does not say .*\n.*--bin-ms"):
        import_checkpoint("lab/statenet", tmp_path / "out", Given())
    assert not (tmp_path / "out").exists()


def test_a_folder_here_goes_before_the_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "statenet").symlink_to(FOLDER)
    monkeypatch.chdir(tmp_path)
    import_checkpoint("lab/statenet", tmp_path / "out", FACTS)
    assert hub.sent == []


def test_an_unknown_repository_revision_or_file_is_named(hub: Hub) -> None:
    refused("lab/statenett", "no model 'lab/statenett'", "hf auth login")
    refused("lab/statenet@v9", "lab/statenet", "no revision 'v9'")
    del hub.files["lab/statenet"]["model.safetensors"]
    refused("lab/statenet", "lab/statenet on the Hugging Face Hub has no model.safetensors")
    hub.gated.add("lab/statenet")
    refused("lab/statenet@main", "accept its terms")


def test_a_hub_out_of_reach_says_so(unreachable: None, no_pause: None) -> None:
    refused("lab/statenet", "there is no folder lab/statenet", "config.json", "check the connection")


def test_without_leave_to_go_online_only_the_cache_is_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    refused("lab/statenet", "offline mode", "HF_HUB_OFFLINE")
    assert hub.sent == []


def test_a_broken_connection_leaves_nothing_that_is_taken_for_a_file(hub: Hub, tmp_path: Path, no_pause: None) -> None:
    hub.cut_short.add("model.safetensors")
    refused("lab/statenet", "model.safetensors of lab/statenet cannot be fetched")
    hub.cut_short.clear()
    import_checkpoint("lab/statenet", tmp_path / "out", FACTS)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    genuine = importlib.import_module

    def missing(name: str, *args: Any) -> ModuleType:
        if name.startswith("huggingface_hub"):
            raise ModuleNotFoundError(name=name)
        return genuine(name, *args)

    monkeypatch.setattr(importlib, "import_module", missing)
    for use in (load_model, lambda name: import_checkpoint(name, tmp_path / "out", FACTS)):
        with pytest.raises(MissingExtraError, match=r"no folder lab/statenet.*huggingface_hub.*\n.*rtstrf\[hub\]"):
            use("lab/statenet")


def test_the_command_takes_a_hub_name(hub: Hub, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "rtstrf", "import", "lab/statenet", "--out", str(tmp_path / "out")]
    facts = ["--hz-per-response", "200", "--bin-ms", "5"]
    done = subprocess.run([*command, *facts], env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "stream.json").read_text())["name"] == "statenet"


@pytest.mark.parametrize(
    ("name", "may_be"),
    [
        ("owner/name", True),
        ("owner/name@v1.0", True),
        ("owner/name@refs/pr/1", True),
        ("statenet-gru-ns1", False),
        ("./owner/name", False),
        ("../name", False),
        ("/owner/name", False),
        ("~/name", False),
        ("a/b/c", False),
        ("owner/name/", False),
        ("owner/", False),
        ("", False),
    ],
)
def test_a_hub_name_is_owner_and_name(name: str, may_be: bool) -> None:
    assert is_hub_name(name) is may_be
    if may_be:
        assert bare_name(name) == "name"
    else:
        with pytest.raises(CheckpointError, match="give OWNER/NAME"):
            fetch(name, ["config.json"])

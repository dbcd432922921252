"""What is fuzzed: each target makes a malformed input of a seed, and tries it."""

from __future__ import annotations

import io
import json
import logging
import random
import struct
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import yaml

from rtstrf.chaos import malformed
from rtstrf.chaos.malformed import as_json, mutated, mutated_object
from rtstrf.checkpoints.load import load_model
from rtstrf.config.live import LiveConfig
from rtstrf.config.load import load_config
from rtstrf.config.sources import make_source
from rtstrf.errors import UserError
from rtstrf.extras import require
from rtstrf.fit.config import read_config
from rtstrf.sound.file import FileSource
from tests.support.models import tiny_checkpoint

ROOT = Path(__file__).parents[2]
YAML_PIECES = (
    *malformed.TEXTS, b"\n", b"  ", b"- ", b": ", b"&a ", b"*a", b"!!python/object:os.system ", b"|\n", b"#", b"\t",
    b"%YAML", b"<<: *a", b"0x", b"1_000", b"? ", b".inf", b"2020-01-01", b"12:30:45",
    b"2020-13-45", b"!!bool ", b"!!int ", b"!!float ", b"!!timestamp ", b"!!set ", b"!!binary ", b"!!null ",
    b"...\n---\n",
)  # fmt: skip
READ_SAMPLES = 1_000_000


class Target(ABC):
    """Something that takes what strangers wrote.

    Parameters
    ----------
    folder : Path
        Empty; what is tried is written there.
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def make(self, chance: random.Random) -> Any:
        """Return a malformed input; bytes, or something that has a `repr` to tell it by."""

    @abstractmethod
    def attempt(self, made: Any) -> bool:
        """Take it in; False where it is refused. Whatever it raises but a UserError is a failure."""

    def close(self) -> None:  # noqa: B027
        """Check that all is as before; nothing where nothing goes on between two inputs."""


class Requests(Target):
    """Control requests, over a socket, to a session that runs."""

    name = "requests"
    args: ClassVar[dict[str, dict[str, Any]]] = {
        "events": {"since": 0}, "start": {"at": 0}, "mark": {"label": "fuzz", "t_client": "12"},
        "get": {"name": "engine.gain_db"}, "set": {"name": "engine.gain_db", "value": 3.0},
        "stream.add": {"name": "second", "source": {"kind": "tone", "frequency_hz": 500.0}, "gain_db": 0},
        "stream.remove": {"name": "second"}, "record.start": {"name": "a"},
    }  # fmt: skip
    commands: ClassVar[tuple[str, ...]] = (
        "hello", "ping", "status", "events", "arm", "start", "stop", "reset", "mark", "get", "set", "stream.add",
        "stream.remove", "record.start", "record.stop",
    )  # fmt: skip

    def __init__(self, folder: Path) -> None:
        from rtstrf.engine.engine import Engine
        from rtstrf.sound.synthetic import SilenceSource

        super().__init__(folder)
        keys = ["wire.data=tcp://127.0.0.1:0", "wire.control=tcp://127.0.0.1:0", "engine.spare_lanes=1"]
        self._logged: list[str] = []
        self._handler = _Keep(self._logged)
        logging.getLogger("rtstrf").addHandler(self._handler)
        self._engine = Engine(load_config(LiveConfig, None, ["source.kind=silence", *keys]), SilenceSource())
        self._engine.start()
        self._zmq = require("zmq", "wire")
        self._context = self._zmq.Context()
        self._socket = self._context.socket(self._zmq.DEALER)
        self._socket.connect(self._engine.server.control_endpoint)

    def make(self, chance: random.Random) -> bytes:
        cmd = chance.choice(self.commands)
        valid = {
            "v": 1,
            "id": chance.choice((7, "id", f"{chance.random()}")),
            "cmd": cmd,
            "args": self.args.get(cmd, {}),
        }
        if chance.random() < 0.5:
            return as_json(mutated_object(chance, valid))
        return mutated(chance, as_json(valid))

    def attempt(self, made: bytes) -> bool:
        before = len(self._logged)
        self._socket.send_multipart([b"", made])
        if not self._socket.poll(10_000):
            raise AssertionError("no reply within 10 s")
        reply = json.loads(self._socket.recv_multipart()[-1])
        if not reply["ok"]:
            error = reply["error"]
            assert error["code"] != "internal", error
            assert error["message"], error
            assert error["hint"] or error["code"] == "refused", error
        assert len(self._logged) == before, self._logged[before:]
        return reply["ok"]

    def close(self) -> None:
        """Check that the session still runs, and end it."""
        assert not self._engine.ended, "the session has ended"
        assert self.attempt(b'{"v":1,"id":"last","cmd":"ping"}')
        self._socket.close(linger=0)
        self._context.term()
        self._engine.stop()
        logging.getLogger("rtstrf").removeHandler(self._handler)


class _Keep(logging.Handler):
    """Keep what is logged as an error: the wire thread tells there what it did not expect."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(self.format(record))


class Configs(Target):
    """Configuration files and overrides of a session and of a fit."""

    name = "configs"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        live = sorted((ROOT / "configs").glob("*.yaml"))
        self._valid = [(LiveConfig, path.read_bytes()) for path in live]
        self._valid += [(None, path.read_bytes()) for path in sorted((ROOT / "configs" / "fit").glob("*.yaml"))]
        assert len(self._valid) > len(live) > 0

    def make(self, chance: random.Random) -> tuple[bool, bytes, list[str]]:
        section, valid = chance.choice(self._valid)
        overrides = []
        if chance.random() < 0.3:
            keys = [
                b"engine.queue_hops=3",
                b"source={kind: tone}",
                b"wire.topics=[level]",
                b"engine.overload.rungs=[chunks]",
            ]
            text = mutated(chance, chance.choice(keys), YAML_PIECES)
            overrides = [text.decode(errors="replace")]
        if chance.random() < 0.4:
            changed = mutated_object(chance, yaml.safe_load(valid))
            return section is not None, yaml.safe_dump(changed).encode("utf-8", "surrogatepass"), overrides
        return section is not None, mutated(chance, valid, YAML_PIECES), overrides

    def attempt(self, made: tuple[bool, bytes, list[str]]) -> bool:
        live, text, overrides = made
        path = self.folder / "config.yaml"
        path.write_bytes(text)
        if live:
            config = load_config(LiveConfig, path, overrides)
            if config.source.kind not in ("microphone", "file", "stdin"):
                make_source(config.source)
        else:
            read_config(path, overrides)
        return True


class Checkpoints(Target):
    """A folder with config.json, stream.json and model.safetensors."""

    name = "checkpoints"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        valid = tiny_checkpoint(folder / "valid")
        self._valid = {path.name: path.read_bytes() for path in valid.iterdir()}
        self._where = folder / "tried"
        self._where.mkdir()

    def make(self, chance: random.Random) -> dict[str, bytes]:
        files = dict(self._valid)
        for _ in range(chance.choice((1, 1, 2))):
            name = chance.choice(list(self._valid))
            if name.endswith(".json"):
                files[name] = self._json(chance, self._valid[name])
            else:
                files[name] = self._weights(chance, self._valid[name])
            if chance.random() < 0.02:
                del files[name]
        return files

    def _json(self, chance: random.Random, valid: bytes) -> bytes:
        if chance.random() < 0.6:
            return as_json(mutated_object(chance, json.loads(valid)))
        return mutated(chance, valid)

    def _weights(self, chance: random.Random, valid: bytes) -> bytes:
        (length,) = struct.unpack("<Q", valid[:8])
        header, data = valid[8 : 8 + length], valid[8 + length :]
        kind = chance.randrange(3)
        if kind == 0:
            header = as_json(mutated_object(chance, json.loads(header)))
            return struct.pack("<Q", len(header)) + header + data
        if kind == 1:
            header = mutated(chance, header)
            return struct.pack("<Q", chance.choice((len(header), length, 2**40, 0))) + header + data
        return mutated(chance, valid)

    def attempt(self, made: dict[str, bytes]) -> bool:
        for name in self._valid:
            path = self._where / name
            if name in made:
                path.write_bytes(made[name])
            else:
                path.unlink(missing_ok=True)
        load_model(self._where)
        return True


class Sounds(Target):
    """Sound files of four formats, read to their end."""

    name = "sounds"
    formats: ClassVar[tuple[tuple[str, str], ...]] = (
        ("wav", "PCM_16"),
        ("wav", "FLOAT"),
        ("flac", "PCM_24"),
        ("ogg", "VORBIS"),
        ("mp3", "MPEG_LAYER_III"),
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        soundfile = require("soundfile", "sound")
        noise = 0.1 * np.random.default_rng(0).standard_normal((2000, 2))
        self._valid = []
        for suffix, subtype in self.formats:
            if suffix.upper() in soundfile.available_formats():
                file = io.BytesIO()
                soundfile.write(file, noise, 44100, format=suffix.upper(), subtype=subtype)
                self._valid.append((suffix, file.getvalue()))

    def make(self, chance: random.Random) -> tuple[str, bytes]:
        suffix, valid = chance.choice(self._valid)
        if chance.random() < 0.5:  # faults in the header do more than faults in the sound
            head = chance.choice((16, 44, 200))
            return suffix, mutated(chance, valid[:head]) + valid[head:]
        return suffix, mutated(chance, valid)

    def attempt(self, made: tuple[str, bytes]) -> bool:
        suffix, data = made
        path = self.folder / f"sound.{suffix}"
        path.write_bytes(data)
        with FileSource(path) as source:
            heard = 0
            while (block := source.read(4096)) is not None and heard < READ_SAMPLES:
                assert np.isfinite(block.samples).all()
                heard += len(block.samples)
        return True


TARGETS: dict[str, type[Target]] = {each.name: each for each in (Requests, Configs, Checkpoints, Sounds)}
REFUSED = UserError

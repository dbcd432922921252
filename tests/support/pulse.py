"""A virtual sound card: a private PulseAudio whose null sink is played into and whose monitor is listened to.

Everything lies below one directory: nothing of the user's own sound set-up is read or changed. PortAudio and ALSA
read their settings when they are loaded, so whoever listens runs in a process of its own, with
`PulseServer.environment`.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("pulseaudio", "paplay", "pactl")
SINK = "card"
DEVICE = "pulse"  # the name under which PortAudio lists the monitor
_PATIENCE_S = 20.0

# The whole configuration of ALSA: one device, which is PulseAudio's default source.
_ALSA_CONFIG = """
pcm.pulse { type pulse; hint { show on; description "PulseAudio" } }
ctl.pulse { type pulse }
pcm.!default { type pulse }
ctl.!default { type pulse }
"""


def missing_programs() -> list[str]:
    """Return what is not installed of what a virtual sound card needs."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    plugin = any(Path("/usr/lib").glob("**/alsa-lib/libasound_module_pcm_pulse.so"))
    return missing if plugin else [*missing, "libasound2-plugins"]


class PulseServer:
    """A running server.

    Parameters
    ----------
    directory : Path
        Its own; short, as the path of a Unix socket has at most 107 characters.
    rate_hz : int
    channels : int

    Attributes
    ----------
    environment : dict
        For a process that is to listen to the card as PortAudio's default input, or to play into it.
    """

    def __init__(self, directory: Path, *, rate_hz: int = 48000, channels: int = 1) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.rate_hz = rate_hz
        self.channels = channels
        socket = directory / "native"
        alsa = directory / "asound.conf"
        alsa.write_text(_ALSA_CONFIG)
        home = directory / "home"
        home.mkdir(exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE", "ALSA"))}
        self.environment = inherited | {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(directory),
            "XDG_CONFIG_HOME": str(home),
            "PULSE_RUNTIME_PATH": str(directory),
            "PULSE_STATE_PATH": str(home),
            "PULSE_SERVER": f"unix:{socket}",
            "PULSE_SINK": SINK,
            "PULSE_SOURCE": f"{SINK}.monitor",
            "PULSE_COOKIE": str(home / "cookie"),
            "ALSA_CONFIG_PATH": str(alsa),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = socket
        self._layout = f"rate={rate_hz} channels={channels} format=float32le"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = (self.directory / "pulse.log").open("wb")
        with log:
            self._process = subprocess.Popen(
                [
                    "pulseaudio",
                    "-n",  # no default script, and no daemon.conf matters for what follows
                    "--daemonize=no",
                    "--use-pid-file=no",
                    "--exit-idle-time=-1",
                    "--disallow-exit=no",
                    "--disable-shm=yes",
                    "--realtime=no",
                    "--high-priority=no",
                    "--log-target=stderr",
                    f"--load=module-null-sink sink_name={SINK} norewinds=1 {self._layout}",
                    f"--load=module-native-protocol-unix auth-anonymous=1 socket={self._socket}",
                ],
                env={name: value for name, value in self.environment.items() if name != "PULSE_SERVER"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE_S
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"PulseAudio does not start:\n{(self.directory / 'pulse.log').read_text()}")
            select.select([], [], [], 0.05)  # between questions, as it tells nobody that it is ready

    def stop(self) -> None:
        """Stop the server, as if the sound card were pulled out."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def unplug(self) -> None:
        """Take the card out of the running server."""
        self._control("unload-module", "module-null-sink")

    def plug(self) -> None:
        """Put the card back."""
        self._control("load-module", "module-null-sink", f"sink_name={SINK}", "norewinds=1", *self._layout.split())

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the server for the length of a with statement: it delivers nothing, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _control(self, *command: str) -> None:
        subprocess.run(["pactl", *command], env=self.environment, check=True, capture_output=True, timeout=_PATIENCE_S)

    def play(self, path: Path) -> None:
        """Play a sound file into the card, and return when it has been played."""
        self.play_in_background(path).wait(timeout=600)

    def play_in_background(self, path: Path) -> subprocess.Popen[bytes]:
        """Start to play a sound file into the card; the caller waits for the process."""
        return subprocess.Popen(["paplay", f"--device={SINK}", str(path)], env=self.environment)


@contextmanager
def virtual_sound_card(directory: Path, **layout: int) -> Iterator[PulseServer]:
    """Run a `PulseServer` for the length of a with statement."""
    server = PulseServer(directory, **layout)
    server.start()
    try:
        yield server
    finally:
        server.stop()

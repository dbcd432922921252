"""What the sound libraries print by themselves is left out; everything else arrives."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, sys, subprocess
from rtstrf.sound.chatter import without_chatter
print("before", file=sys.stderr)
with without_chatter():
    os.write(2, b"ALSA lib pcm_pulse.c:758:(pulse_prepare) PulseAudio: Unable to create stream\\n\\n")
    os.write(2, b"Expression 'r' failed in 'src/hostapi/alsa/pa_linux_alsa.c', line: 2097\\n")
    os.write(2, b"another library has something to say\\n")
    print("from Python", file=sys.stderr)
    subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('from a child')"])
os.write(2, b"\\nafter\\n")
raise SystemExit(3)
"""


def test_only_the_lines_of_alsa_and_portaudio_are_left_out() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert sorted(lines[1:-1]) == ["another library has something to say", "from Python", "from a child"]

"""Every source of sound: microphone, files, synthetic sounds, a built-in scene and standard input, in pascals.

Start reading at `source.py` (what a source is), then `make.py` (a source by name), `pace.py` (the clock of a device
for those that have none) and `resample.py` (from its blocks to the model's hops). Importing this package loads
neither sounddevice nor soundfile; the sources that need them do when they are made.
"""

from rtstrf.sound.make import SOURCES, open_source, source_options
from rtstrf.sound.pace import Paced
from rtstrf.sound.resample import Hops
from rtstrf.sound.source import Block, Source, SourceInfo

__all__ = ["SOURCES", "Block", "Hops", "Paced", "Source", "SourceInfo", "open_source", "source_options"]

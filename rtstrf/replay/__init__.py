"""Replay: a sound through the served path, hop by hop, to its rates and to the latency to expect.

Start reading at `play.py`, where blocks go in and what was measured comes out; `figures.py` says what the figures
mean; `rates_file.py` and `report.py` write them down.
"""

from rtstrf.replay.play import Replayed, replay
from rtstrf.replay.rates_file import RatesFile, load_rates, save_rates

__all__ = ["RatesFile", "Replayed", "load_rates", "replay", "save_rates"]

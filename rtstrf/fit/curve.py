"""The learning curve as a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rtstrf.extras import require
from rtstrf.fit.run_folder import write


def draw_learning_curve(log: list[dict[str, Any]], path: Path) -> None:
    """Draw loss and validation scores of every network over epochs, as PNG.

    Parameters
    ----------
    log : list of dict
        Lines of a run's log.
    path : Path
    """
    require("matplotlib", "report")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    for name in dict.fromkeys(line["network"] for line in log):
        lines = [line for line in log if line["network"] == name]
        epochs = [line["epoch"] for line in lines]
        single = {"student": 2.5, "model": 2.5}.get(name, 1.0)  # the network that is kept stands out
        panels[0].plot(epochs, [line["loss"] for line in lines], label=name, linewidth=single)
        panels[1].plot(epochs, [line["validation_cc_norm"] or math.nan for line in lines], label=name, linewidth=single)
    for panel, label in zip(panels, ("training loss", "validation cc_norm, mean over units"), strict=True):
        panel.set_xlabel("epoch")
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
    panels[1].set_ylim(0, 1)
    panels[0].legend()
    write(path, lambda target: figure.savefig(target, format="png", dpi=120))

"""Where the faults happen: a server, a client that keeps all it is told, and what both say of a stretch of sound."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtstrf.chaos.peer import Peer, PeerError
from rtstrf.chaos.row import Row, bins_concealed, bins_unheard
from rtstrf.wire.client import Client

PATIENCE_S = 45.0
WELL_S = 0.2  # so long must all be well before a fault counts as over


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the run from which on is compared."""

    bin: int
    events: int
    injected: int
    xruns: int
    missing: int


class Stage:
    """A server and its witness.

    Parameters
    ----------
    folder : Path
        For logs and recordings.
    """

    server_module = "rtstrf.chaos.server"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recordings = folder / "recordings"
        self.log = folder / "log.txt"
        self.server = self.start_server("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
        try:
            self.witness = self.start_witness(lag_s=1e6)
        except BaseException:
            self.server.kill()
            raise

    @property
    def facts(self) -> dict[str, Any]:
        """What the server said when it was ready."""
        return self.server.ready

    def start_server(self, data: str, control: str) -> Peer:
        """Start a server that records."""
        keys = [f"wire.data={data}", f"wire.control={control}", f"record.folder={self.recordings}"]
        return Peer(self.server_module, *keys, log=self.log)

    def start_witness(self, *, lag_s: float) -> Peer:
        """Start a client that keeps what it is told."""
        return Peer("rtstrf.chaos.witness", self.facts["data"], str(lag_s), log=self.log)

    def close(self) -> None:
        """End both processes."""
        for peer in (self.server, self.witness):
            peer.end()

    def request(self, command: str, **args: Any) -> dict[str, Any]:
        """Ask the server by its control channel."""
        with Client(self.facts["data"], self.facts["control"], topics=()) as client:
            return client.request(command, PATIENCE_S, **args)

    # --- a stretch of sound ---------------------------------------------------------------------------------------

    def mark(self) -> Mark:
        """Wait until the witness has all that was captured until now, and remember where that is."""
        truth = self.server.ask("truth")
        bins = truth["position"] // self.facts["hop_samples"]
        where = self.until(lambda: self.witness.ask("where"), lambda where: where["next_bin"] >= bins)
        status = self.request("status")
        return Mark(
            where["next_bin"], where["event_count"], len(truth["injected"]), status["xruns"], status["bins_missing"]
        )

    def injected(self, mark: Mark, count: int) -> list[dict[str, Any]]:
        """Wait until so many faults of the source are over since a mark, and return them."""
        truth = self.until(
            lambda: self.server.ask("truth"), lambda truth: len(truth["injected"]) >= mark.injected + count
        )
        return truth["injected"][mark.injected :]

    def told_well(self, mark: Mark, over_ns: int) -> dict[str, Any]:
        """Wait until all has been well for a while after a fault was over, and return what was told since a mark."""
        well = self.until(
            lambda: self.witness.ask("told", mark.bin, 2**53, over_ns, mark.events),
            lambda told: told["well_ns"] is not None and told["now_ns"] - told["well_ns"] > WELL_S * 1e9,
        )
        told = self.witness.ask("told", mark.bin, well["next_bin"], over_ns, mark.events)
        return {**told, "to_bin": well["next_bin"]}

    def until(self, ask: Callable[[], dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask again and again until the answer is as it must be, and return it."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            answer = ask()
            if holds(answer):
                return answer
            if time.monotonic() > deadline_s:
                raise PeerError(f"waited in vain for {PATIENCE_S:g} s; the last answer: {str(answer)[:500]}")
            time.sleep(0.05)

    # --- a row ----------------------------------------------------------------------------------------------------

    def compare(self, row: Row, mark: Mark, injected: list[dict[str, Any]], over_ns: int) -> dict[str, Any]:
        """Put what happened to sound and bins since a mark into a row, and return what was told."""
        told = self.told_well(mark, over_ns)
        events, hop, conceal = told["events"], self.facts["hop_samples"], self.facts["conceal_samples"]
        losses = [(each["at_sample"], each["samples"]) for each in injected if each["samples"]]
        overload = sum(event["dropped"] for event in events if event["name"] == "overload")
        told_losses = [(event["at_sample"], event["samples"]) for event in events if event["name"] == "loss"]
        status = self.request("status")
        last = told["to_bin"]
        row.injected |= {
            "samples lost": sum(samples for _, samples in losses),
            "bins missing": last - mark.bin - told["bins"],
        }
        row.announced |= {
            "samples lost": sum(samples for _, samples in told_losses),
            "bins missing": told["gap_bins"],
        }
        concealed = [index for i0, n in told["concealed"] for index in range(i0, i0 + n)]
        dropped_too = [index for index in bins_concealed(losses, hop, conceal) if index not in concealed]
        row.checks |= {
            "each loss told where it was": told_losses == losses,
            "xruns counted": status["xruns"] - mark.xruns == sum(each["xruns"] for each in injected),
            "bins missing are those lost in long losses and those dropped": told["gap_bins"]
            == bins_unheard(losses, hop, conceal) + overload,
            "bins missing are told as events too": told["gap_bins"]
            == sum(event["bins"] for event in events if event["name"] == "gap"),
            "bins missing stand in the status": told["gap_bins"] == status["bins_missing"] - mark.missing,
            "bins filled with zeros are marked, and no other": len(dropped_too) <= overload
            and set(concealed) <= set(bins_concealed(losses, hop, conceal)),
            "the client missed nothing": told["lost"] == 0 and told["malformed"] == 0,
            "the run goes on": told["run"] == self.facts["run"],
        }
        row.notes |= {
            "bins": last - mark.bin,
            "dropped by overload": overload,
            "latest_ms": round(told["latest_ms"], 1),
        }
        row.recovery_s = max(0.0, (told["well_ns"] - over_ns) / 1e9)
        return told

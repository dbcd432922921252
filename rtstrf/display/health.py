"""Whether what is seen is alive and complete: numbers for the health strip, and the worst of it in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rtstrf.display.history import MessageLike

Severity = Literal["waiting", "good", "caution", "ended", "alarm"]

STALE_S = 3.0
RECENT_S = 10.0
EVENT_S = 6.0
OVERLOADED, REPLAY, LAST = 8, 16, 128


@dataclass(frozen=True, slots=True)
class Report:
    """The health of the stream at one moment.

    Attributes
    ----------
    severity : {"waiting", "good", "caution", "ended", "alarm"}
    words : str
        What is wrong, or that nothing is.
    age_s : float or None
        Time since the newest rates were received; None before the first.
    latency_p50_ms, latency_p99_ms : float or None
        From the capture of a bin's last sample to its rates leaving the server, over the last 2000 messages.
    load_p50, load_p99 : float or None
        Computing time of a bin over its width.
    xruns, samples_lost, messages_lost : int
        Overflows of the sound card and samples lost with them, as the server counts; messages lost on the way here,
        those that the display itself was too slow for among them.
    state : str
        What the server says it is doing.
    """

    severity: Severity
    words: str
    age_s: float | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    load_p50: float | None = None
    load_p99: float | None = None
    xruns: int = 0
    samples_lost: int = 0
    messages_lost: int = 0
    state: str = ""


class Health:
    """Follows messages and tells how the stream is.

    Parameters
    ----------
    endpoint : str, optional
        Named while nothing has come.

    Attributes
    ----------
    ended : bool
        Whether the run has ended, by its last rates or by the server's word.
    source_lost : bool
        Whether the source of the sound is away; once the run has ended, whether it ended so.
    run : str or None

    Examples
    --------
    >>> Health("tcp://127.0.0.1:5590").report(0).words
    'listening to tcp://127.0.0.1:5590: nothing received yet'
    """

    def __init__(self, endpoint: str = "") -> None:
        self.endpoint = endpoint
        self.run: str | None = None
        self._restart()

    def _restart(self) -> None:
        self.ended = False
        self.source_lost = False
        self._heard_ns: int | None = None
        self._rates_ns: int | None = None
        self._last_seq: dict[str, int] = {}
        self._latencies_ms: deque[float] = deque(maxlen=2000)
        self._loads: deque[float] = deque(maxlen=2000)
        self._heartbeat: dict[str, Any] = {}
        self._lost = 0
        self._lost_recently: deque[tuple[int, int]] = deque(maxlen=1000)
        self._overloaded_ns: int | None = None
        self._event: tuple[int, str] | None = None
        self._xruns_ns: int | None = None

    def extend(self, messages: Iterable[MessageLike]) -> None:
        """Take note of several messages, in the order received."""
        for message in messages:
            self.add(message)

    def add(self, message: MessageLike) -> None:
        """Take note of one message."""
        header, now_ns = message.header, message.t_recv_ns
        self._follow_run(header.get("run"))
        self._heard_ns = now_ns
        seq = header.get("seq")
        if isinstance(seq, int):
            self._follow_seq(_topic(message), seq, now_ns)
        if message.kind == "rates":
            self._follow_rates(header, now_ns)
        elif message.kind == "heartbeat":
            if _count(header.get("xruns")) > _count(self._heartbeat.get("xruns")) and self._heartbeat:
                self._xruns_ns = now_ns
            self._heartbeat = header
            self._follow_state(header.get("state"))
        elif message.kind == "event":
            self._event = (now_ns, _event_text(header))
            details = header.get("details")
            if header.get("name") == "state" and isinstance(details, dict):
                self._follow_state(details.get("state"))

    def drop(self, first: MessageLike, last: MessageLike, now_ns: int) -> None:
        """Count messages that were received but thrown away, before those that came after them are added.

        Parameters
        ----------
        first, last : MessageLike
            Of one run and topic.
        now_ns : int
            When it happened.
        """
        self._follow_run(last.header.get("run"))
        seqs = first.header.get("seq"), last.header.get("seq")
        if isinstance(seqs[0], int) and isinstance(seqs[1], int):
            topic = _topic(last)
            self._last_seq.setdefault(topic, seqs[0] - 1)
            self._follow_seq(topic, seqs[1] + 1, now_ns)  # as if the next one had come: all up to the last are lost
            self._last_seq[topic] = seqs[1]

    def over(self, now_ns: int) -> bool:
        """Return whether no more is to be expected: the run has ended, or it fell silent after rates had come."""
        silent = self._heard_ns is not None and (now_ns - self._heard_ns) / 1e9 > STALE_S
        return self.ended or (silent and self._rates_ns is not None)

    def _follow_run(self, run: str | None) -> None:
        if run != self.run:
            self.run = run
            self._restart()

    def _follow_seq(self, topic: str, seq: int, now_ns: int) -> None:
        missed = seq - self._last_seq.get(topic, seq - 1) - 1
        self._last_seq[topic] = seq
        if missed > 0:
            self._lost += missed
            self._lost_recently.append((now_ns, missed))

    def _follow_state(self, state: object) -> None:
        """Take the server's word for the end of the run too: the last message of rates may be lost."""
        if state == "ended":
            self.ended = True
        elif isinstance(state, str):
            self.source_lost = state == "source_lost"

    def _follow_rates(self, header: dict[str, Any], now_ns: int) -> None:
        self._rates_ns = now_ns
        captured, published = header.get("t_cap"), header.get("t_pub")
        if isinstance(captured, int) and isinstance(published, int):
            self._latencies_ms.append((published - captured) / 1e6)
        load = header.get("load")
        if isinstance(load, int | float):
            self._loads.append(float(load))
        flags = _count(header.get("flags"))
        if flags & OVERLOADED:
            self._overloaded_ns = now_ns
        self.ended = bool(flags & LAST)

    def report(self, now_ns: int) -> Report:
        """Return the health at a reading of the local monotonic clock."""
        severity, words = self._judge(now_ns)
        latency, load = _p50_p99(self._latencies_ms), _p50_p99(self._loads)
        return Report(
            severity,
            words,
            age_s=None if self._rates_ns is None else max(0.0, (now_ns - self._rates_ns) / 1e9),
            latency_p50_ms=latency[0],
            latency_p99_ms=latency[1],
            load_p50=load[0],
            load_p99=load[1],
            xruns=_count(self._heartbeat.get("xruns")),
            samples_lost=_count(self._heartbeat.get("samples_lost")),
            messages_lost=self._lost,
            state=str(self._heartbeat.get("state", ""))[:24],
        )

    def _judge(self, now_ns: int) -> tuple[Severity, str]:
        if self._heard_ns is None:
            return "waiting", f"listening to {self.endpoint}: nothing received yet"
        silence_s = (now_ns - self._heard_ns) / 1e9
        if self.ended and self.source_lost:
            return "alarm", "the source of the sound was lost: the run has ended"
        if self.ended:
            return "ended", "the run has ended"
        if silence_s > STALE_S:
            return "alarm", f"nothing received for {silence_s:.0f} s: the simulator stopped or cannot be reached"
        if self.source_lost:
            return "alarm", "the source of the sound is lost: waiting until it is back"
        if self._rates_ns is None:
            return "waiting", f"connected to {self.endpoint}: no rates yet"
        if (now_ns - self._rates_ns) / 1e9 > STALE_S:
            state = self._heartbeat.get("state")
            if isinstance(state, str) and state != "running":
                return "caution", f"the simulator is {state[:24]}"
            since_s = (now_ns - self._rates_ns) / 1e9
            return "alarm", f"no rates for {since_s:.0f} s: the simulator is alive, but no sound comes through"
        return self._caution(now_ns)

    def _caution(self, now_ns: int) -> tuple[Severity, str]:
        recent_ns = now_ns - int(RECENT_S * 1e9)
        lost = sum(missed for t_ns, missed in self._lost_recently if t_ns >= recent_ns)
        if self._overloaded_ns is not None and self._overloaded_ns >= recent_ns:
            ago_s = (now_ns - self._overloaded_ns) / 1e9
            when = "overloaded" if ago_s < 1 else f"overloaded {ago_s:.0f} s ago"
            return "caution", f"{when}: sound waited to be computed"
        if lost:
            return "caution", f"{lost} message{'s' if lost > 1 else ''} lost in the last {RECENT_S:.0f} s"
        if self._xruns_ns is not None and self._xruns_ns >= recent_ns:
            return "caution", "the sound card overflowed: samples were lost"
        if self._event is not None and (now_ns - self._event[0]) / 1e9 < EVENT_S:
            return "good", self._event[1]
        return "good", "live"


def _p50_p99(values: deque[float]) -> tuple[float | None, float | None]:
    if not values:
        return None, None
    p50, p99 = np.percentile(np.fromiter(values, float), [50, 99])
    return float(p50), float(p99)


def _topic(message: MessageLike) -> str:
    return f"{message.kind}/{message.header.get('stream')}"


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _event_text(header: dict[str, Any]) -> str:
    details = header.get("details")
    told = details if isinstance(details, dict) else {}
    label = next((told[key] for key in ("label", "what", "state") if told.get(key)), None)
    name = str(header.get("name", "event"))[:40]
    return f"{name}: {str(label)[:100]}" if label else name

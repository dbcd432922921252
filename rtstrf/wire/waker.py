"""Waking a thread that waits in a ZeroMQ poll, from any other thread, within microseconds."""

from __future__ import annotations

import contextlib
import socket
import threading


class Waker:
    """A socket pair, since that is what every system can poll; works before it is opened and after it is closed.

    The thread that polls calls `arm`, then looks whether there is work, then polls. Between two polls a call costs
    nothing: whoever finds the waker armed has found a thread that has not seen its work.

    Examples
    --------
    >>> waker = Waker()
    >>> waker.wake()  # nobody waits yet: nothing happens
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # or a late call could write into whatever gets the file descriptor next
        self._pair: tuple[socket.socket, socket.socket] | None = None
        self._armed = False

    def open(self) -> int:
        """Open it and return the file descriptor to poll."""
        receiver, sender = socket.socketpair()
        for each in (receiver, sender):
            each.setblocking(False)
        with self._lock:
            self._pair = (receiver, sender)
        return receiver.fileno()

    def arm(self) -> None:
        """Let the next call wake the poll that follows; for the thread that polls."""
        self._armed = True

    def wake(self) -> None:
        """Wake the thread that polls, or let its next poll return at once."""
        if not self._armed:
            return
        self._armed = False
        # A full buffer means that many calls are pending: one more is of no use.
        with self._lock, contextlib.suppress(BlockingIOError):
            if self._pair is not None:
                self._pair[1].send(b"\x00")

    def clear(self) -> None:
        """Forget the calls so far; for the thread that polls, where its poll says that there were any."""
        with contextlib.suppress(BlockingIOError):
            if self._pair is not None:
                self._pair[0].recv(4096)

    def close(self) -> None:
        """Close both ends; may be called twice."""
        with self._lock:
            for each in self._pair or ():
                each.close()
            self._pair = None

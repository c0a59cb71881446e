"""Waiting until an exact moment on gevent's loop, without keeping answers waiting.

The loop's timers are 1 ms coarse (libev's minimum for epoll), so the last stretch is waited actively: the waiter is
woken by every turn of the loop until its moment has come. Not by ``gevent.sleep(0)``: the loop runs such callbacks for
up to 5 ms (the interpreter's switch interval) before it looks at a socket again. Instead a descriptor that is always
readable keeps the loop turning, and each turn looks at all sockets.
"""

from __future__ import annotations

import os
import time

from gevent import get_hub, getcurrent

from harness.clock import NS_PER_MS, NS_PER_S, now_ns
from harness.load.client.connection import READ, Activity

ACTIVE_NS = 1_500_000
"""How long before the moment active waiting begins: a coarse wait was seen to end up to 1.2 ms late."""


class Pacer:
    """Belongs to one greenlet, the dispatcher; only it may call the methods.

    ``waited_ns`` is the CPU time spent on turns of the loop in which nothing else happened: the generator's waiting, as
    opposed to its work. A turn in which ``activity`` counted anything is work, all of it.
    """

    def __init__(self, activity: Activity) -> None:
        self._hub = get_hub()
        self._activity = activity
        self._always = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._turns = self._hub.loop.io(self._always, READ)
        self._turning = False
        self.waited_ns = 0

    def wait_until(self, moment_ns: int) -> None:
        """Return at ``moment_ns``, late by a turn of the loop at most; at once if it has passed.

        On return the loop is turning: whoever switches away from the dispatcher is back after one turn.
        """
        left = moment_ns - now_ns()
        if left > ACTIVE_NS + NS_PER_MS:
            self._coarse(left - ACTIVE_NS)
        if not self._turning:
            self._turns.start(getcurrent().switch)
            self._turning = True
        activity, switch = self._activity, self._hub.switch
        while now_ns() < moment_ns:
            before, cpu_ns = activity.count, time.thread_time_ns()
            switch()
            if activity.count == before:
                self.waited_ns += time.thread_time_ns() - cpu_ns

    def turn(self) -> None:
        """Let the loop look at all sockets once. Only after ``wait_until``."""
        self._hub.switch()

    def rest(self) -> None:
        """No moment is being waited for any more: let the loop sleep."""
        if self._turning:
            self._turns.stop()
            self._turning = False

    def _coarse(self, duration_ns: int) -> None:
        self.rest()
        timer = self._hub.loop.timer(duration_ns / NS_PER_S)
        timer.start(getcurrent().switch)
        try:
            self._hub.switch()
        finally:
            timer.stop()
            timer.close()

"""A pool of children for one service: callers borrow one each, a late or dead one is replaced behind their backs.

It reads no reply and judges nothing; it sets no signal handler and works from any thread and after a fork.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable

from caderno.workers import wire
from caderno.workers.process import Child, StartFailed


class ServiceError(RuntimeError):
    """The service raised: a defect of the service, never a verdict on what it was asked. `type` is the exception's."""

    def __init__(self, type: str, message: str, where: str = ""):
        self.type, self.message = type, message
        super().__init__(f"{type}: {message}\n{where}".strip())


class Pool:
    """Up to `size` children of one service, started when first needed."""

    def __init__(self, service: str, size: int = 2):
        self.service, self.size = service, size
        self._renew()
        _pools.add(self)

    def _renew(self) -> None:
        self._changed = threading.Condition()
        self._ready: list[Child] = []
        self._failures: deque[StartFailed] = deque()
        self._children: set[Child] = set()
        self._starting = 0
        self._closed = False

    def call(self, request: dict, deadline_s: float) -> dict:
        """The service's reply. The deadline counts from when a ready child takes the request.

        Raises DeadlineMissed (the child is killed and replaced), WorkerDied (it ended), StartFailed (there is none),
        ServiceError (the service raised) and wire.FrameTooLarge (more than 1 MiB to send).
        """
        frame = wire.encode({"request": request, "deadline_s": deadline_s}, wire.MAX_REQUEST_BYTES)
        child = self._borrow()
        try:
            reply = child.ask(frame, deadline_s)
        except BaseException:  # whatever it was, KeyboardInterrupt too, an answer may still be under way in this pipe
            self._discard(child)
            raise
        self._give_back(child)
        if "error" in reply:
            raise ServiceError(reply["error"], reply["message"], reply["where"])
        return reply["value"]

    def pids(self) -> list[int]:
        """Process ids of the children there are now, ready, busy or starting."""
        with self._changed:
            return sorted(child.pid for child in self._children)

    def close(self) -> None:
        """Kill all children. A call after it raises StartFailed."""
        with self._changed:
            self._closed = True
            idle, self._ready = self._ready, []
            for child in self._children:
                child.kill()  # who holds it reaps it: its pipes may be in use
            self._children.clear()
            self._changed.notify_all()
        for child in idle:
            child.reap()

    def _borrow(self) -> Child:
        with self._changed:
            while not self._closed:
                self._fill()
                if self._failures:  # told even where another child could answer: half a pool is no secret
                    raise self._failures.popleft()
                while self._ready:
                    child = self._ready.pop()  # the last one back has the warmest cache
                    if child.alive():
                        return child
                    self._drop(child)
                self._fill()
                self._changed.wait()
        raise StartFailed(f"the pool of {self.service} is closed")

    def _give_back(self, child: Child) -> None:
        with self._changed:
            if child in self._children:
                self._ready.append(child)
                self._changed.notify()
            else:  # the pool was closed meanwhile
                self._drop(child)

    def _discard(self, child: Child) -> None:
        child.kill()
        with self._changed:
            self._drop(child)
            self._fill()

    def _drop(self, child: Child) -> None:
        """Of a child that this caller alone holds: forget it, and bury it in the background."""
        self._children.discard(child)
        _in_background(child.reap)

    def _fill(self) -> None:
        """Ask for the children that are missing."""
        while len(self._children) + self._starting < self.size and not self._closed and not self._failures:
            self._starting += 1
            _in_background(self._start)

    def _start(self) -> None:
        """In the background thread: spawn a child and leave the wait for it to a thread of its own."""
        try:
            child = Child(self.service)
        except Exception as error:  # whatever it was is told to who waits; this thread must live on
            return self._failed(None, StartFailed(f"{self.service} could not be started: {error!r}"))
        with self._changed:
            self._starting -= 1
            if self._closed:
                return child.reap()
            self._children.add(child)
        threading.Thread(target=self._await, args=(child,), name="caderno-worker-start", daemon=True).start()

    def _await(self, child: Child) -> None:
        try:
            child.wait_ready()
        except StartFailed as error:
            self._failed(child, error)
        else:
            self._give_back(child)

    def _failed(self, child: Child | None, failure: StartFailed) -> None:
        with self._changed:
            if child is None:
                self._starting -= 1
            else:
                self._drop(child)
            if not self._closed:
                self._failures.append(failure)
            self._changed.notify_all()

    def _after_fork(self) -> None:
        for child in self._children:
            child.disown()
        self._renew()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_shared: dict[str, Pool] = {}
_lock = threading.Lock()
_jobs: queue.SimpleQueue[Callable[[], object]] | None = None


def shared(service: str, size: int = 2) -> Pool:
    """The process's one pool for a service; it grows to the largest size that was asked for."""
    with _lock:
        if service not in _shared:
            _shared[service] = Pool(service, size)
        _shared[service].size = max(_shared[service].size, size)
        return _shared[service]


def _in_background(job: Callable[[], object]) -> None:
    """Run a job in the thread that starts children.

    One thread starts them all and lives as long as the process: the kernel kills a child when the thread that started
    it ends, and callers' threads come and go.
    """
    global _jobs
    with _lock:
        if _jobs is None:
            _jobs = queue.SimpleQueue()
            threading.Thread(target=_work, args=(_jobs,), name="caderno-workers", daemon=True).start()
    _jobs.put(job)


def _work(jobs: queue.SimpleQueue[Callable[[], object]]) -> None:
    while True:
        jobs.get()()


def _after_fork() -> None:
    """In a fork the parent's children are not ours, its threads are not here, and one may have held the lock."""
    global _lock, _jobs
    _lock, _jobs = threading.Lock(), None
    for pool in list(_pools):
        pool._after_fork()


@atexit.register
def close_all() -> None:
    """Close every pool of this process."""
    for pool in list(_pools):
        pool.close()


os.register_at_fork(after_in_child=_after_fork)

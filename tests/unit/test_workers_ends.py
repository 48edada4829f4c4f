"""Whose a child is and when it ends: threads, forks, the parent's end, a closed pool."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from worker_pools import SERVICE, ask, gone

from caderno import workers


@pytest.fixture(scope="module")
def pool():
    with_two = workers.Pool(SERVICE)
    yield with_two
    with_two.close()


def test_a_child_outlives_the_thread_that_first_asked():
    """The kernel's death signal is tied to the thread that started a child, and callers' threads come and go."""
    pool, found = workers.Pool(SERVICE, 1), []
    thread = threading.Thread(target=lambda: found.append(ask(pool, "echo", value=0)["pid"]))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert ask(pool, "echo", value=0)["pid"] == found[0]
    pool.close()


def test_a_fork_has_children_of_its_own(pool):
    mine = ask(pool, "echo", value=0)["pid"]
    read, write = os.pipe()
    if (fork := os.fork()) == 0:
        signal.alarm(60)  # a fork that waits for its parent's threads must fail, not hang
        try:
            os.write(write, json.dumps([ask(pool, "echo", value=i) for i in range(3)]).encode())
        finally:
            workers.close_all()
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answers:
        theirs = json.load(answers)
    os.waitpid(fork, 0)
    assert [answer["value"] for answer in theirs] == [0, 1, 2]
    assert mine not in {answer["pid"] for answer in theirs}
    assert ask(pool, "echo", value=0)["pid"] in pool.pids()


PARENT = """
    import os, sys, threading
    sys.path.insert(0, {tests!r})
    print("imported", flush=True)
    from caderno import workers
    pool = workers.Pool("worker_services", 2)
    print(pool.call({{"do": "echo", "value": 0}}, 30)["pid"], flush=True)
    if {stall}:
        threading.Thread(target=lambda: pool.call({{"do": "spin"}}, 60), daemon=True).start()
    sys.stdin.read()
"""


@pytest.mark.parametrize("stall", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("end", ["kill", "exit"])
def test_children_end_with_their_parent(stall, end):
    script = textwrap.dedent(PARENT.format(tests=str(Path(__file__).parent), stall=stall))
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "imported\n"  # and its children do not run its script: no second such line
    child = int(parent.stdout.readline())
    if end == "kill":
        parent.kill()
    else:
        parent.stdin.close()
    assert gone(child)
    assert parent.wait(20) == (-9 if end == "kill" else 0) and parent.stdout.read() == ""


def test_a_closed_pool_has_no_children_and_says_so():
    pool = workers.Pool(SERVICE)
    ask(pool, "echo", value=0)
    pids = pool.pids()
    pool.close()
    assert pids and all(gone(pid) for pid in pids)
    with pytest.raises(workers.StartFailed, match="closed"):
        ask(pool, "echo", value=0)


def test_a_service_has_one_shared_pool_as_large_as_anyone_asked():
    assert workers.shared(SERVICE, 1) is workers.shared(SERVICE, 3)
    assert workers.shared(SERVICE).size == 3
    workers.shared(SERVICE).size = 1


def test_no_signal_handler_is_set(pool):
    script = (
        "import signal, sys; sys.path.insert(0, sys.argv[1]); from caderno import workers;"
        "before = [signal.getsignal(s) for s in signal.valid_signals()];"
        "print(workers.Pool('worker_services', 1).call({'do': 'echo', 'value': 7}, 30)['value'],"
        "before == [signal.getsignal(s) for s in signal.valid_signals()])"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "7 True\n"

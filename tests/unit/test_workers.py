"""Hardened child processes: what they cannot do, what they cost when they fail, and who is the worse for it."""

from __future__ import annotations

import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from worker_pools import SERVICE, ask, gone

from caderno import workers
from caderno.workers import process

TOO_MANY_FILES = "OSError 24"  # EMFILE


@pytest.fixture(scope="module")
def pool():
    with_two = workers.Pool(SERVICE)
    yield with_two
    with_two.close()


def test_a_request_is_answered_whatever_it_holds(pool):
    for value in ({"a": [1, 2.5, None, "ç"]}, "\ud800 lone", "x" * 200_000, float("inf")):
        assert ask(pool, "echo", value=value)["value"] == value


def test_many_threads_each_get_their_own_answer(pool):
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda i: ask(pool, "echo", value=i), range(200)))
    assert [answer["value"] for answer in answers] == list(range(200))
    assert {answer["pid"] for answer in answers} <= set(pool.pids()) and os.getpid() not in pool.pids()


def test_nothing_can_be_opened_by_anyone(pool, tmp_path):
    found = ask(pool, "open", tmp=str(tmp_path))
    assert found == dict.fromkeys(found, TOO_MANY_FILES) and list(tmp_path.iterdir()) == []


def test_a_service_opens_its_own_files_and_writes_none(pool, tmp_path):
    found = ask(pool, "service_open", tmp=str(tmp_path))
    assert found == {"kept": True, "written": "OSError 27", "after": TOO_MANY_FILES}  # EFBIG
    assert all(not file.read_bytes() for file in tmp_path.iterdir())


def test_the_environment_is_not_the_trainers(pool, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("PYTHONSTARTUP", "/tmp/x.py")
    fresh = workers.Pool(SERVICE, 1)
    found = ask(fresh, "environment")
    fresh.close()
    assert set(found["names"]) <= {*process.ENVIRONMENT, *process.KEPT} and found["cwd"] == "/"


def test_limits_are_locked(pool):
    limits = ask(pool, "limits", deadline_s=3)
    assert limits["RLIMIT_FSIZE"] == limits["RLIMIT_CORE"] == [0, 0]
    assert limits["RLIMIT_AS"] == [4 << 30, 4 << 30]
    assert limits["RLIMIT_NOFILE"][0] <= 16 and limits["RLIMIT_NOFILE"][1] == 256
    assert 8 <= limits["RLIMIT_CPU"][0] <= 30 and limits["RLIMIT_CPU"][1] == resource.RLIM_INFINITY
    assert limits["session"] != os.getsid(0)  # Ctrl-C in the terminal does not reach it


def test_memory_is_bounded(pool):
    assert ask(pool, "memory", bytes=1 << 20)["size"] == 1 << 20
    with pytest.raises(workers.ServiceError, match="MemoryError"):
        ask(pool, "memory", bytes=6 << 30)


def test_a_missed_deadline_costs_the_deadline_and_one_child(pool):
    before = set(pool.pids())
    for stall in ({"do": "sleep", "seconds": 60}, {"do": "spin"}):
        started = time.monotonic()
        with pytest.raises(workers.DeadlineMissed):
            pool.call(stall, 0.3)
        assert 0.25 < time.monotonic() - started < 2.0
    assert ask(pool, "echo", value=1)["value"] == 1
    killed = before - set(pool.pids())
    assert killed and all(gone(pid) for pid in killed)


def test_a_start_is_no_part_of_a_deadline(tmp_path, monkeypatch):
    pool = planted(tmp_path, monkeypatch, "slow_start", "import time\ndef prepare(): time.sleep(1.5)\n")
    assert pool.call({}, 0.2) == {}
    pool.close()


def test_a_service_that_raises_is_a_defect_and_its_child_lives_on():
    pool = workers.Pool(SERVICE, 1)
    pid = ask(pool, "echo", value=0)["pid"]
    with pytest.raises(workers.ServiceError, match="LookupError: planted") as raised:
        ask(pool, "fail", text="planted")
    assert raised.value.type == "LookupError" and "do_fail" in str(raised.value)
    assert ask(pool, "echo", value=0)["pid"] == pid
    pool.close()


def test_a_child_that_ends_says_how_and_is_replaced(pool):
    with pytest.raises(workers.WorkerDied, match=r"left with code 3; its last words:\nlast words"):
        ask(pool, "leave", code=3)
    with pytest.raises(workers.WorkerDied, match="ended by signal 11"):
        ask(pool, "crash")
    assert ask(pool, "echo", value=1)["value"] == 1


def test_a_child_that_ended_between_two_requests_is_not_asked():
    pool = workers.Pool(SERVICE, 1)
    pid = ask(pool, "echo", value=0)["pid"]
    os.kill(pid, 9)
    assert gone(pid)
    assert ask(pool, "echo", value=0)["pid"] != pid
    pool.close()


def planted(tmp_path: Path, monkeypatch, name: str, text: str) -> workers.Pool:
    """A pool of one for a service written here."""
    (tmp_path / f"{name}.py").write_text(text + "def handle(request): return {}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return workers.Pool(name, 1)


def test_a_service_that_cannot_start_says_why(tmp_path, monkeypatch):
    pool = planted(tmp_path, monkeypatch, "no_start", "def prepare(): import no_such_module\n")
    for _ in range(2):  # and is tried again for the next caller
        with pytest.raises(workers.StartFailed, match=r"(?s)left with code 1.*No module named 'no_such_module'"):
            pool.call({}, 1)
    pool.close()


def test_a_service_that_does_not_start_in_time_says_what_it_said(tmp_path, monkeypatch):
    text = "import sys, time\ndef prepare():\n    print('hum', file=sys.stderr, flush=True)\n    time.sleep(60)\n"
    monkeypatch.setattr(process, "START_S", 3.0)
    pool = planted(tmp_path, monkeypatch, "late_start", text)
    with pytest.raises(workers.StartFailed, match=r"(?s)not ready after 3 s.*hum"):
        pool.call({}, 1)
    pool.close()


def test_messages_are_bounded_both_ways(pool):
    pids = set(pool.pids())
    with pytest.raises(workers.ServiceError, match="FrameTooLarge"):
        ask(pool, "big", bytes=workers.MAX_REPLY_BYTES)
    with pytest.raises(workers.FrameTooLarge):
        ask(pool, "echo", value="x" * workers.MAX_REQUEST_BYTES)
    assert set(pool.pids()) == pids


def test_what_a_library_prints_spoils_and_stalls_nothing(pool):
    assert ask(pool, "chatter", bytes=300_000) == {"done": True}
    assert ask(pool, "echo", value=2)["value"] == 2


def test_an_interrupted_call_leaves_no_answer_for_the_next(pool, monkeypatch):
    whole = process.Child._receive

    def interrupted(child, until):
        monkeypatch.setattr(process.Child, "_receive", whole)
        raise KeyboardInterrupt

    monkeypatch.setattr(process.Child, "_receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(pool, "echo", value="stale")
    assert [ask(pool, "echo", value=i)["value"] for i in range(4)] == [0, 1, 2, 3]

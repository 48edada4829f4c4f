"""What preflight asks of the machine, and what it takes for a secret; every question that could hang is hung once."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time

import pytest

from caderno.guards import facts_static_machine as machine
from caderno.guards.secret_text import find_secrets


def test_gpus_as_nvidia_smi_tells_them():
    text = "NVIDIA L4, 23034, 460, 8.9\nTesla T4, 15360, 3, 7.5\n"
    assert machine.read_gpus(text) == [
        {"name": "NVIDIA L4", "memory_gib": pytest.approx(22.49, abs=0.01), "used_gib": pytest.approx(0.449, abs=0.001),
         "capability": 8.9},
        {"name": "Tesla T4", "memory_gib": 15.0, "used_gib": pytest.approx(0.003, abs=0.001), "capability": 7.5},
    ]  # fmt: skip
    assert machine.read_gpus("NVIDIA L4, [N/A], 460, 8.9\n") is None and machine.read_gpus("") == []


def test_a_driver_that_hangs_is_unknown(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(machine, "GPU_DEADLINE_S", 0.2)
    assert machine.gpus() is None
    program.write_text("#!/bin/sh\necho 'NVIDIA L4, 23034, 460, 8.9'\n")
    assert machine.gpus()[0]["name"] == "NVIDIA L4"
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.gpus() == []


@pytest.fixture
def metadata(monkeypatch):
    """A metadata server; `answer` is what it says after `delay_s`."""
    state = {"answer": "{}", "delay_s": 0.0}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(state["delay_s"])
            self.send_response(200 if self.headers["Metadata-Flavor"] == "Google" else 403)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):  # the caller has stopped waiting
                self.wfile.write(state["answer"].encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(machine, "METADATA_HOST", f"127.0.0.1:{server.server_address[1]}")
    yield state
    server.shutdown()
    server.server_close()


def test_idle_shutdown_is_asked_for_and_never_waited_for(metadata):
    metadata["answer"] = json.dumps({"idle-timeout-seconds": "10800", "proxy-mode": "service_account"})
    assert machine._idle_timeout_s() == 10_800
    for answer in ("{}", "[]", "not JSON", '{"idle-timeout-seconds": "soon"}'):
        metadata["answer"] = answer
        assert machine._idle_timeout_s() is None
    metadata["delay_s"] = 3.0
    began = time.monotonic()
    assert machine._idle_timeout_s() is None and time.monotonic() - began < 1.5


SECRETS = {
    "hf_" + "a1B2c3D4e5" * 3 + "ABCD": "Hugging Face",
    "WANDB_API_KEY=" + "0123456789abcdef" * 2 + "01234567": "W&B",
    "sk-" + "a1B2c3D4e5" * 3: "OpenAI",
    "ghp_" + "a1B2c3D4e5" * 4: "GitHub",
    "AKIA" + "ABCDEFGH12345678": "AWS",
    "AIza" + "a1B2c3D4e5" * 3 + "abcde": "Google",
    "-----BEGIN RSA PRIVATE KEY-----": "private key",
    'password: "' + "x9" * 10 + '"': "by name",
}


@pytest.mark.parametrize(("text", "kind"), SECRETS.items(), ids=list(SECRETS.values()))
def test_secrets_are_named_and_not_repeated(text, kind):
    [found] = find_secrets(f"a\nb\n{text}\n")
    assert kind in found and "line 3" in found and text not in found


@pytest.mark.parametrize(
    "text",
    ["revision: " + "0123456789abcdef" * 2 + "01234567", "hf_model", "the api_key is read from the environment",
     "password: see the vault", "sk-learn", "tokens: 20_000_000", "max_new_tokens: 1536", "secret=${MY_SECRET_NAME}"],
)  # fmt: skip
def test_prose_and_commits_are_no_secrets(text):
    assert find_secrets(text) == []

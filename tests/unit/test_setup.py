"""Set-up: which set, which settings, when it starts anew, and what it refuses. Nothing is installed here.

The commands that fetch packages are replaced; `make setup` itself is what every run of these tests has been through.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"help", "setup", "demo", "smoke", "test", "lab", "bench", "gpu-check", "guard-page", "pins", "clean"}


@pytest.fixture
def setup_env(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    for name in ("CADERNO_SET", *(key for key in os.environ if key.startswith("UV_"))):
        monkeypatch.delenv(name, raising=False)
    return importlib.import_module("setup_env")


@pytest.fixture
def checkout(setup_env, monkeypatch, tmp_path) -> Path:
    """A checkout with the files that set-up reads, whose commands are only noted down (`checkout/commands`)."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(setup_env, "ROOT", tmp_path)
    monkeypatch.setattr(setup_env, "has_nvidia_driver", lambda: False)
    monkeypatch.setattr(setup_env.pip_settings, "read", lambda python: {})
    monkeypatch.setattr(setup_env, "step", noting(tmp_path))
    return tmp_path


def noting(checkout: Path, failing: str = "nothing"):
    """A `step` that installs a torch without CUDA, and fails at the step whose title holds `failing`."""

    def step(what: str, command: list, mend: str = "", **options) -> None:
        with (checkout / "commands").open("a") as file:
            file.write(what + "\n")
        if failing in what:
            raise importlib.import_module("setup_env").SetupError(what)
        torch = checkout / ".venv/lib/python3.11/site-packages/torch"
        torch.mkdir(parents=True, exist_ok=True)
        (torch / "version.py").write_text("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n")
        (checkout / ".venv/bin").mkdir(exist_ok=True)
        (checkout / ".venv/bin/python").touch()

    return step


def commands(checkout: Path) -> list[str]:
    file = checkout / "commands"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


# Which machine, which Python


def test_python_must_be_3_11(setup_env):
    with pytest.raises(setup_env.WrongMachine, match=r"is Python 3\.12; expected 3\.11"):
        setup_env.check_python(version=(3, 12, 1))
    setup_env.check_python()


def test_a_missing_venv_module_is_named(setup_env):
    with pytest.raises(setup_env.WrongMachine, match=r"no module no_such_venv.*apt install python3\.11-venv"):
        setup_env.check_python(modules=("no_such_venv",))


@pytest.mark.parametrize(("answer", "expected"), [("exit 0", "gpu"), ("exit 9", "cpu"), (None, "cpu")])
def test_the_driver_decides(setup_env, monkeypatch, tmp_path, answer, expected):
    monkeypatch.setattr(setup_env, "DRIVER", tmp_path / "version")
    monkeypatch.setenv("PATH", str(tmp_path))
    if answer:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert setup_env.choose_set(None) == expected
    (tmp_path / "version").touch()
    assert setup_env.choose_set(None) == "gpu"
    assert setup_env.choose_set("cpu") == "cpu"


def test_an_unknown_set_is_refused(setup_env):
    with pytest.raises(setup_env.WrongMachine, match="'tpu'; expected cpu or gpu"):
        setup_env.choose_set("tpu")


# When something is done, and when nothing


def test_the_second_time_nothing_is_done(setup_env, checkout):
    setup_env.set_up(checkout)
    assert [line.split()[0] for line in commands(checkout)] == ["creating", "installing", "installing", "installing"]
    assert setup_env.main(["--check"]) == 0
    setup_env.set_up(checkout)
    assert commands(checkout) == []


@pytest.mark.parametrize("failing", ["creating", "installing uv", "cpu set", "caderno"])
def test_a_set_up_that_was_cut_off_starts_anew(setup_env, checkout, monkeypatch, failing):
    monkeypatch.setattr(setup_env, "step", noting(checkout, failing))
    with pytest.raises(setup_env.SetupError):
        setup_env.set_up(checkout)
    assert setup_env.main(["--check"]) == 4
    commands(checkout)
    monkeypatch.setattr(setup_env, "step", noting(checkout))
    (checkout / ".venv/left-over").touch()
    setup_env.set_up(checkout)
    assert commands(checkout)[0] == "creating .venv (the last set-up was cut off)"
    assert not (checkout / ".venv/left-over").exists()
    assert setup_env.main(["--check"]) == 0


@pytest.mark.parametrize("file", ["requirements/cpu.txt", "requirements/uv.txt", "pyproject.toml"])
def test_changed_pins_are_installed_in_place(setup_env, checkout, monkeypatch, file):
    setup_env.set_up(checkout)
    commands(checkout)
    (checkout / file).write_text((checkout / file).read_text() + "# changed\n")
    (checkout / ".venv/bin/python").unlink()
    (checkout / ".venv/bin/python").symlink_to(sys.executable)
    (checkout / ".venv/kept").touch()
    setup_env.set_up(checkout)
    assert len(commands(checkout)) == 3
    assert (checkout / ".venv/kept").exists()


def test_a_moved_or_other_environment_is_made_anew(setup_env, checkout):
    setup_env.set_up(checkout)
    venv, want = checkout / ".venv", setup_env.fingerprint(checkout, "cpu")
    assert setup_env.is_current(venv, want)
    assert "made for root" in setup_env.why_rebuild(venv, {**want, "root": "/elsewhere"})
    assert "made for set cpu" in setup_env.why_rebuild(venv, setup_env.fingerprint(checkout, "gpu"))
    (venv / setup_env.RECORD).write_text('{"state": "do')
    assert not setup_env.is_current(venv, want)
    assert "no Python 3.11" in setup_env.why_rebuild(venv, want)  # this one's bin/python is an empty file


# pip's settings


def test_settings_come_in_pips_order(setup_env):
    listing = "\n".join(
        [
            "global.find-links='/a'",
            "install.find_links='/b'",
            "global.index-url='https://index.test/simple'",
            ":env:.index-url=''",
            ":env:.default-timeout='15.5'",
            "download.cert='/other/command'",
            "global.extra-index-url='\\nhttps://one.test\\nhttps://two.test'",
        ]
    )
    assert setup_env.pip_settings.parse(listing) == {
        "find-links": "/b",
        "index-url": "https://index.test/simple",
        "timeout": "15.5",
        "extra-index-url": "https://one.test\nhttps://two.test",
    }


def test_settings_are_read_from_pip_itself(setup_env, monkeypatch, tmp_path):
    (tmp_path / "pip.conf").write_text("[global]\ntrusted-host = one.test\n    two.test\nfind-links = /a\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_FIND_LINKS", "/b")
    settings = setup_env.pip_settings.read(sys.executable)
    assert settings["trusted-host"].split() == ["one.test", "two.test"]
    assert settings["find-links"] == "/b"


def test_settings_become_uvs(setup_env, tmp_path):
    notes: list[str] = []
    settings = {
        "index-url": "https://index.test/simple",
        "extra-index-url": f"https://one.test\n{tmp_path.as_uri()} file:///no/such/place",
        "find-links": f"{tmp_path} /no/such/wheels https://links.test",
        "cert": str(tmp_path),
        "timeout": "15.5",
        "proxy": "http://proxy.test:3128",
        "only-binary": ":all:",
    }
    assert setup_env.pip_settings.translate(settings, notes) == {
        "UV_DEFAULT_INDEX": "https://index.test/simple",
        "UV_INDEX": f"https://one.test {tmp_path.as_uri()}",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": f"{tmp_path},https://links.test",
        "SSL_CERT_DIR": str(tmp_path),
        "UV_HTTP_TIMEOUT": "16",
        "HTTP_PROXY": "http://proxy.test:3128",
        "HTTPS_PROXY": "http://proxy.test:3128",
        "UV_NO_BUILD": "1",
    }
    assert ["/no/such/place" in notes[0], "/no/such/wheels" in notes[1], len(notes)] == [True, True, 2]
    assert setup_env.pip_settings.translate({"extra-index-url": "file:///no/such/place"}, notes) == {}


def test_what_the_user_told_uv_stays(setup_env, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mine.test")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    environment = setup_env.pip_settings.uv_environment({"index-url": "https://pips.test", "cert": "/c.pem"}, [])
    assert environment["UV_DEFAULT_INDEX"] == "https://mine.test"
    assert environment["SSL_CERT_FILE"] == "/c.pem"
    assert "PYTHONPATH" not in environment


# The Makefile


def make(*arguments: str) -> subprocess.CompletedProcess:
    """make as from a shell: these tests may themselves run under `make test`, whose flags are handed down."""
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_make_lists_every_target():
    assert {line.split()[1] for line in make().stdout.splitlines()} == TARGETS


def test_make_names_a_missing_python():
    done = make("setup", "PYTHON=no-such-python")
    assert done.returncode == 2
    assert "expected one" in done.stderr
    assert "make setup PYTHON=/path/to/python3.11" in done.stderr


@pytest.mark.parametrize("target", sorted(TARGETS - {"help", "clean", "setup"}))
def test_a_target_is_enough_alone(target):
    assert "scripts/setup_env.py" in make("-n", target).stdout


def test_continuous_integration_runs_make_test():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[0].endswith("bash")
    assert {"set -euo pipefail", "make test"} <= set(script.read_text().splitlines())

"""Make .venv hold exactly the pinned packages of this machine's set (cpu or gpu) and the package itself, editable.

It registers nothing outside the checkout: no kernel, no shell profile, no system package, no weights. Standard library
only, so that a bare Python 3.11 runs it; `make setup` calls it, and it costs a moment when there is nothing to do.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pip_settings
import torch_build

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (3, 11)
SETS = ("cpu", "gpu")
RECORD = "caderno-setup.json"  # inside .venv: what it was made from, and whether that came to an end
DRIVER = Path("/proc/driver/nvidia/version")
AGAIN = "Mend that and run the same command again: what was fetched already is kept."


class SetupError(Exception):
    """A step failed: one paragraph for a person, with how to mend it."""

    exit_code = 4


class WrongMachine(SetupError):
    """This machine or its settings do not allow it; nothing was started."""

    exit_code = 2


def check_python(version: tuple = tuple(sys.version_info), modules: tuple[str, ...] = ("venv", "ensurepip")) -> None:
    """Raise WrongMachine unless this is Python 3.11 with what it takes to create an environment."""
    if tuple(version[:2]) != PYTHON:
        raise WrongMachine(
            f"{sys.executable} is Python {version[0]}.{version[1]}; expected 3.11, the version that the pins were "
            "compiled for. Install it (pyenv install 3.11; apt install python3.11 python3.11-venv; conda create -n "
            "py311 python=3.11) and run `make setup PYTHON=/path/to/python3.11`."
        )
    for name in modules:
        try:
            __import__(name)
        except ImportError as error:
            raise WrongMachine(
                f"{sys.executable} has no module {name}, so it cannot create .venv; expected the whole standard "
                "library. Debian and Ubuntu keep it in a package of its own: apt install python3.11-venv."
            ) from error


def has_nvidia_driver() -> bool:
    """Whether an NVIDIA driver is at work: the kernel module's file, or an nvidia-smi that answers."""
    if DRIVER.exists():
        return True
    program = shutil.which("nvidia-smi")
    if program:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):  # one that cannot run, or hangs, is no driver
            return subprocess.run([program, "-L"], capture_output=True, timeout=30).returncode == 0
    return False


def choose_set(wanted: str | None) -> str:
    """The set's name: CADERNO_SET where given, else by the driver."""
    if not wanted:
        return "gpu" if has_nvidia_driver() else "cpu"
    if wanted not in SETS:
        raise WrongMachine(f"CADERNO_SET is {wanted!r}; expected cpu or gpu. Unset it to let the machine decide.")
    return wanted


def fingerprint(root: Path, name: str) -> dict[str, str]:
    """What an environment is made from. The place counts too: a moved .venv still points at the old one."""
    content = hashlib.sha256()
    for file in (f"requirements/{name}.txt", "requirements/uv.txt", "pyproject.toml"):
        content.update((root / file).read_bytes())
    return {"set": name, "python": "3.11", "root": str(root), "pins": content.hexdigest()}


def read_record(venv: Path) -> dict[str, str]:
    """The record inside an environment; empty where there is none, or none that can be read."""
    try:
        record = json.loads((venv / RECORD).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(venv: Path, state: str, made_from: dict[str, str]) -> None:
    """Write the record in one step, so that a kill leaves the old one or the new one."""
    partial = venv / f"{RECORD}.partial"
    partial.write_text(json.dumps({"state": state, **made_from}, indent=1) + "\n")
    partial.replace(venv / RECORD)


def is_current(venv: Path, want: dict[str, str]) -> bool:
    """Whether the environment was finished from exactly this."""
    return (venv / "bin/python").exists() and read_record(venv) == {"state": "done", **want}


def why_rebuild(venv: Path, want: dict[str, str]) -> str:
    """Why the environment cannot be brought up to date in place; "" when it can."""
    if not venv.exists():
        return "there is none yet"
    record = read_record(venv)
    if record.get("state") == "started":
        return "the last set-up was cut off"
    for key in ("set", "python", "root") if record else ():
        if record.get(key) != want[key]:
            return f"it was made for {key} {record.get(key)}"
    probe = [str(venv / "bin/python"), "-c", "import sys, pip; sys.exit(sys.version_info[:2] != (3, 11))"]
    with contextlib.suppress(OSError):
        if subprocess.run(probe, capture_output=True).returncode == 0:
            return ""
    return "it has no Python 3.11 with pip that runs"


def step(what: str, command: list, mend: str = AGAIN, **options) -> None:
    """Run one command with its output in view; raise SetupError when it fails."""
    print(f"set-up: {what}", flush=True)
    done = subprocess.run([str(part) for part in command], cwd=ROOT, text=True, **options)
    if done.returncode:
        raise SetupError(f"{what}: failed with exit code {done.returncode}, for the reason shown above. {mend}")


def prepare(venv: Path, want: dict[str, str], anew: str) -> None:
    """An environment with pip in it, marked as unfinished."""
    venv.mkdir(exist_ok=True)
    write_record(venv, "started", want)
    if not anew:
        return
    for child in venv.iterdir():
        # Not `venv --clear`, which takes the mark away with the rest: cut off there, half of it would pass for whole.
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        elif child.name != RECORD:
            child.unlink()
    step(f"creating .venv ({anew})", [sys.executable, "-m", "venv", venv])


def install_uv(venv: Path) -> None:
    """The pinned uv, by pip, which reads its own settings."""
    unwanted = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME")
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    pip = [venv / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    step("installing uv, by pip", [*pip, "install", "-r", "requirements/uv.txt"], env=environment)


def install(venv: Path, name: str) -> None:
    """The set's pins and then the package, by uv with pip's settings; raises when torch is the wrong build."""
    python, notes = venv / "bin/python", []
    settings = pip_settings.read(python)
    environment = pip_settings.uv_environment(settings, notes)
    for note in notes:
        print(f"set-up: {note}")
    pins = (ROOT / f"requirements/{name}.txt").read_text()
    text, flags, source, mend = torch_build.requirements(name, pins, settings.get("find-links", ""))
    uv = [venv / "bin/uv", "pip", "install", "--python", python]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.txt")
        file.write_text(text)
        command = [*uv, "-r", file, "--build-constraints", f"requirements/{name}.txt", *flags]
        step(f"installing the {name} set, torch from {source}", command, f"{mend}{AGAIN}", env=environment)
    # setuptools is in the pins: without isolation nothing more is fetched.
    step("installing caderno", [*uv, "--no-deps", "--no-build-isolation", "--editable", ROOT], env=environment)
    site_packages = next(venv.glob("lib/python3.*/site-packages"))
    print(f"set-up: {torch_build.verify(name, pins, site_packages)}")


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """One set-up of a checkout at a time: `make demo` and `make test` may be started together."""
    mark = hashlib.sha256(str(root).encode()).hexdigest()[:16]
    with Path(tempfile.gettempdir(), f"caderno-setup-{os.getuid()}-{mark}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("set-up: another set-up of this checkout is at work; waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_up(root: Path, force: bool = False) -> None:
    """Bring root/.venv to the pins of this machine's set."""
    name, venv = choose_set(os.environ.get("CADERNO_SET")), root / ".venv"
    want = fingerprint(root, name)
    with alone(root):
        if is_current(venv, want) and not force:
            print(f"set-up: .venv holds the {name} set, nothing to do")
            return
        prepare(venv, want, "as asked" if force else why_rebuild(venv, want))
        install_uv(venv)
        install(venv, name)
        write_record(venv, "done", want)


def main(arguments: list[str] | None = None) -> int:
    """0 done (or, with --check, current); 2 this machine or its settings do not allow it; 4 a step failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether .venv is up to date (exit code 4: not)")
    parser.add_argument("--force", action="store_true", help="make .venv anew even if it is up to date")
    chosen = parser.parse_args(arguments)
    try:
        check_python()
        if chosen.check:
            name = choose_set(os.environ.get("CADERNO_SET"))
            current = is_current(ROOT / ".venv", fingerprint(ROOT, name))
            print(f"set-up: .venv {'holds' if current else 'does not hold'} the {name} set as pinned")
            return 0 if current else 4
        set_up(ROOT, chosen.force)
    except (SetupError, torch_build.WrongTorch, OSError, subprocess.CalledProcessError) as error:
        print(f"set-up: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 4)
    except KeyboardInterrupt:
        print("set-up: interrupted; run the same command again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    # As an exception, SIGTERM also ends the step at work, which would otherwise go on writing behind the next set-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())

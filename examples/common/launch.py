"""Runs a pipeline in a virtual environment that has what its requirements.txt names.

Must not know: what a pipeline does. Invariant: the system's Python stays as it is; a second run installs nothing.
Usage: launch.py FOLDER/pipeline.py [ARGUMENT...]
"""

import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent
# What sysexits.h calls a failure that may pass: no network, no package index.
NOT_INSTALLED = 75
VENV = pathlib.Path(os.environ.get("TOURIGA_EXAMPLES_VENV", EXAMPLES / ".venv"))


def prepare(requirements):
    """The environment's Python, with the requirements installed."""
    python = VENV / "bin" / "python"
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with open(VENV.parent / f"{VENV.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not python.exists():
            print(f"making {VENV}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        stamp = VENV / f"installed-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]}"
        if not stamp.exists():
            print(f"installing {', '.join(requirements.read_text().split())}", flush=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
                           check=True)
            stamp.touch()
    return python


def main():
    script = pathlib.Path(sys.argv[1]).resolve()
    if sys.version_info < (3, 10):
        sys.exit(f"Python 3.10 or newer is needed, this is {sys.version.split()[0]}")
    try:
        python = prepare(script.parent / "requirements.txt")
    except subprocess.CalledProcessError as error:
        print(f"cannot prepare {VENV}: {error}", file=sys.stderr)
        sys.exit(NOT_INSTALLED)
    os.environ["PYTHONPATH"] = str(EXAMPLES / "common")
    os.execv(python, [str(python), str(script), *sys.argv[2:]])


main()

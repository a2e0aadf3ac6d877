"""Builds the extension, puts it beside the package's Python files in a folder of its own, and runs the tests with a live stream.

Usage: python/test [--library FILE] [--binary FILE]   (a lib_touriga.so and a touriga that are built already)
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parents[1]
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "examples" / "common"))
import database  # noqa: E402

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=pathlib.Path)
    parser.add_argument("--binary")
    options = parser.parse_args()
    if options.library is None:
        # With the whole workspace, as everything else is built: a package alone would have other features, and be built again.
        subprocess.run(["cargo", "build", "--workspace", "--lib"], cwd=ROOT, check=True)
        options.library = TARGET / "debug" / "lib_touriga.so"
    with tempfile.TemporaryDirectory(prefix="touriga-python-") as folder:
        package = pathlib.Path(folder, "touriga")
        shutil.copytree(HERE / "touriga", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        (package / "_touriga.abi3.so").symlink_to(options.library.resolve())
        [port] = database.free_ports(1)
        stream = subprocess.Popen([database.find_binary(options.binary), "start-stream", "--listen", f"127.0.0.1:{port}", "--log-level", "warn"],
                                  stdout=subprocess.PIPE, text=True)
        try:
            # It says so once it listens.
            stream.stdout.readline()
            environment = {**os.environ, "PYTHONPATH": folder, "TOURIGA_TEST_KAFKA": f"127.0.0.1:{port}"}
            done = subprocess.run([sys.executable, "-W", "ignore", HERE / "tests" / "test_touriga.py", "-v"], env=environment)
        finally:
            stream.terminate()
            stream.wait()
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()

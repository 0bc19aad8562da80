"""Wraps a plugin as a component: `python build.py PLUGIN_DIR OUTPUT.wasm`, with the Python of componentize-py's environment.

Imports `plugin.py` natively first, so that mistakes are shown as Python shows them, and to learn its world. The output is replaced by
a rename: nobody sees half a file.
"""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.wasm", "tidemill", "test_*")


def main(directory, output):
    sys.dont_write_bytecode = True
    sys.path[:0] = [directory, os.path.dirname(HERE)]
    discover = importlib.import_module("tidemill.discover")
    try:
        world = discover.world(discover.find_plugin(importlib.import_module("plugin")))
    except TypeError as error:
        sys.exit(f"build: {error}")
    new = f"{output}.new.{os.getpid()}"
    try:
        with tempfile.TemporaryDirectory(prefix="tidemill-build-") as sources:
            # From a copy, because the interpreter that is wrapped leaves its compiled files beside the sources.
            shutil.copytree(directory, sources, ignore=LEFT_OUT, dirs_exist_ok=True)
            shutil.copytree(HERE, os.path.join(sources, "tidemill"), ignore=LEFT_OUT)
            componentize(world, sources, new)
        os.replace(new, output)
    finally:
        if os.path.exists(new):
            os.remove(new)


def componentize(world, sources, output):
    command = [
        os.path.join(os.path.dirname(sys.executable), "componentize-py"), "--quiet",
        "--wit-path", os.path.join(HERE, "plugin.wit"), "--world", world,
        "componentize", "--stub-wasi", "tidemill.component", "--python-path", sources, "--output", output,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"build: componentize-py failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), sys.argv[2])

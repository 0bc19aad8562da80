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
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True

from tidemill.building import columns
from tidemill.discover import find_plugin, world

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.wasm", "tidemill", "building", "build.py", "test_*")


def main(directory, output):
    sys.path.insert(0, directory)
    try:
        chosen = world(find_plugin(importlib.import_module("plugin")))
    except TypeError as error:
        sys.exit(f"build: {error}")
    new = f"{output}.new.{os.getpid()}"
    try:
        with tempfile.TemporaryDirectory(prefix="tidemill-build-") as work:
            sources = os.path.join(work, "sources")
            wit = os.path.join(work, "plugin.wit")
            # From a copy, because the interpreter that is wrapped leaves its compiled files beside the sources.
            shutil.copytree(directory, sources, ignore=LEFT_OUT)
            shutil.copytree(HERE, os.path.join(sources, "tidemill"), ignore=LEFT_OUT)
            write(wit, columns.private_form(read(os.path.join(HERE, "plugin.wit"), "r")), "w")
            componentize(wit, chosen, sources, new)
        try:
            write(new, columns.public_form(read(new, "rb")), "wb")
        except ValueError as error:
            sys.exit(f"build: this version of componentize-py makes other components than expected: {error}")
        os.replace(new, output)
    finally:
        if os.path.exists(new):
            os.remove(new)


def componentize(wit, chosen, sources, output):
    command = [
        os.path.join(os.path.dirname(sys.executable), "componentize-py"), "--quiet",
        "--wit-path", wit, "--world", chosen,
        "componentize", "--stub-wasi", "tidemill.component", "--python-path", sources, "--output", output,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"build: componentize-py failed:\n{done.stdout}{done.stderr}")


def read(path, mode):
    with open(path, mode) as file:
        return file.read()


def write(path, content, mode):
    with open(path, mode) as file:
        file.write(content)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), sys.argv[2])

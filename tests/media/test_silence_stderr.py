"""Messages of C libraries about damaged files are suppressed; ours are printed."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, sys, threading
from restore.media.silence_stderr import silence_stderr

def others():
    print("note", file=sys.stderr)
    print("result")

with silence_stderr(), silence_stderr():
    os.write(2, b"C library\\n")
    print("python library")
    thread = threading.Thread(target=others)
    thread.start()
    thread.join()
    os.write(2, b"C library\\n")
os.write(2, b"after\\n")
print("after")
try:
    with silence_stderr():
        raise ValueError
except ValueError:
    print("again")
os.close(2)
with silence_stderr():
    print("python library")
print("closed")
"""


def test_libraries_are_silenced_and_nobody_else() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["result", "after", "again", "closed"]
    assert done.stderr.splitlines() == ["note", "after"]
    assert done.returncode in (0, 120)  # 120: it could not flush what had been closed

"""Run the README's commands: every ``sh`` block marked ``<!-- ci -->`` on the line before it.

    python tests/readme_commands.py

Setting up the environment is what the caller has done; lines that do it are left out. The commands
run in a copy of the samples, so that they leave nothing in the checkout, except for pytest,
which runs in the checkout.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"<!-- ci -->\n+```sh\n(.*?)```", re.DOTALL)
SETUP = ("python3 -m venv", ". .venv/bin/activate", "pip install")


def commands(readme: str) -> list[str]:
    """The commands of the marked blocks, without those that set up; the tests come last, so that
    their closing line closes the log."""
    lines: list[str] = []
    for block in BLOCK.findall(readme):
        for part in re.split(r"\n|&&", block.replace("\\\n", " ")):
            command = part.strip()
            if command and not command.startswith(("#", *SETUP)):
                lines.append(command)
    return sorted(lines, key=lambda command: command.split()[0] == "pytest")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "samples", Path(folder) / "samples")
        for command in commands((ROOT / "README.md").read_text(encoding="utf-8")):
            print(f"$ {command}", flush=True)
            where = ROOT if command.split()[0] == "pytest" else Path(folder)
            code = subprocess.run(["bash", "-c", command], cwd=where, check=False).returncode
            if code:
                print(f"README command failed with {code}: {command}", file=sys.stderr)
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

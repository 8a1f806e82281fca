"""Run the examples of README.md and docs/: each block marked ``<!-- ci -->`` on the line before it.

    python tests/support/readme_commands.py [PAGE...]

Commands of ``sh`` blocks run one by one; ``python`` blocks of a page are one program. Lines that
set up the environment are left out, since the caller has done so. Each page runs in a copy of the
samples, so that nothing is left in the checkout, except for pytest, which runs in the checkout.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHELL = re.compile(r"<!-- ci -->\n+```sh\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"<!-- ci -->\n+```python\n(.*?)```", re.DOTALL)
SETUP = ("python3 -m venv", ". .venv/bin/activate", "pip install")


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: str) -> list[str]:
    """The commands of the marked blocks, without those that set up."""
    lines = []
    for block in SHELL.findall(page):
        for part in re.split(r"\n|&&", block.replace("\\\n", " ")):
            command = part.strip()
            if command and not command.startswith(("#", *SETUP)):
                lines.append(command)
    return lines


def program(page: str) -> str:
    """The marked Python blocks, on the lines that they have in the page, so that a traceback names
    these."""
    lines: list[str] = []
    for block in PYTHON.finditer(page):
        lines += [""] * (page.count("\n", 0, block.start(1)) - len(lines))
        lines += block[1].splitlines()
    return "\n".join(lines)


def steps(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the text to print and the command to run for each example of a page."""
    text = page.read_text(encoding="utf-8")
    for command in commands(text):
        yield f"$ {command}", ["bash", "-c", command]
    if source := program(text):
        yield f"$ Python blocks of {page.name}", [sys.executable, "-c", _named(source, page.name)]


def _named(source: str, name: str) -> str:
    return f"exec(compile({source!r}, {name!r}, 'exec'))"


def run(page: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "samples", Path(folder) / "samples")
        for title, command in steps(page):
            if title.startswith("$ pytest"):
                continue
            print(title, flush=True)
            if code := subprocess.run(command, cwd=folder, check=False).returncode:
                print(f"{page.name}: failed with {code}: {title}", file=sys.stderr)
                return code
    return 0


def run_tests() -> int:
    """Run the tests by the README's own command, last, so that their closing line closes the
    log."""
    for command in commands((ROOT / "README.md").read_text(encoding="utf-8")):
        if command.startswith("pytest"):
            print(f"$ {command}", flush=True)
            return subprocess.run(["bash", "-c", command], cwd=ROOT, check=False).returncode
    print("README.md: no command runs the tests", file=sys.stderr)
    return 1


def main(chosen: list[Path]) -> int:
    for page in chosen or pages():
        if code := run(page):
            return code
    return 0 if chosen else run_tests()


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]]))

"""The runner of the documentation's examples finds what it should run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import readme_commands

PAGE = """# Page

<!-- ci -->
```sh
python3 -m venv .venv && . .venv/bin/activate && pip install . && \\
  restore denoise in.png out.png
# a comment
pytest -n 2
```

```sh
restore not-run
```

<!-- ci -->
```python
x = 1
```

Text.

<!-- ci -->
```python
raise ValueError(x)
```
"""


def test_commands_are_those_of_marked_blocks_without_setting_up() -> None:
    assert readme_commands.commands(PAGE) == ["restore denoise in.png out.png", "pytest -n 2"]


def test_python_blocks_are_one_program_on_the_lines_of_the_page() -> None:
    source = readme_commands.program(PAGE)
    lines = PAGE.splitlines()
    for number, line in enumerate(source.splitlines()):
        assert line in ("", lines[number])
    command = [sys.executable, "-c", readme_commands._named(source, "page.md")]
    done = subprocess.run(command, capture_output=True, text=True)
    number = lines.index("raise ValueError(x)") + 1
    assert f'File "page.md", line {number}' in done.stderr
    assert done.stderr.endswith("ValueError: 1\n")


def test_a_failing_command_is_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- ci -->\n```sh\ntest -d samples\nexit 3\n```\n")
    assert readme_commands.main([page]) == 3
    page.write_text("<!-- ci -->\n```sh\ntest -d samples\n```\n")
    assert readme_commands.main([page]) == 0


def test_every_block_of_the_python_page_runs() -> None:
    text = (readme_commands.ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert text.count("```python") == len(readme_commands.PYTHON.findall(text))
    assert "cv2." in readme_commands.program(text)


def test_readme_starts_with_one_command_for_the_job_and_one_for_the_tests() -> None:
    text = (readme_commands.ROOT / "README.md").read_text(encoding="utf-8")
    first, second, *_ = readme_commands.commands(text)
    assert first == "restore denoise samples/cat-noisy.png cat.png"
    assert second.startswith("pytest ")

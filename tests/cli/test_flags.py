"""Python's names of options in messages, as the command line spells them."""

from __future__ import annotations

from dataclasses import fields

import pytest

from restore.cli.flags import NAMES, as_flags
from restore.jobs.clip_options import ClipOptions
from restore.jobs.folder_job import FolderOptions
from restore.media.io_options import IoOptions


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("a.png: exists; give overwrite=True", "a.png: exists; give --overwrite"),
        ("give fps=25, or another", "give --fps 25, or another"),
        ('quality="fast" is 5 times quicker', "--quality fast is 5 times quicker"),
        ("backend='torch' can; max_memory=4GiB", "--backend torch can; --max-memory 4GiB"),
        ("crf is for clips", "--crf is for clips"),
        ("the crf is low; model=", "the crf is low; model="),
        ("/data/overwrite=True/a.png: no such file", "/data/overwrite=True/a.png: no such file"),
        ("user_model=True", "user_model=True"),
    ],
)
def test_options_are_spelt_as_flags(message: str, expected: str) -> None:
    assert as_flags(message) == expected


def test_every_option_of_a_job_has_a_flag() -> None:
    for kind in (ClipOptions, FolderOptions, IoOptions):
        assert {field.name for field in fields(kind)} <= set(NAMES)

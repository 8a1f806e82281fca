"""What counts as an animation."""

from __future__ import annotations

from pathlib import Path

import pytest
from clips import scene
from PIL import Image

from restore.errors import ImageError
from restore.media.video import animation, detect


def test_pages_are_no_animation_whatever_the_file_is_called(tmp_path: Path) -> None:
    """Pages may be of any size, which would be known after each is decoded."""
    path = tmp_path / "in.png"
    page = Image.new("1", (5000, 5000))
    Image.new("1", (8, 8)).save(
        path, format="TIFF", save_all=True, append_images=[page], compression="group4"
    )
    assert not detect.is_animated(path)
    with pytest.raises(ImageError, match="not an animation that can be read"):
        animation.read(path)


def test_a_frame_that_leaves_the_screen_is_refused(tmp_path: Path) -> None:
    """Pillow enlarges the screen of a GIF for it, browsers do not."""
    path = tmp_path / "in.gif"
    first, second = (Image.fromarray(scene(number)) for number in range(2))
    first.save(path, save_all=True, append_images=[second])
    content = bytearray(path.read_bytes())
    content[6:10] = (32).to_bytes(2, "little") + (24).to_bytes(2, "little")  # the screen
    descriptor = content.index(b"\x2c\0\0\0\0")
    content[descriptor + 5 : descriptor + 9] = content[6:10]  # the first frame's size
    path.write_bytes(content)
    with Image.open(path) as file:
        assert file.size == (32, 24)
        file.seek(1)
        assert file.size == (64, 48)
    with pytest.raises(ImageError, match=r"in.gif: picture 2 is larger than the first; refused\Z"):
        animation.read(path)

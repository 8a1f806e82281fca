"""Writing of PNG by imagecodecs, with the chunks that describe the image."""

from __future__ import annotations

from restore.media import assembly
from restore.media.formats.png.chunks import LENGTH_OF_HEADER, SIGNATURE, chunk
from restore.media.formats.png.descriptive_chunks import described
from restore.media.picture import Picture


def encode(picture: Picture) -> bytes:
    import imagecodecs

    content = imagecodecs.png_encode(assembly.stacked(picture), level=6)
    after_header = len(SIGNATURE) + LENGTH_OF_HEADER
    written = (chunk(name, body) for name, body in described(picture.info))
    return b"".join((content[:after_header], *written, content[after_header:]))

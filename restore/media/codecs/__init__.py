"""One file a family of formats: bytes to pictures and back.

Each `decode` takes a seekable stream and returns a `Picture` that stands upright, each `encode`
returns the bytes of a file. Both may raise whatever a library raises; `restore.media.image` makes
one line of it.
"""

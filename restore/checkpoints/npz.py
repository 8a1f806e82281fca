"""Official parameters from a Flax checkpoint, an ``.npz`` of arrays named ``opt/target/...``.

Read without `numpy.load`, which allocates the size that a header claims before it checks the bytes.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from restore.errors import CheckpointError

PREFIX = "opt/target/"
MAX_BYTES = 1 << 30  # of parameters; an M-3 has some 350 MB


def read(path: Path) -> dict[str, np.ndarray]:
    """Read the parameters of an ``.npz`` under their official names, without `PREFIX`.

    Optimizer state is ignored. Raises `CheckpointError`, in one line, for a file that
    is no such archive, is damaged, or holds a member that is not a plain array of numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if one.filename.startswith(PREFIX)]
            claimed = sum(one.file_size for one in members)
            if claimed > MAX_BYTES:
                raise CheckpointError(
                    f"{path}: claims {claimed:,} bytes of parameters; no MAXIM has as many"
                )
            arrays: dict[str, np.ndarray] = {}
            for member in members:
                name = member.filename.removeprefix(PREFIX).removesuffix(".npy")
                if name in arrays:
                    raise CheckpointError(f"{path}: {PREFIX}{name} is packed twice")
                try:
                    arrays[name] = _array(archive, member)
                except ValueError as error:
                    raise CheckpointError(
                        f"{path}: {PREFIX}{name} cannot be read as an array: {error}"
                    ) from error
    except (
        *(OSError, EOFError, zipfile.BadZipFile, zlib.error),
        *(NotImplementedError, RuntimeError),  # an unknown compression; encrypted
    ) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "not one, or damaged"
        raise CheckpointError(f"{path}: cannot be read as an .npz archive: {reason}") from error
    if not arrays:
        raise CheckpointError(f"{path}: holds no array under {PREFIX}; not a MAXIM checkpoint")
    return arrays


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, by_columns, dtype = npy.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, by_columns, dtype = npy.read_array_header_2_0(file)
        else:
            raise ValueError(f"its format is {version[0]}.{version[1]}")
        if dtype.kind not in "fiub":
            raise ValueError("it holds objects, not numbers" if dtype.hasobject else f"{dtype}")
        size = math.prod(shape) * dtype.itemsize
        content = file.read(size + 1) if size < member.file_size else b""
        if len(content) != size or any(n < 0 for n in shape):
            raise ValueError(f"its bytes do not fit its shape {str(shape)[:60]}")
    array = np.frombuffer(content, dtype)
    return array.reshape(shape[::-1]).T if by_columns else array.reshape(shape)

"""Flax checkpoints: read exactly as NumPy does, and refused where they are hostile."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from restore.checkpoints import npz
from restore.errors import CheckpointError

KEY = "opt/target/a/kernel"


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        npz.read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def write_member(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{KEY}.npy", content)
    return path


def member(shape: object, data: bytes = b"", descr: str = "<f4") -> bytes:
    """An array file whose header says whatever it is told."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path, compressed: bool) -> None:
    random = np.random.default_rng(0)
    arrays = {
        KEY: random.random((3, 4), np.float32),
        "opt/target/by/columns": np.asfortranarray(random.random((2, 3, 4), np.float32)),
        "opt/target/half": random.random(5).astype(np.float16),
        "opt/target/big/endian": random.random(5).astype(">f4"),
        "opt/target/one": np.float32(7).reshape(()),
        "opt/target/empty": np.zeros((0, 3), np.float32),
    }
    (np.savez_compressed if compressed else np.savez)(tmp_path / "c.npz", **arrays)
    found = npz.read(tmp_path / "c.npz")
    assert found.keys() == {name.removeprefix("opt/target/") for name in arrays}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name.removeprefix("opt/target/")], array)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", **{KEY: np.array([print], dtype=object)})
    assert "holds objects, not numbers" in refusal(tmp_path / "c.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x93NUMPY", b"hello"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.npz").write_bytes(content)
    assert "not one, or damaged" in refusal(tmp_path / "c.npz")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", **{KEY: np.zeros(5000, np.float32)})
    (tmp_path / "c.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:-4000])
    refusal(tmp_path / "c.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.npz")


@pytest.mark.parametrize(
    "content",
    [
        member("(50000, 50000)", b"1234"),
        member("(10" + "0" * 40 + ",)"),
        member("(-1, -4)", bytes(16)),
        member("(2,)", b"1234"),
        member("(1,)", b"12345"),
        member("3"),
        member("(1,)", b"1234", descr="nothing"),
        member("(1,)", b"1234", descr="O"),
        member("(1,)", b"1234", descr="U1"),
        b"\x93NUMPY\x07\x00xx",
        b"\x93NUM",
        b"",
    ],
    ids=[
        *("10 GB", "10^40", "negative", "short", "long", "no shape", "no dtype", "objects", "text"),
        *("version", "cut", "empty"),
    ],
)
def test_a_malformed_member_is_named(tmp_path: Path, content: bytes) -> None:
    path = write_member(tmp_path / "c.npz", content)
    tracemalloc.start()
    try:
        assert KEY in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_an_archive_that_claims_too_much_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "MAX_BYTES", 1 << 20)
    path = write_member(
        tmp_path / "c.npz", member("(300000,)", bytes(1_200_000)), zipfile.ZIP_DEFLATED
    )
    assert "claims 1,200,128 bytes" in refusal(path)


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    path = write_member(tmp_path / "c.npz", member("(300,)", bytes(1200)), zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    content[80] ^= 0xFF
    path.write_bytes(content)
    refusal(path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = write_member(tmp_path / "c.npz", member("(1,)", b"1234"))
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refusal(path)


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{KEY}.npy", member("(1,)", b"1234"))
        archive.writestr(KEY, member("(1,)", b"1234"))
    (tmp_path / "c.npz").write_bytes(content.getvalue())
    assert "packed twice" in refusal(tmp_path / "c.npz")


def test_other_entries_are_ignored(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", **{KEY: np.ones(2, np.float32), "opt/state/step": np.array(7)})
    assert list(npz.read(tmp_path / "c.npz")) == ["a/kernel"]

"""TensorFlow.js packages: read exactly, and refused in one line where they are malformed."""

from __future__ import annotations

import gzip
import os
import struct
import tarfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import packages
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packages import Package

from restore.checkpoints import package_files, tfjs
from restore.errors import CheckpointError

ARRAYS = packages.traced(packages.small_arrays())
SHARD = "group1-shard2of"
BIAS = "stage_0_input_conv_0/bias"
KERNEL = "stage_0_input_conv_0/kernel"


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        tfjs.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tgz"])
def test_every_parameter_is_read_exactly(tmp_path: Path, packed: bool) -> None:
    made = packages.package(ARRAYS)
    path = made.write_tgz(tmp_path / "p.tgz") if packed else made.write_folder(tmp_path / "p")
    found = tfjs.read(path)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].dtype == np.float32


def test_an_unpacked_package_may_be_named_by_its_root(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    packages.package(ARRAYS).write_folder(tmp_path / "package" / "models")
    assert tfjs.read(tmp_path).keys() == tfjs.read(tmp_path / "package").keys() == ARRAYS.keys()


def test_a_parameter_of_two_layers_with_equal_values_is_accepted(tmp_path: Path) -> None:
    def repeat(made: Package) -> None:
        node = made.node("stage_0_input_conv_0/jit_fn_/AddV2")
        made.model["modelTopology"]["node"].append(node | {"name": node["name"] + "_1"})

    made = packages.package(ARRAYS, repeat)
    assert tfjs.read(made.write_folder(tmp_path / "p")).keys() == ARRAYS.keys()


def shard(made: Package) -> str:
    return next(name for name in made.shards if name.startswith(SHARD))


def second_value(made: Package) -> None:
    first = made.node("stage_0_input_conv_0/jit_fn_/AddV2")
    node = made.node("stage_1_input_conv_0/jit_fn_/AddV2")
    made.model["modelTopology"]["node"].append(first | {"input": node["input"]})


def claim(shape: list[int]) -> Callable[[Package], object]:
    return lambda made: made.weight(KERNEL).update(shape=shape)


MALFORMED: dict[str, tuple[Callable[[Package], object], str]] = {
    "shard missing": (lambda p: p.shards.pop(shard(p)), f"the shard {SHARD}.* is missing"),
    "shard short": (
        lambda p: p.shards.update({shard(p): p.shards[shard(p)][:-3]}),
        "too short: they hold",
    ),
    "shard long": (
        lambda p: p.shards.update({shard(p): p.shards[shard(p)] + b"123"}),
        "too long: they hold",
    ),
    "shard twice": (
        lambda p: p.group["paths"].append(p.group["paths"][0]),
        "named twice",
    ),
    "path climbs": (
        lambda p: p.group["paths"].__setitem__(0, "../../etc/passwd"),
        "'../../etc/passwd' leaves the package",
    ),
    "path absolute": (
        lambda p: p.group["paths"].__setitem__(0, "/etc/passwd"),
        "'/etc/passwd' leaves the package",
    ),
    "path of Windows": (
        lambda p: p.group["paths"].__setitem__(0, "..\\x"),
        "leaves the package",
    ),
    "path no text": (lambda p: p.group["paths"].__setitem__(0, 7), "path is missing or malformed"),
    "shape too large for its bytes": (claim([3, 3, 3, 5]), "too short"),
    "shape too small for its bytes": (claim([3, 3, 3, 3]), "too long"),
    "10 GB": (claim([50_000, 50_000]), "declares more than 536,870,912 bytes"),
    "absurd size": (claim([10**30]), "declares more than 536,870,912 bytes"),
    "negative size": (claim([-1, 4]), "is not one"),
    "size no number": (lambda p: p.weight(KERNEL).update(shape=["3"]), "malformed"),
    "size a flag": (lambda p: p.weight(KERNEL).update(shape=[True]), "malformed"),
    "shape absent": (lambda p: p.weight(KERNEL).pop("shape"), "malformed"),
    "dtype of text": (lambda p: p.weight(KERNEL).update(dtype="string"), "is string; only plain"),
    "dtype no text": (lambda p: p.weight(KERNEL).update(dtype=["float32"]), "malformed"),
    "dtype of integers": (
        lambda p: p.weight(KERNEL).update(dtype="int32"),
        f"{KERNEL} is int32, expected float32",
    ),
    "quantised": (
        lambda p: p.weight(KERNEL).update(quantization={"dtype": "uint8"}),
        "is quantised",
    ),
    "constant twice": (
        lambda p: p.group["weights"].append(p.weight(KERNEL)),
        "declared twice",
    ),
    "parameter twice": (second_value, f"{BIAS} is found twice, with different values"),
    "no operations": (
        lambda p: p.model["modelTopology"].update(node=[]),
        "holds no layer of a MAXIM network",
    ),
    "no topology": (lambda p: p.model.pop("modelTopology"), "modelTopology is missing"),
    "topology a list": (lambda p: p.model.update(modelTopology=[]), "modelTopology is missing"),
    "operation no object": (
        lambda p: p.model["modelTopology"]["node"].append(3),
        "an operation is missing or malformed",
    ),
    "input no list": (
        lambda p: p.node("stage_0_input_conv_0/Conv2D").update(input={}),
        "malformed",
    ),
    "no manifest": (lambda p: p.model.pop("weightsManifest"), "weightsManifest is missing"),
    "group no object": (lambda p: p.model.update(weightsManifest=[1]), "malformed"),
    "another format": (lambda p: p.model.update(format="layers-model"), "not a graph model"),
    "bias of two dimensions": (
        lambda p: p.weight(BIAS).update(shape=[2, 2]),
        f"{BIAS} has shape \\(2, 2\\), expected one dimension",
    ),
    "transposed kernel of two dimensions": (
        lambda p: p.weight("stage_0_decoder_block_0/ConvTranspose_0/kernel").update(shape=[8, 16]),
        "expected four dimensions",
    ),
}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tgz"])
@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_package_is_refused_in_one_line(
    tmp_path: Path, case: str, packed: bool
) -> None:
    change, message = MALFORMED[case]
    made = packages.package(ARRAYS, change)
    path = made.write_tgz(tmp_path / "p.tgz") if packed else made.write_folder(tmp_path / "p")
    with pytest.raises(CheckpointError, match=message):
        tfjs.read(path)
    refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b"1" * 5000],
    ids=["empty", "cut", "list", "number", "null", "text", "bytes", "deep", "long number"],
)
def test_a_manifest_that_is_no_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.json").write_bytes(content)
    assert "model.json" in refusal(tmp_path)


def test_a_large_claim_takes_no_memory(tmp_path: Path) -> None:
    made = packages.package(ARRAYS, claim([50_000, 50_000]))
    path = made.write_tgz(tmp_path / "p.tgz")
    tracemalloc.start()
    try:
        refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_manifest_of_many_lists_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(b"[" + b"[]," * package_files.MAX_CONTAINERS + b"[]]")
    assert "lists and objects" in refusal(tmp_path)


def test_a_large_manifest_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "model.json", "wb") as file:
        file.truncate(package_files.MAX_MANIFEST + 1)  # no bytes on the disk
    assert "more than 41,943,040 bytes" in refusal(tmp_path)


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    made = packages.package(ARRAYS)
    folder = made.write_folder(tmp_path / "p")
    (folder / shard(made)).rename(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", folder / shard(made))
    assert "through a link" in refusal(folder)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    assert "holds no model.json" in refusal(tmp_path)


# Packed files


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x1f\x8b\x08\x00 cut"], ids=["empty", "text", "cut"]
)
def test_a_file_that_is_no_package_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.tgz").write_bytes(content)
    assert "damaged, or cut short" in refusal(tmp_path / "p.tgz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.tgz")


@pytest.mark.parametrize("name", ["../model.json", "/etc/passwd", "a/../../b", "c:\\x"])
def test_a_member_that_leaves_the_package_is_refused(tmp_path: Path, name: str) -> None:
    packages.pack(tmp_path / "p.tgz", {name: b"x"})
    assert "leaves the package" in refusal(tmp_path / "p.tgz")


def test_members_of_one_name_are_refused(tmp_path: Path) -> None:
    files = {"package/a": b"1", "package/./a": b"2"}
    packages.pack(tmp_path / "p.tgz", files)
    assert "package/a is packed twice" in refusal(tmp_path / "p.tgz")


@pytest.mark.parametrize("names", [(), ("a/model.json", "b/model.json")])
def test_one_manifest_is_required(tmp_path: Path, names: tuple[str, ...]) -> None:
    packages.pack(tmp_path / "p.tgz", {"package/README": b"", **dict.fromkeys(names, b"{}")})
    assert "named model.json, expected one" in refusal(tmp_path / "p.tgz")


def test_a_link_in_the_place_of_a_shard_counts_as_missing(tmp_path: Path) -> None:
    made = packages.package(ARRAYS)
    gone = shard(made)
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as archive:
        made.shards.pop(gone)
        archive.add(made.write_folder(tmp_path / "p"), "package/models")
        link = tarfile.TarInfo(f"package/models/{gone}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert f"{gone} is missing" in refusal(tmp_path / "p.tgz")


def test_extended_headers_are_skipped(tmp_path: Path) -> None:
    """Python and GNU write them for times and long names."""
    folder = packages.package(ARRAYS).write_folder(tmp_path / "p")
    with tarfile.open(tmp_path / "p.tgz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.add(folder, "package/models")
    assert tfjs.read(tmp_path / "p.tgz").keys() == ARRAYS.keys()


def header(name: bytes, size: bytes) -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[124:136] = size
    block[156:157] = b"0"
    block[257:263] = b"ustar\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "size",
    [b"%011o\0" % (8**11 - 1), b"\x80" + (10**10).to_bytes(11, "big")],
    ids=["8 GiB", "10 GB in binary"],
)
def test_a_member_of_an_absurd_size_is_refused(tmp_path: Path, size: bytes) -> None:
    packages.write_gzip(tmp_path / "p.tgz", header(b"package/models/model.json", size))
    assert "claims" in refusal(tmp_path / "p.tgz")


@pytest.mark.parametrize("size", [b"x" * 12, b"-1         \0"])
def test_a_header_that_is_none_is_refused(tmp_path: Path, size: bytes) -> None:
    packages.write_gzip(tmp_path / "p.tgz", header(b"package/a", size))
    assert "damaged" in refusal(tmp_path / "p.tgz")


def test_a_gzip_bomb_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_files, "MAX_UNPACKED", 1 << 22)
    one = header(b"package/a", b"%011o\0" % (1 << 21)) + bytes(1 << 21)
    two = header(b"package/b", b"%011o\0" % (1 << 21)) + bytes(1 << 21)
    packages.write_gzip(tmp_path / "p.tgz", one + two + bytes(1 << 24))
    tracemalloc.start()
    try:
        assert "more than 4,194,304" in refusal(tmp_path / "p.tgz")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_many_members_are_refused(tmp_path: Path) -> None:
    files = {f"package/{i}": b"" for i in range(package_files.MAX_MEMBERS + 1)}
    packages.pack(tmp_path / "p.tgz", files)
    assert "more than 4096 files" in refusal(tmp_path / "p.tgz")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages.package(ARRAYS).write_tgz(tmp_path_factory.mktemp("whole") / "p.tgz")


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_bytes_never_do_worse_than_an_error(whole: Path, data: st.DataObject) -> None:
    content = bytearray(gzip.decompress(whole.read_bytes()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 4))
        struct.pack_into("<I", content, at, data.draw(st.integers(0, 2**32 - 1)))
    end = data.draw(st.sampled_from([len(content), len(content) // 2]))
    damaged = whole.with_name("damaged.tgz")
    packages.write_gzip(damaged, bytes(content[:end]))
    with suppress(CheckpointError):
        tfjs.read(damaged)

"""Nothing is lost without a word: exiftool compares everything that a file can carry."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import heic_files
import icc
import imagecodecs
import jpeg_files
import numpy as np
import pytest
import tifffile
from command import restore
from media_files import Kind, bmp_with_profile, chunk, jp2, jxl, psd, resource, with_chunks
from models import save_model
from pictures import Base, Gps, Ifd, saved, smooth
from PIL import Image

from restore.media import formats
from restore.media.image import check_fits, read, write

pytestmark = pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
TARGETS = ("jpg", "png", "tif", "webp", "avif", "heic", "jp2", "jxl", "gif", "bmp", "ppm")
PROFILE = icc.rgb(1.8)
CAPTIONS = b"\x1c\x02\x78\x00\x05Cat..\x1c\x02\x50\x00\x03Ann"
RATED = jpeg_files.packet('xmp:Rating="5"')
EXIF, XMP, ICC, IPTC = "the EXIF", "the XMP", "the colour profile", "IPTC's captions"
GROUPS = {
    **dict.fromkeys(("IFD0", "ExifIFD", "GPS", "InteropIFD"), EXIF),
    **dict.fromkeys(("XMP-xmp", "XMP-x"), XMP),
    **dict.fromkeys(("ICC-header", "ICC_Profile"), ICC),
    "IPTC": IPTC,
    "PNG": "the texts of a PNG",
    "MPImage2": "the gain map of HDR",
}
"""The word that a note has for each of exiftool's groups."""
OF_THE_FILE = frozenset(
    (
        *("ImageWidth", "ImageHeight", "BitDepth", "ColorType", "Compression", "Filter"),
        *("Interlace", "ProfileName", "Gamma", "XMPToolkit", "MPImageStart", "ProfileCMMType"),
        *("XResolution", "YResolution", "ResolutionUnit", "YCbCrPositioning", "Orientation"),
        *("BitsPerSample", "PhotometricInterpretation", "StripOffsets", "SamplesPerPixel"),
        *("RowsPerStrip", "StripByteCounts", "PlanarConfiguration", "SampleFormat", "Predictor"),
        *("SubfileType", "IPTCDigest", "ExifByteOrder", "ModifyDate", "SRGBRendering"),
    )
)
"""Tags about how the old pixels are stored. Formats store the resolution outside of EXIF."""


def camera() -> bytes:
    """EXIF with texts in several encodings, maker notes and a position."""
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Artist] = "Maker", "Jos\u00e9".encode()
    below = exif.get_ifd(Ifd.Exif)
    below[Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    below[Base.ExposureTime] = 0.01
    below[37500] = b"MakerNotes of nobody\0" * 3
    below[37510] = b"UNICODE\0" + "日本".encode("utf-16-be")
    place = exif.get_ifd(Ifd.GPSInfo)
    place[Gps.GPSLatitudeRef], place[Gps.GPSLatitude] = "N", (52.0, 30.0, 1.5)
    return exif.tobytes()


def everything(folder: Path, suffix: str) -> Path:
    """A file with everything that its format can carry."""
    path, pixels, exif = folder / f"in.{suffix}", smooth(80, 112), camera()
    options: dict[str, Any] = {"exif": exif, "icc_profile": PROFILE}
    match suffix:
        case "jpg":
            body = b"8BIM\x04\x04\0\0" + len(CAPTIONS).to_bytes(4, "big") + CAPTIONS
            body += b"\0" * (len(CAPTIONS) % 2)
            captions = jpeg_files.segment(0xED, b"Photoshop 3.0\0" + body)
            more = {"extra": captions, "comment": b"said", "dpi": (300, 300), "quality": 95}
            path.write_bytes(jpeg_files.ultra_hdr(pixels, **options, **more))
        case "png":
            texts = chunk(b"tEXt", b"Title\0one") + chunk(b"iTXt", b"Author\0\0\0\0\0two")
            times = chunk(b"tIME", bytes((7, 232, 1, 2, 3, 4, 5)))
            values = {**options, "xmp": RATED, "dpi": (300, 300)}
            content = imagecodecs.png_encode(pixels)
            path.write_bytes(with_chunks(content, values, texts + times))
        case "tif":
            tags = [
                (700, "B", len(RATED), RATED, True),
                (33723, "B", len(CAPTIONS), CAPTIONS, True),
                (271, "s", 0, "Maker", True),
                (270, "s", 0, "words", True),
            ]
            options = {"iccprofile": PROFILE, "resolution": (300, 300), "extratags": tags}
            tifffile.imwrite(path, pixels, photometric="rgb", metadata=None, **options)
        case "heic":
            path.write_bytes(heic_files.heic(pixels, **options, xmp=RATED))
        case "jp2":
            jp2(path, Kind(formats.JPEG2000, "8", pixels, {**options, "xmp": RATED}))
        case "jxl":
            jxl(path, Kind(formats.JPEGXL, "8", pixels, {**options, "xmp": RATED}))
        case "bmp":
            path.write_bytes(bmp_with_profile(pixels, PROFILE))
        case "psd":
            kept = (
                (1028, CAPTIONS),
                (1039, PROFILE),
                (1058, exif.removeprefix(b"Exif\0\0")),
                (1060, RATED),
            )
            path.write_bytes(psd(pixels, b"".join(resource(*part) for part in kept)))
        case "gif":
            buffer = io.BytesIO()
            Image.fromarray(pixels & 0xC0).save(buffer, "GIF", comment=b"said")
            content = buffer.getvalue()
            end = bytes((1, *range(255, -1, -1), 0))
            path.write_bytes(content[:-1] + b"\x21\xff\x0bXMP DataXMP" + RATED + end + b";")
        case _:
            saved(path, pixels, **options, xmp=RATED, quality=95)
    return path


def told(*paths: Path) -> list[dict[str, Any]]:
    """All tags of files, by another program."""
    command = ["exiftool", "-json", "-G1", "-n", "-b", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, check=True)
    return list(json.loads(done.stdout))


@pytest.mark.parametrize(
    "suffix", ["jpg", "png", "tif", "webp", "avif", "heic", "jp2", "jxl", "gif", "bmp", "psd"]
)
def test_everything_is_kept_or_named(tmp_path: Path, suffix: str) -> None:
    source = everything(tmp_path, suffix)
    picture = read(source)
    assert picture.notes == ()
    notes, paths = {}, [source]
    for target in TARGETS:
        path = tmp_path / f"out.{target}"
        notes[target] = " ".join(check_fits(picture, path))
        write(picture, path)
        paths.append(path)
    before, *after = told(*paths)
    values = {
        name: value
        for name, value in before.items()
        if name.partition(":")[0] in GROUPS and name.partition(":")[2] not in OF_THE_FILE
    }
    assert values, before
    for target, tags in zip(TARGETS, after, strict=True):
        found = {name.partition(":")[2]: value for name, value in tags.items()}
        for name, value in values.items():
            group, _, tag = name.partition(":")
            if target == "jxl" and GROUPS[group] == ICC:  # which exiftool does not look for there
                assert read(tmp_path / "out.jxl").info["icc_profile"] == PROFILE
            elif GROUPS[group] not in notes[target]:
                assert found.get(tag) == value, (target, name, notes[target])
    if (comment := picture.info.get("comment")) is not None:
        for target in TARGETS:
            kept = read(tmp_path / f"out.{target}").info.get("comment") == comment
            assert kept == ("comment" not in notes[target])


def seen(path: Path) -> np.ndarray:
    """The picture as a viewer shows it."""
    return read(path).in_8_bits().pixels.astype(int)


def test_a_photo_of_an_iphone_comes_back_as_it_was(tmp_path: Path) -> None:
    save_model(tmp_path, identity=True)
    stored = smooth(96, 160)
    exif, profile = camera(), icc.rgb(2.2)
    content = heic_files.phone(stored, 3, exif=exif, icc_profile=profile, xmp=RATED)
    (tmp_path / "IMG_0001.HEIC").write_bytes(content)
    words = ("--model", "tiny.safetensors")
    outcome = restore("denoise", "IMG_0001.HEIC", "out.heic", *words, cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert np.abs(seen(tmp_path / "IMG_0001.HEIC") - seen(tmp_path / "out.heic")).mean() < 2
    before, after = told(tmp_path / "IMG_0001.HEIC", tmp_path / "out.heic")
    for tags in (before, after):
        assert tags["QuickTime:Rotation"] in (90, 270)
        assert tags["ExifIFD:UserComment"] == "日本"
        assert tags["XMP-xmp:Rating"] == 5
        assert tags["ICC-header:ColorSpaceData"] == "RGB "
    kinds = {name for name in before if "Auxiliary" in name}
    assert {name: before[name] for name in kinds} == {name: after.get(name) for name in kinds}


def test_a_photo_of_android_comes_back_as_it_was(tmp_path: Path) -> None:
    save_model(tmp_path, identity=True)
    exif = Image.Exif()
    exif.load(camera())
    exif[Base.Orientation] = 6
    options = {"exif": exif.tobytes(), "icc_profile": PROFILE, "quality": 95}
    (tmp_path / "PXL.jpg").write_bytes(jpeg_files.ultra_hdr(smooth(80, 112), **options))
    words = ("--model", "tiny.safetensors")
    outcome = restore("denoise", "PXL.jpg", "out.jpg", *words, cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert np.abs(seen(tmp_path / "PXL.jpg") - seen(tmp_path / "out.jpg")).mean() < 2
    before, after = told(tmp_path / "PXL.jpg", tmp_path / "out.jpg")
    skipped = ("System", "File", "SourceFile", "Composite", "ExifTool", "MPImage1", "MPF0")
    values = {k: v for k, v in before.items() if not k.startswith(skipped) and "Start" not in k}
    assert {name: after.get(name) for name in values} == values

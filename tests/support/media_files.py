"""Pictures of every format and kind in files, made and opened without our own code."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import OpenEXR
import pillow_heif
import tifffile
from PIL import ExifTags, Image

from restore.media.formats.format import Format
from restore.media.formats.jpegxl.code_stream_header import JxlColour
from restore.media.formats.jpegxl.header_edit import rewritten
from restore.media.picture import DPI, EXIF, ICC, XMP

PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="%d">said</a></x:xmpmeta>'
RESOLUTION = (300.0, 150.0)
LIBHEIF_LOSSLESS = -1


@dataclass(frozen=True)
class Kind:
    """``stored``: H x W x 1 to 4; ``carried`` is by the keys of `Picture.info`."""

    format: Format
    depth: str
    stored: np.ndarray
    carried: dict[str, Any]

    @property
    def flat(self) -> np.ndarray:
        """Grey as H x W."""
        return self.stored[..., 0] if self.stored.shape[2] == 1 else self.stored


def exif(orientation: int) -> bytes:
    made = Image.Exif()
    made[ExifTags.Base.Make] = "Maker"
    if orientation != 1:
        made[ExifTags.Base.Orientation] = orientation
    return made.tobytes()


def carried(profile: bytes, orientation: int) -> dict[str, Any]:
    """Everything a file may have beside its pixels."""
    return {
        ICC: profile,
        EXIF: exif(orientation),
        XMP: PACKET % orientation,
        DPI: RESOLUTION,
    }


def make(path: Path, kind: Kind) -> None:
    """A file of this kind; the name of the format says which function makes it."""
    by_name = {
        **{("PNG", "16"): deep_png, ("TIFF", "16"): tiff, ("TIFF", "32f"): tiff},
        **{("JPEG2000", "8"): jp2, ("JPEG2000", "16"): jp2},
        **{("JPEGXL", depth): jxl for depth in ("8", "16", "32f")},
        **{("PPM", "16"): by_opencv, ("PFM", "32f"): by_opencv},
        **{("EXR", "32f"): exr, ("HEIF", "8"): heif, ("GIF", "8"): gif},
    }
    by_name.get((kind.format.name, kind.depth), by_pillow)(path, kind)


def by_pillow(path: Path, kind: Kind) -> None:
    options: dict[str, Any] = dict(kind.carried)
    if kind.format.name in ("JPEG", "WEBP", "AVIF"):
        options["quality"] = 100
    if kind.format.name == "TIFF" and XMP in options:
        known = Image.Exif()
        known.load(options[EXIF])
        known[700] = options.pop(XMP)
        options[EXIF] = known
    if kind.format.name == "PNG" and XMP in options:
        content = io.BytesIO()
        Image.fromarray(kind.flat).save(content, "PNG", **{**options, XMP: None})
        path.write_bytes(with_chunks(content.getvalue(), {XMP: options[XMP]}))
        return
    Image.fromarray(kind.flat).save(path, kind.format.name, **options)


def gif(path: Path, kind: Kind) -> None:
    """Of no more than 255 colours, and one more that is transparent."""
    _gif(path, kind)
    if XMP in kind.carried:
        end = bytes((1, *range(255, -1, -1), 0))
        content = path.read_bytes()[:-1] + b"\x21\xff\x0bXMP DataXMP" + kind.carried[XMP]
        path.write_bytes(content + end + b";")


def _gif(path: Path, kind: Kind) -> None:
    channels = kind.stored.shape[2]
    if channels in (1, 3):
        Image.fromarray(kind.flat).save(path)
        return
    colours = kind.stored[..., :-1]
    image = Image.fromarray(colours[..., 0] if channels == 2 else colours).convert("RGB")
    palette = image.quantize(255)
    index = np.asarray(palette).copy()
    index[kind.stored[..., -1] == 0] = 255
    clear = Image.fromarray(index)
    clear.putpalette(((palette.getpalette() or []) + [0] * 768)[:768])
    clear.save(path, transparency=255)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunks(png: bytes, values: dict[str, Any], more: bytes = b"") -> bytes:
    """A PNG with chunks behind its header."""
    added = b""
    if ICC in values:
        added += chunk(b"iCCP", b"profile\0\0" + zlib.compress(values[ICC]))
    if DPI in values:
        metres = (round(v / 0.0254) for v in values[DPI])
        added += chunk(b"pHYs", struct.pack(">IIB", *metres, 1))
    if EXIF in values:
        added += chunk(b"eXIf", values[EXIF].removeprefix(b"Exif\0\0"))
    if XMP in values:
        added += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + values[XMP])
    return png[:33] + more + added + png[33:]


def deep_png(path: Path, kind: Kind) -> None:
    path.write_bytes(
        with_chunks(imagecodecs.png_encode(np.ascontiguousarray(kind.flat)), kind.carried)
    )


def tiff(path: Path, kind: Kind, **options: Any) -> None:
    channels = kind.stored.shape[2]
    tags: list[Any] = []
    if XMP in kind.carried:
        tags.append((700, "B", len(kind.carried[XMP]), kind.carried[XMP], True))
    if EXIF in kind.carried:
        known = Image.Exif()
        known.load(kind.carried[EXIF])
        tags.append((271, "s", 0, known[ExifTags.Base.Make], True))
        tags.append((274, "H", 1, known.get(ExifTags.Base.Orientation, 1), True))
    tifffile.imwrite(
        path,
        kind.flat,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        iccprofile=kind.carried.get(ICC),
        resolution=kind.carried.get(DPI),
        resolutionunit="inch" if DPI in kind.carried else None,
        extratags=tags,
        metadata=None,
        software=False,
        **options,
    )


def jp2(path: Path, kind: Kind) -> None:
    content = bytes(imagecodecs.jpeg2k_encode(kind.flat, level=0, codecformat="jp2"))
    header, stream = content.index(b"jp2h") - 4, content.index(b"jp2c") - 4
    colour = content.index(b"colr") - 4
    end = colour + struct.unpack_from(">I", content, colour)[0]
    if ICC in kind.carried:
        named = box(b"colr", b"\2\0\0" + kind.carried[ICC])
        inner = content[header + 8 : colour] + named + content[end:stream]
        content = content[:header] + box(b"jp2h", inner) + content[stream:]
    if XMP in kind.carried:
        uuid = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
        content += box(b"uuid", uuid + kind.carried[XMP])
    if EXIF in kind.carried:
        content += box(b"uuid", b"JpgTiffExif->JP2" + kind.carried[EXIF].removeprefix(b"Exif\0\0"))
    path.write_bytes(content)


def jxl(path: Path, kind: Kind) -> None:
    """Lossless, in a container with metadata. The header has the orientation, as EXIF has."""
    content = bytes(imagecodecs.jpegxl_encode(kind.flat, lossless=True, usecontainer=True))
    start = content.index(b"jxlc") - 4
    exif = kind.carried.get(EXIF, b"").removeprefix(b"Exif\0\0")
    known = Image.Exif()
    known.load(exif)
    stated: dict[str, Any] = {"colour": JxlColour(transfer=8 if kind.depth == "32f" else 13)}
    if ICC in kind.carried:
        stated = {"profile": kind.carried[ICC]}
    orientation = known.get(ExifTags.Base.Orientation, 1)
    stream = rewritten(content[start + 8 :], orientation=orientation, **stated)
    boxes = box(b"Exif", bytes(4) + exif) if exif else b""
    boxes += box(b"xml ", kind.carried[XMP]) if XMP in kind.carried else b""
    path.write_bytes(content[:start] + boxes + box(b"jxlc", stream))


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def by_opencv(path: Path, kind: Kind) -> None:
    grey = kind.stored.shape[2] == 1
    suffix = ".pgm" if grey and path.suffix == ".ppm" else path.suffix
    data = kind.flat if grey else np.ascontiguousarray(kind.stored[..., ::-1])
    path.write_bytes(cv2.imencode(suffix, data)[1].tobytes())


def exr(path: Path, kind: Kind, dtype: Any = np.float32) -> None:
    """As is the custom, with colours multiplied by their alpha."""
    channels = kind.stored.shape[2]
    names = ("Y", "A") if channels < 3 else ("R", "G", "B", "A")
    planes = dict(zip(names, np.moveaxis(kind.stored, 2, 0), strict=False))
    if "A" in planes:
        planes = {n: p if n == "A" else p * planes["A"] for n, p in planes.items()}
    write_exr(path, {name: np.ascontiguousarray(plane, dtype) for name, plane in planes.items()})


def write_exr(path: Path, planes: dict[str, np.ndarray]) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, planes).write(str(path))


def heif(path: Path, kind: Kind) -> None:
    colour = kind.stored[..., :3] if kind.stored.shape[2] > 2 else kind.stored[..., [0, 0, 0]]
    has_alpha = kind.stored.shape[2] in (2, 4)
    data = np.dstack((colour, kind.stored[..., -1])) if has_alpha else colour
    mode = "RGBA" if has_alpha else "RGB"
    file = pillow_heif.from_bytes(mode, data.shape[1::-1], data.tobytes())
    options = {key: kind.carried[key] for key in (ICC, EXIF, XMP) if key in kind.carried}
    file.save(path, quality=LIBHEIF_LOSSLESS, **options)


def opened(path: Path, format_: Format, depth: str) -> np.ndarray:
    """The pixels of a file as another program finds them: H x W x 1 to 4."""
    match (format_.name, depth):
        case ("PNG", "16"):
            data = imagecodecs.png_decode(path.read_bytes())
        case ("TIFF", _):
            data = tifffile.imread(path)
        case ("JPEG2000", _):
            # The code stream alone: imagecodecs would convert the pixels into the profile.
            content = path.read_bytes()
            data = imagecodecs.jpeg2k_decode(content[content.index(b"jp2c") + 4 :])
        case ("JPEGXL", _):
            data = imagecodecs.jpegxl_decode(path.read_bytes())
        case ("PPM", "16") | ("PFM", _):
            data = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            data = data if data.ndim == 2 else data[..., ::-1]
        case ("EXR", _):
            with OpenEXR.File(str(path), separate_channels=True) as file:
                found = {name: channel.pixels for name, channel in file.channels().items()}
            data = np.dstack([found[name] for name in "YRGBA" if name in found])
        case ("HEIF", _):
            data = np.asarray(pillow_heif.open_heif(path))
        case ("GIF", _):
            with Image.open(path) as image:
                data = np.asarray(image.convert("RGBA" if "transparency" in image.info else "RGB"))
        case _:
            with Image.open(path) as image:
                data = np.asarray(image)
    return data[..., None] if data.ndim == 2 else data


def resource(number: int, content: bytes) -> bytes:
    """An image resource of Photoshop without a name."""
    head = struct.pack(">4sHHI", b"8BIM", number, 0, len(content))
    return head + content + bytes(len(content) % 2)


def psd(pixels: np.ndarray, resources: bytes = b"", layered: bool = False) -> bytes:
    """A Photoshop file, not compressed: its merged picture and, if wanted, two layers of it."""
    height, width, channels = pixels.shape
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 8, 3)
    planes = [np.ascontiguousarray(plane).tobytes() for plane in np.moveaxis(pixels, 2, 0)]
    layers = b""
    if layered:
        record = struct.pack(">4IH", 0, 0, height, width, channels)
        record += b"".join(struct.pack(">hI", i, 2 + len(p)) for i, p in enumerate(planes))
        name = b"\x03one"
        record += (
            b"8BIMnorm" + bytes((255, 0, 0, 0)) + struct.pack(">3I", 8 + len(name), 0, 0) + name
        )
        stored = b"".join(bytes(2) + plane for plane in planes)
        body = struct.pack(">h", 2) + 2 * record + 2 * stored
        body += bytes(len(body) % 2)
        layers = struct.pack(">I", len(body)) + body + bytes(4)
    blocks = struct.pack(">II", 0, len(resources)) + resources
    blocks += struct.pack(">I", len(layers)) + layers
    return head + blocks + bytes(2) + b"".join(planes)


def bmp_with_profile(pixels: np.ndarray, profile: bytes) -> bytes:
    """A BMP of version 5."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "BMP")
    content = buffer.getvalue()
    stored = content[54:]
    header = struct.pack("<I", 124) + content[18:54] + bytes(16)
    header += (b"DEBM" if profile else b"BGRs") + bytes(52)
    header += struct.pack("<2I", 124 + len(stored), len(profile)) + bytes(4)
    return content[:10] + struct.pack("<I", 14 + 124) + header + stored + profile


def temporary_exr(**planes: np.ndarray) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.exr"
        write_exr(path, planes)
        return path.read_bytes()


def dng(orientation: int = 1, size: tuple[int, int] = (48, 64)) -> bytes:
    """A camera's raw file: red, green, green, blue on a grid, 16 bits, nothing done to them yet."""
    y, x = np.mgrid[: size[0], : size[1]]
    one, none = (1, 1), (0, 1)
    matrix = (one, none, none, none, one, none, none, none, one)
    tags: list[Any] = [
        (271, "s", 0, "Maker", True),
        (272, "s", 0, "Model", True),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, bytes((0, 1, 1, 2)), True),
        (50706, "B", 4, bytes((1, 4, 0, 0)), True),
        (50708, "s", 0, "Maker Model", True),
        (50714, "H", 1, 0, True),
        (50717, "H", 1, 65535, True),
        (50721, "2i", 9, sum(matrix, ()), True),
        (50728, "2I", 3, one * 3, True),
        (50778, "H", 1, 21, True),
    ]
    buffer = io.BytesIO()
    data = (2000 + 500 * x + 200 * y).astype(np.uint16)
    options: dict[str, Any] = {"metadata": None, "software": False, "extratags": tags}
    tifffile.imwrite(buffer, data, photometric="cfa", **options)
    return buffer.getvalue()

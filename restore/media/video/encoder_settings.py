"""Options of the encoders: quality, speed and HDR metadata."""

from __future__ import annotations

from restore.errors import UsageError
from restore.media.video import hdr
from restore.media.video.stream import Clip

FAMILIES = {
    "h264": ("libx264", "libx264rgb"),
    "hevc": ("libx265",),
    "vp8": ("libvpx",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1",),
    "prores": ("prores_ks",),
}
"""Encoders of codecs whose encoder has another name."""

# Macroblock tree makes the output of x264 vary between runs, on some processors and for widths that
# are not multiples of 128. CU tree has the same effect in x265.
_X264 = {"preset": "medium", "x264-params": "mbtree=0"}
_QUALITY: dict[str, tuple[str, int, int, dict[str, str]]] = {
    # encoder: (quality option, visually lossless value, worst value, other options)
    "libx264": ("crf", 14, 51, _X264),
    "libx264rgb": ("crf", 14, 51, _X264),
    "libx265": ("crf", 16, 51, {"preset": "medium"}),
    "libvpx": ("crf", 8, 63, {"b": "100M", "qmin": "0", "deadline": "good", "cpu-used": "2"}),
    "libvpx-vp9": ("crf", 20, 63, {"b": "0", "deadline": "good", "cpu-used": "2"}),
    "libsvtav1": ("crf", 18, 63, {"preset": "6"}),
}
QUANTISER = frozenset(
    (
        *("mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "msmpeg4", "msmpeg4v2", "msmpeg4v3"),
        *("wmv1", "wmv2", "flv", "h263", "h263p"),
    )
)
_FINEST_QUANTISER, _COARSEST_QUANTISER = 2, 31
_PRORES = {"apco": 0, "apcs": 1, "apcn": 2, "apch": 3, "ap4h": 4, "ap4x": 5}


def encoder_options(
    encoder: str, clip: Clip, container: str, crf: float | None
) -> tuple[dict[str, str], list[str]]:
    """Return the options of an encoder and notes on properties that they cannot express.

    Raises `UsageError` for a quality outside the encoder's scale.
    """
    options: dict[str, str] = {}
    if encoder in _QUALITY:
        name, default, worst, rest = _QUALITY[encoder]
        options = {name: _bounded(encoder, crf, default, 0, worst), **rest}
    elif encoder in QUANTISER:
        quantiser = _bounded(encoder, crf, _FINEST_QUANTISER, 1, _COARSEST_QUANTISER)
        options = {"qmin": quantiser, "qmax": quantiser}
    elif crf is not None:
        raise UsageError(f"crf is {crf:g}, but {encoder} has no such scale")
    if encoder == "prores_ks":
        options["profile"] = str(
            _PRORES.get(clip.codec_tag, 4 if "444" in clip.pixel_format else 3)
        )
    if encoder == "ffv1":
        options |= {"level": "3", "g": "1", "slicecrc": "1"}
    if encoder == "mjpeg":
        options["huffman"] = "optimal"
    if container == "avi" and encoder in ("libx264", "libx264rgb", "libx265", "mpeg4"):
        options["bf"] = "0"  # AVI stores frames in display order only
    if encoder == "libx265":
        options["x265-params"] = "log-level=error:frame-threads=2:pools=4:cutree=0"
    said, missing = hdr.options(encoder, clip.mastering, clip.light)
    for name, value in said.items():
        options[name] = f"{options[name]}:{value}" if name in options else value
    return options, missing


def _bounded(encoder: str, wish: float | None, default: int, best: int, worst: int) -> str:
    value = default if wish is None else wish
    if not best <= value <= worst:
        raise UsageError(f"crf is {value:g}; {encoder} supports {best} to {worst}")
    return f"{value:g}"


def codec_tag(encoder: str, container: str, clip: Clip) -> str:
    """Return the four letters by which a container identifies the codec; empty for the default."""
    same = encoder in FAMILIES.get(clip.codec, (clip.codec,))
    if encoder == "libx265" and container in ("mp4", "mov"):
        # Apple's players require hvc1, which means that parameter sets are in the header.
        return "hvc1"
    if same and container == "avi" and clip.container == "avi" and clip.codec_tag.isprintable():
        return clip.codec_tag.strip()
    return ""

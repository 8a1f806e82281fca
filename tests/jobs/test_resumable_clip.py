"""Real clips through the job, with something quicker than a network in the middle."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import ClipRecipe, frame, frames, make, packets, samples, scene, stamps
from PIL import Image

from restore.errors import ImageError
from restore.jobs.resumable_clip import Restore, RestoredClip, settle, write_clip
from restore.media.video.encoders import EncodeOptions

HARNESS = Path(__file__).parents[1] / "support" / "clip_harness.py"
IRREGULAR = tuple(int(t) for t in np.cumsum([90, 512, 300, 1200, 512, 20, 700, 3000, 64, 640] * 2))


def same(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    return (np.clip(image, 0, 1) for image in images)


def darker(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    return (np.clip(image, 0, 1) * np.float32(0.5) for image in images)


def run(
    source: Path, target: Path, restore: Restore = same, asked: EncodeOptions | None = None
) -> RestoredClip:
    file, encoding = settle(source, target, asked or EncodeOptions())
    return write_clip(file, target, encoding, restore, {})


# Kept frames


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        *(("ffv1", form) for form in ("yuv420p", "yuv422p10le", "yuv444p12le", "gray", "bgr0")),
        *(("ffv1", form) for form in ("yuva420p", "bgra", "gray16le", "gbrp10le")),
        *(("libx264", form) for form in ("yuv420p", "yuv420p10le", "yuvj420p", "nv12", "gray")),
        ("libx264rgb", "bgr0"),
        ("prores_ks", "yuv422p10le"),
    ],
)
def test_a_network_that_changes_nothing_changes_nothing(
    tmp_path: Path, codec: str, pixel_format: str
) -> None:
    """Sample by sample, where the encoding is lossless; else to within what it costs."""
    options = {"qp": "0"} if "264" in codec else {}
    recipe = ClipRecipe(codec, pixel_format, stamps=tuple(range(0, 6 * 512, 512)), options=options)
    source, target = make(tmp_path / "in.mkv", recipe), tmp_path / "out.mkv"
    made = run(source, target)
    assert made.frames == 6
    assert made.notes == ()
    for before, after in zip(frames(source), frames(target), strict=True):
        assert after.format.name == before.format.name
        if codec == "ffv1":
            assert samples(after) == samples(before)
        else:
            pair = [p.to_ndarray(format="gray").astype(int) for p in (before, after)]
            assert np.abs(pair[0] - pair[1]).mean() < 1


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_irregular_times_are_kept_exactly(tmp_path: Path, suffix: str) -> None:
    recipe = ClipRecipe(stamps=tuple(7 * 512 + t for t in IRREGULAR))
    source, target = make(tmp_path / f"in{suffix}", recipe), tmp_path / f"out{suffix}"
    assert run(source, target).notes == ()
    first, *_ = stamps(source)
    assert stamps(target) == [stamp - first for stamp in stamps(source)]
    if suffix != ".mkv":  # which counts in milliseconds
        assert stamps(source) == [t * recipe.tick for t in recipe.stamps]
        with av.open(str(source)) as old, av.open(str(target)) as new:
            assert new.streams[0].time_base == old.streams[0].time_base
            assert new.streams[0].duration == old.streams[0].duration


RICH = {
    "sounds": ("eng", "deu"),
    "chapters": ("One", "Two"),
    "metadata": {"title": "A clip", "artist": "Somebody", "creation_time": "2020-01-02T03:04:05"},
    "turned": True,
    "aspect": Fraction(4, 3),
    "colour": (1, 9, 9, 16),
    "pixel_format": "yuv420p10le",
}
RICHER = {
    ".mp4": {"words": (("fra", "mov_text"),)},
    ".mov": {
        "words": (("fra", "mov_text"),),
        "metadata": RICH["metadata"] | {"com.maker.model": "Camera"},
        "container": {"movflags": "use_metadata_tags"},
    },
    ".mkv": {"words": (("fra", "subrip"),), "title": "Pictures", "font": b"letters" * 9},
    ".webm": {"codec": "libsvtav1", "sound_codec": "libopus", "turned": True, "aspect": None},
    ".avi": {
        "codec": "mpeg4",
        "pixel_format": "yuv420p",
        "stamps": tuple(range(20)),
        "tick": Fraction(1, 25),
        "turned": False,
        "chapters": (),
        "colour": None,
        "sounds": ("eng",),
        "sound_codec": "mp3",
        "metadata": {"title": "A clip"},
    },
}


@pytest.mark.parametrize("suffix", RICHER)
def test_everything_else_of_a_clip_is_kept(tmp_path: Path, suffix: str) -> None:
    recipe = ClipRecipe(**{**RICH, **RICHER[suffix]})  # type: ignore[arg-type]
    source, target = make(tmp_path / f"in{suffix}", recipe), tmp_path / f"out{suffix}"
    made = run(source, target, darker)
    assert made.notes == ()
    assert stamps(target) == stamps(source)
    for kind in ("audio", "subtitle"):
        assert packets(target, kind) == packets(source, kind)
    assert len(packets(source, "audio")) == len(recipe.sounds)
    with av.open(str(source)) as old, av.open(str(target)) as new:
        assert [s.type for s in new.streams] == [s.type for s in old.streams]
        for before, after in zip(old.streams, new.streams, strict=True):
            assert after.language == before.language
            assert after.disposition == before.disposition
            assert after.metadata.get("title") == before.metadata.get("title")
            if after.type == "attachment":
                assert after.data == before.data == recipe.font
            if after.codec_context:
                assert after.codec_context.name == before.codec_context.name
        for name, value in recipe.metadata.items():
            assert new.metadata.get(name, new.metadata.get(name.upper())) == old.metadata.get(
                name, old.metadata.get(name.upper())
            ), value
        titles = [chapter["metadata"]["title"] for chapter in new.chapters()]
        assert titles == list(recipe.chapters)
        starts = [float(c["start"] * c["time_base"]) for c in new.chapters()]
        assert starts == [0.3 * i for i in range(len(titles))]
        pair = old.streams.video[0], new.streams.video[0]
        assert pair[1].sample_aspect_ratio == pair[0].sample_aspect_ratio
    first, last = frames(source)[0], frames(target)[0]
    assert last.rotation == first.rotation == (-90 if recipe.turned else 0)
    assert last.format.name == first.format.name
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        assert getattr(last, name) == getattr(first, name)
    before, after = (p.to_ndarray(format="gray").astype(int) for p in (first, last))
    assert 30 < (before - after).mean() < 90  # it was restored


@pytest.mark.parametrize("codec", ["libx264", "ffv1", "libvpx-vp9", "libsvtav1"])
def test_keeps_the_pixel_aspect_of_the_container(tmp_path: Path, codec: str) -> None:
    recipe = ClipRecipe(height=64, aspect=Fraction(15, 11), title="Pictures", sounds=("eng",))
    source = make(tmp_path / "in.mp4", recipe)
    for suffix in (".mkv", ".webm") if "v" in codec and codec != "ffv1" else (".mkv",):
        if suffix == ".webm":
            source = make(tmp_path / "silent.mp4", ClipRecipe(height=64, aspect=Fraction(15, 11)))
        target = tmp_path / f"out{suffix}"
        assert run(source, target, asked=EncodeOptions(codec)).notes == ()
        with av.open(str(target)) as clip:
            stream = clip.streams.video[0]
            assert stream.sample_aspect_ratio == Fraction(15, 11)
            title = "Pictures" if suffix == ".mkv" else None
            assert stream.metadata.get("title") == title  # the room is gone
            assert len(list(clip.decode(video=0))) == 20


def test_keeps_transparency_of_vp9(tmp_path: Path) -> None:
    source = make(tmp_path / "in.webm", ClipRecipe("libvpx-vp9", "yuva420p", height=64))
    target = tmp_path / "out.webm"
    made = run(source, target, darker)
    assert (made.notes, made.encoding.pixel_format) == ((), "yuva420p")
    for path in (source, target):
        with av.open(str(path)) as clip:
            beside = [p.has_sidedata("matroska_block_additional") for p in clip.demux() if p.size]
            assert beside == [True] * 20
            assert clip.streams[0].metadata["alpha_mode"] == "1"


def test_tags_of_hdr_are_kept(tmp_path: Path) -> None:
    screen = (
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
        ":max-cll=1000,400:log-level=none"
    )
    recipe = ClipRecipe(
        "libx265",
        "yuv420p10le",
        height=64,
        colour=(1, 9, 9, 16),
        options={"x265-params": screen},
    )
    source, target = make(tmp_path / "in.mp4", recipe), tmp_path / "out.mp4"
    assert run(source, target).notes == ()
    for name in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"):
        old, new = (bytes(frames(path)[0].side_data[name]) for path in (source, target))
        assert old == new
        assert any(old)
    with av.open(str(target)) as clip:
        assert clip.streams[0].codec_context.codec_tag == "hvc1"


def test_cover_art_is_copied_and_another_picture_stream_too(tmp_path: Path) -> None:
    from pictures import saved, smooth

    cover = saved(tmp_path / "cover.jpg", smooth(8, 8)).read_bytes()
    source = make(tmp_path / "in.mp4", ClipRecipe(cover=cover, second=True))
    for suffix in (".mp4", ".mkv"):
        target = tmp_path / f"out{suffix}"
        made = run(source, target)
        assert made.notes == ("video stream 1 is copied as it is",)
        with av.open(str(target)) as clip:
            art = [s for s in clip.streams.video if s.disposition & s.disposition.attached_pic]
            assert len(art) == 1
            assert len(clip.streams.video) == 3
            (packet,) = (p for p in clip.demux(art[0]) if p.size)
            assert bytes(packet) == cover
        assert packets(target, "video")[1] == packets(source, "video")[1]


def test_another_container_keeps_what_it_can_hold(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", ClipRecipe(sounds=("eng",), words=(("eng", "mov_text"),)))
    made = run(source, tmp_path / "out.mkv")
    assert made.notes == ("subtitle stream 2 (mov_text) is converted to subrip",)
    assert stamps(tmp_path / "out.mkv") == stamps(source)
    assert packets(tmp_path / "out.mkv", "audio") == packets(source, "audio")
    with pytest.raises(ImageError, match=r"out.webm: .webm cannot hold audio stream 1 \(aac\)"):
        run(source, tmp_path / "out.webm")
    silent = make(tmp_path / "silent.mp4")
    made = run(silent, tmp_path / "out.webm")
    assert made.notes == ("h264 is not written to .webm: encoded by libvpx-vp9",)
    irregular = make(tmp_path / "irregular.mp4", ClipRecipe(stamps=IRREGULAR))
    with pytest.raises(ImageError, match=r"frame 1 does not keep to .*, and .avi has no other"):
        run(irregular, tmp_path / "out.avi")


@pytest.mark.parametrize(
    ("asked", "suffix", "codec", "pixel_format"),
    [
        (EncodeOptions("hevc", 20), ".mkv", "hevc", "yuv420p"),
        (EncodeOptions("libsvtav1"), ".mp4", "av1", "yuv420p"),
        (EncodeOptions(pixel_format="yuv444p"), ".mp4", "h264", "yuv444p"),
        (EncodeOptions("ffv1", None, "yuv420p10le"), ".mkv", "ffv1", "yuv420p10le"),
        (EncodeOptions("prores"), ".mov", "prores", "yuv422p10le"),
        (EncodeOptions("mjpeg", 5), ".avi", "mjpeg", "yuvj420p"),
        (EncodeOptions("vp8"), ".webm", "vp8", "yuv420p"),
    ],
)
def test_encode_options_are_applied(
    tmp_path: Path, asked: EncodeOptions, suffix: str, codec: str, pixel_format: str
) -> None:
    source = make(tmp_path / "in.mp4", ClipRecipe(height=64, stamps=tuple(range(0, 3072, 512))))
    run(source, tmp_path / f"out{suffix}", asked=asked)
    with av.open(str(tmp_path / f"out{suffix}")) as clip:
        context = clip.streams[0].codec_context
        assert av.Codec(context.name, "r").canonical_name == codec
        made = next(clip.decode(video=0))
    assert made.format.name == pixel_format
    before, after = (p.to_ndarray(format="rgb24").astype(int) for p in (frames(source)[0], made))
    assert np.abs(before - after).mean() < 4


def test_sound_tracks_keep_their_titles_and_languages(tmp_path: Path) -> None:
    """MP4 and MOV read a title under another name than they write it, and MOV has languages of its
    own."""
    spoken = ("eng", "deu", "nld")
    source = make(tmp_path / "in.mkv", ClipRecipe(sounds=spoken, titles=True, title="Pictures"))
    before = source
    for number, suffix in enumerate((".mp4", ".mov", ".mp4", ".mkv")):
        target = tmp_path / f"out{number}{suffix}"
        assert run(before, target).notes == ()
        with av.open(str(target)) as clip:
            tags = [dict(stream.metadata) for stream in clip.streams]
        titles = [tag.get("title", tag.get("name")) for tag in tags]
        assert titles == ["Pictures", *(f"In {language}" for language in spoken)]
        languages = [tag["language"] for tag in tags[1:]]
        assert languages == (list(spoken) if number == 0 else ["eng", "ger", "dut"])
        before = target
    lost = run(source, tmp_path / "out.avi", asked=EncodeOptions("mpeg4")).notes
    assert ".avi does not keep the language of audio stream 2" in lost


def test_ignores_unknown_side_data(tmp_path: Path) -> None:
    """As cameras write them into each picture of a Motion JPEG clip; the turn is kept."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    source, target = tmp_path / "in.mov", tmp_path / "out.mov"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(3):
            content = io.BytesIO()
            Image.fromarray(scene(number)).save(content, "JPEG", exif=exif.tobytes())
            packet = av.Packet(content.getvalue())
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, number, number, True
            packet.time_base, packet.duration = Fraction(1, 25), 1
            output.mux(packet)
    assert run(source, target).notes == ()
    assert frames(target)[0].rotation == frames(source)[0].rotation


def test_a_rate_that_the_file_does_not_say_is_measured(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    for times in ((0, 100), tuple(range(0, 1000, 100))):
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuvj420p"
        encoder.time_base = Fraction(1, 1000)
        with av.open(str(source), "w") as output:
            options = {"width": 64, "height": 48, "time_base": encoder.time_base}
            stream = output.add_mux_stream("mjpeg", **options)
            for number, time in enumerate(times):
                picture = frame(number, "yuvj420p")
                picture.pts, picture.time_base = time, encoder.time_base
                for packet in encoder.encode(picture):
                    packet.stream = stream
                    output.mux(packet)
        target.unlink(missing_ok=True)
        run(source, target, asked=EncodeOptions("h264"))
        with av.open(str(target)) as clip:
            assert clip.streams[0].average_rate == 10
            assert clip.streams[0].duration * clip.streams[0].time_base == Fraction(len(times), 10)


def test_palettes_and_transparency_find_a_format(tmp_path: Path) -> None:
    pictures = [Image.fromarray(scene(number)).convert("P") for number in range(3)]
    source = tmp_path / "in.gif"
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=40)
    for suffix, form in ((".mov", "yuv420p"), (".webm", "yuva420p"), (".mkv", "pal8")):
        target = tmp_path / f"out{suffix}"
        notes = run(source, target).notes
        assert len(frames(target)) == 3
        with av.open(str(target)) as clip:
            said = clip.streams[0].metadata.get("alpha_mode", clip.streams[0].pix_fmt)
        assert said == ("1" if suffix == ".webm" else form if form != "pal8" else said)
        assert suffix == ".mkv" or any(f"encoded as {form}" in note for note in notes)

"""Parts of the server that need no requests."""

from __future__ import annotations

import io
import socket
import threading
import time
import zipfile
from pathlib import Path, PurePosixPath

import av
import clips
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import save_model
from PIL import Image, ImageCms

from restore.errors import UsageError
from restore.media.code_points import matrix_profile
from restore.media.video.detect import CONTAINERS
from restore.serve.archive import free_name, zipped
from restore.serve.browser_view import write_view
from restore.serve.job_queue import JobQueue, save
from restore.serve.job_runner import JobRunner
from restore.serve.limits import Limits, QueueFullError
from restore.serve.model_cache import ModelCache
from restore.serve.served_job import ServedJob, Wish, ending_of, is_text
from restore.serve.server import bind
from restore.serve.uploads import shown_name, wished

P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329))


@given(st.text(max_size=150))
def test_shown_names_are_one_plain_part_of_a_path(name: str) -> None:
    shown = shown_name(name)
    assert 0 < len(shown) <= 111
    assert not set(shown) & {"/", "\\", "\n", "\r", "\0"}
    assert not shown.startswith(".")


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("C:\\photos\\cat.tif", "cat.tif"),
        ("../../etc/passwd", "passwd"),
        (".bashrc", "bashrc"),
        ("", "upload"),
        ("a\r\nSet-Cookie: x.png", "aSet-Cookie: x.png"),
    ],
)
def test_names_lose_folders_and_control_characters(given_: str, shown: str) -> None:
    assert shown_name(given_) == shown


def test_endings_come_from_the_name_or_the_first_bytes() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(8)
    assert ending_of("a.TIF", png) == ".tif"
    assert ending_of("clip.mp4", b"") == ".mp4"
    assert ending_of("image", png) == ".png"
    assert ending_of("image.download", png) == ".png"
    assert ending_of("image.exe", b"MZ") == ""


@pytest.mark.parametrize("start", [b"#EXTM3U\n", b"ffconcat version 1.0\n", b"\xef\xbb\xbf<MPD "])
@pytest.mark.parametrize("rest", [b"", b"file:///etc/passwd\n", bytes(5000)])
def test_playlists_are_text_whatever_follows(start: bytes, rest: bytes) -> None:
    assert is_text((start + b"#EXT-X-VERSION:3")[:16] + rest)


@pytest.mark.parametrize("ending", [*CONTAINERS, ".ts", ".mpg", ".flv", ".y4m", ".mxf"])
def test_clips_are_not_taken_for_playlists(tmp_path: Path, ending: str) -> None:
    codec = {".y4m": "wrapped_avframe", ".flv": "flv1", ".webm": "libvpx-vp9"}
    name = codec.get(ending, "mpeg2video" if ending in (".mpg", ".mxf", ".ts") else "mpeg4")
    path = tmp_path / f"clip{ending}"
    try:
        clips.make(path, clips.ClipRecipe(codec=name, options={}))
    except (ValueError, av.FFmpegError) as error:
        pytest.skip(f"FFmpeg cannot make it: {error}")
    assert not is_text(path.read_bytes()[:64])


def test_options_come_from_the_address_the_form_and_accept() -> None:
    wish = wished({"strength": "0.5", "quality": ""}, "denoise", "image/webp")
    assert wish == Wish("denoise", None, 0.5, "webp")
    with pytest.raises(UsageError, match="the form deblur"):
        wished({"head": "deblur"}, "denoise")
    with pytest.raises(UsageError, match="no task is called ''"):
        wished({})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("photos/2020", "photos/2020"),
        ("C:\\photos\\2020", "C/photos/2020"),
        ("../../etc/./x", "etc/x"),
        ("/abs//olute/", "abs/olute"),
        ("a\n/b\0c", "a/bc"),
        ("/".join("x" * 50), "/".join("x" * 20)),
        ("", ""),
    ],
)
def test_folders_of_results_stay_within_theirs(given: str, kept: str) -> None:
    assert wished({"folder": given}, "denoise").folder == kept


def test_files_that_wait_are_bounded_in_bytes() -> None:
    limits = Limits(upload_bytes=100, queue_bytes=150)
    queue = JobQueue(JobRunner(ModelCache(1), 100), limits)
    try:
        with queue.place(100):
            with queue.place(50):
                pass
            for size in (51, None):  # an unknown size may be the largest
                with pytest.raises(QueueFullError, match="the queue is full"), queue.place(size):
                    pass
        with queue.place(200):  # alone
            pass
    finally:
        queue.close()


@pytest.mark.parametrize("name", list(vars(Limits())))
def test_limits_are_at_least_one(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is 0"):
        Limits(**{name: 0})


def test_the_least_recently_used_model_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    names = {"denoise": "denoise-sidd", "deblur": "deblur-gopro", "derain": "derain-rain13k"}
    for head, name in names.items():
        save_model(tmp_path / "models", name=name, task=head)
    cache = ModelCache(2, "cpu")
    first = cache.get("denoise", "best", strength=0.5)
    cache.get("deblur", "best")
    again = cache.get("denoise", "best")
    assert again.backend is first.backend
    assert (first.strength, again.strength) == (0.5, 1.0)
    cache.get("derain", "best")
    assert cache.names == ("denoise-sidd", "derain-rain13k")


def test_names_in_an_archive_differ_on_every_system() -> None:
    used: set[str] = set()
    names = ["a.png", "A.png", "a-2.png", "a.png", "b", "b", "A-2.PNG", "c/a.png", "c/A.png"]
    free = [free_name(PurePosixPath(name), used) for name in names]
    assert free[:2] == ["a.png", "A-2.png"]
    assert free[-2:] == ["c/a.png", "c/A-2.png"]
    assert len({name.lower() for name in free}) == len(names)


def uploaded(place: Path, **wish: str) -> ServedJob:
    return ServedJob(place, f"{place.name}.png", Path("input.png"), Wish("denoise", **wish))


def test_the_output_folder_keeps_the_tree(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    job = uploaded(tmp_path / "one", folder="photos/2020")
    job.target.write_bytes(b"pixels")
    for _ in range(2):
        save(job, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out/photos/2020").iterdir()) == [
        "one-denoise-2.png",
        "one-denoise.png",
    ]


def test_an_archive_leaves_out_what_was_removed(tmp_path: Path) -> None:
    jobs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        jobs.append(uploaded(tmp_path / name, folder="photos/2020"))
    jobs[1].target.write_bytes(bytes(3_000_000))
    content = b"".join(zipped(jobs))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["photos/2020/two-denoise.png"]
        assert archive.read("photos/2020/two-denoise.png") == bytes(3_000_000)


def test_views_are_converted_to_srgb(tmp_path: Path) -> None:
    profile = matrix_profile("P3", P3, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    pixels = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png", icc_profile=profile)
    write_view(tmp_path / "wide.png", tmp_path / "view", 1000)
    seen = np.asarray(Image.open(tmp_path / "view"))[0, 0]
    wide = Image.open(tmp_path / "wide.png")
    own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    expected = ImageCms.profileToProfile(wide, own, ImageCms.createProfile("sRGB"))
    assert expected is not None
    assert tuple(seen) == expected.getpixel((0, 0))
    assert seen[0] > 205  # the same red is a larger number in sRGB


def test_a_large_view_is_a_jpeg_of_the_same_size(tmp_path: Path) -> None:
    Image.new("RGBA", (2100, 2000), (10, 20, 30, 255)).save(tmp_path / "large.png")
    write_view(tmp_path / "large.png", tmp_path / "view", 5_000_000)
    with Image.open(tmp_path / "view") as view:
        assert (view.format, view.size) == ("JPEG", (2100, 2000))


def test_the_body_of_an_answer_does_not_wait_for_its_headers() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_files_that_vanish_while_they_are_counted_have_no_size(tmp_path: Path) -> None:
    job = ServedJob(tmp_path, "in.png", tmp_path / "in.png", Wish("denoise"))
    job.source.write_bytes(bytes(1000))
    ended = threading.Event()

    def replace() -> None:
        while not ended.is_set():
            (tmp_path / ".view.part").write_bytes(bytes(10))
            (tmp_path / ".view.part").unlink()

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert 1000 <= job.size <= 1010
    finally:
        ended.set()
        thread.join()

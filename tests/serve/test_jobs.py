"""The queue over HTTP: progress, cancelling, limits, and nothing left behind."""

from __future__ import annotations

import io
import signal
import socket
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clips
import httpx
import pytest
from PIL import Image
from serving import FAST, Served, png, serving

LARGE = (1500, 2000)
"""A picture that takes long enough to be cancelled."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("server"), "--queue", 8) as running:
        yield running


def test_events_tell_the_way_of_a_job(server: Served) -> None:
    job = server.submit(png(), "Grüße 1.png", strength="0.5")
    assert job["name"] == "Grüße 1.png"
    assert job["result_name"] == "Grüße 1-denoise.png"
    events = server.events(f"/api/jobs/{job['id']}/events")
    assert events[-1] == ("end", {})
    last = events[-2][1]
    assert (last["state"], last["done"], last["total"]) == ("done", 1, 1)
    assert (last["width"], last["height"], last["model"]) == (56, 40, "denoise-small")
    result = server.client.get(f"/api/jobs/{job['id']}/result")
    assert len(result.content) == last["bytes"]
    assert Image.open(io.BytesIO(result.content)).size == (56, 40)


def test_a_clip_is_restored_frame_by_frame(tmp_path: Path, server: Served) -> None:
    clip = clips.make(tmp_path / "in.mp4")
    job = server.submit(clip.read_bytes(), "in.mp4")
    told = server.wait(job)
    count = len(clips.frames(clip))
    assert (told["done"], told["total"], told["frames"]) == (count, count, count)
    assert not told["has_view"]
    (tmp_path / "out.mp4").write_bytes(server.client.get(f"/api/jobs/{job['id']}/result").content)
    assert len(clips.frames(tmp_path / "out.mp4")) == count
    assert server.client.get(f"/api/jobs/{job['id']}/view/after").status_code == 422


def test_events_of_several_jobs_come_in_one_stream(server: Served) -> None:
    jobs = [server.submit(png(seed=i), f"{i}.png") for i in range(3)]
    query = "&".join(f"job={job['id']}" for job in [*jobs, {"id": "0" * 32}])
    events = server.events(f"/api/events?{query}")
    ends = {told["id"]: told["state"] for kind, told in events if kind == "job"}
    assert ends == {**{job["id"]: "done" for job in jobs}, "0" * 32: "gone"}


def test_results_come_as_one_archive(server: Served) -> None:
    jobs = [server.submit(png(seed=i), "same.png") for i in range(2)]
    for job in jobs:
        server.wait(job)
    query = "&".join(f"job={job['id']}" for job in jobs)
    content = server.client.get(f"/api/zip?{query}").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["same-denoise.png", "same-denoise-2.png"]
        for job, name in zip(jobs, archive.namelist(), strict=True):
            one = server.client.get(f"/api/jobs/{job['id']}/result").content
            assert archive.read(name) == one
    server.client.delete(f"/api/jobs/{jobs[0]['id']}")
    content = server.client.get(f"/api/zip?{query}").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["same-denoise.png"]
    server.client.delete(f"/api/jobs/{jobs[1]['id']}")
    assert server.client.get(f"/api/zip?{query}").status_code == 404


def test_views_are_in_8_bits_and_srgb(server: Served) -> None:
    job = server.submit(png(), format="tif", bit_depth="16")
    server.wait(job)
    for side in ("before", "after"):
        answer = server.client.get(f"/api/jobs/{job['id']}/view/{side}")
        assert answer.headers["content-type"] == "image/png"
        shown = Image.open(io.BytesIO(answer.content))
        assert (shown.mode, shown.size) == ("RGB", (56, 40))
    assert server.client.get(f"/api/jobs/{job['id']}/view/inside").status_code == 422


def test_a_failed_job_names_the_file(server: Served) -> None:
    job = server.submit(png()[:200], "torn.png")
    events = server.events(f"/api/jobs/{job['id']}/events")
    assert events[-2][1]["state"] == "failed"
    assert events[-2][1]["error"].startswith("torn.png: ")
    answer = server.client.get(f"/api/jobs/{job['id']}/result")
    assert answer.status_code == 404
    assert "the job failed: torn.png" in answer.json()["error"]


def test_progress_moves_within_a_tile(server: Served) -> None:
    job = server.submit(png(*LARGE))
    until, seen = time.monotonic() + 60, set[float]()
    while len(seen) < 3:
        assert time.monotonic() < until
        told = server.state(job)
        assert told["state"] in ("waiting", "running")
        seen |= {told["done"]} if told["done"] % 1 else set()
        time.sleep(0.1)
    assert told["total"] == 2
    server.client.delete(f"/api/jobs/{job['id']}")


def test_cancelling_stops_the_work(server: Served) -> None:
    server.wait(server.submit(png()))  # the model is loaded
    long = server.submit(png(*LARGE))
    server.wait(long, "running")
    time.sleep(0.5)
    waiting = server.submit(png())
    assert server.state(waiting)["state"] == "waiting"
    assert server.state(waiting)["position"] == 1
    assert server.client.get(f"/api/jobs/{long['id']}/result").status_code == 404
    while not server.state(long)["elapsed"]:
        time.sleep(0.1)
    begun = time.monotonic()
    assert server.client.delete(f"/api/jobs/{long['id']}").status_code == 204
    server.wait(waiting)
    # The whole picture takes more than a minute on a busy machine.
    assert time.monotonic() - begun < 15
    assert server.client.get(f"/api/jobs/{long['id']}").status_code == 404
    assert not (server.tmp / long["id"]).exists()
    assert not list(server.tmp.glob(f"*/{long['id']}"))


def test_a_waiting_job_is_cancelled_at_once(server: Served) -> None:
    long, second = server.submit(png(*LARGE)), server.submit(png())
    server.wait(long, "running")
    assert server.client.delete(f"/api/jobs/{second['id']}").status_code == 204
    assert server.client.get(f"/api/jobs/{second['id']}").status_code == 404
    assert server.state(long)["state"] == "running"
    server.client.delete(f"/api/jobs/{long['id']}")


def test_a_closed_connection_cancels_its_work(server: Served) -> None:
    with pytest.raises(httpx.ReadTimeout):
        server.client.post(
            "/api/restore/denoise",
            files={"file": ("in.png", png(*LARGE))},
            data=FAST,
            timeout=httpx.Timeout(60, read=1.5),
        )
    until = time.monotonic() + 20
    while server.client.get("/healthz").json()["jobs"]["running"]:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_truncated_upload_leaves_nothing(server: Served) -> None:
    before = server.files()
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n"
        kind = "Content-Type: multipart/form-data; boundary=B\r\n\r\n"
        part = '--B\r\nContent-Disposition: form-data; name="file"; filename="in.png"\r\n\r\n'
        connection.sendall((head + kind + part).encode() + b"x" * 2_000_000)
    time.sleep(0.3)
    assert server.files() == before
    server.wait(server.submit(png()))  # its place in the queue is free again


def test_fifty_uploads_at_once_are_done_or_refused_in_one_line(server: Served) -> None:
    def send(seed: int) -> httpx.Response:
        data = {"head": "denoise", **FAST}
        with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as client:
            return client.post("/api/jobs", files={"file": ("in.png", png(seed=seed))}, data=data)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    taken = [answer for answer in answers if answer.status_code == 202]
    full = [answer for answer in answers if answer.status_code == 503]
    assert len(taken) + len(full) == 50
    assert len(taken) >= 8
    for answer in full:
        assert answer.json()["error"].startswith("the queue is full (8 files)")
        assert answer.headers["retry-after"]
    for answer in taken:
        server.wait(answer.json())


def test_results_are_kept_by_bytes_and_by_time(tmp_path: Path) -> None:
    options = ("--keep-size", "40k", "--keep", "0.05", "--output", tmp_path)
    with serving(tmp_path / "tmp", *options) as server:
        jobs = [server.submit(png(seed=i), f"{i}.png") for i in range(6)]
        server.wait(jobs[-1])
        until = time.monotonic() + 20
        while server.client.get(f"/api/jobs/{jobs[0]['id']}").status_code != 404:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert not server.left(until - time.monotonic())
        answer = server.client.get(f"/api/jobs/{jobs[0]['id']}/result")
        assert answer.json()["error"] == "there is no such job, or it is no longer kept"
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        f"{i}-denoise.png" for i in range(6)
    ]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_work_and_leaves_nothing(tmp_path: Path, how: int) -> None:
    with serving(tmp_path) as server:
        job = server.submit(png(*LARGE))
        server.wait(job, "running")
        begun = time.monotonic()
        server.end(how)
        assert time.monotonic() - begun < 20
    assert not list(tmp_path.glob("restore-serve-*"))


@pytest.mark.parametrize("times", [2, 3])
def test_ctrl_c_again_is_still_answered_in_one_line(tmp_path: Path, times: int) -> None:
    with serving(tmp_path) as server:
        server.wait(server.submit(png(*LARGE)), "running")
        for _ in range(times - 1):
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        server.end(signal.SIGINT)
    assert server.process.returncode == 130
    assert [line.strip() for line in server.printed] == ["interrupted"]
    assert not list(tmp_path.glob("restore-serve-*"))


def test_a_restart_clears_what_a_killed_server_left(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.wait(server.submit(png()))
        server.end(signal.SIGKILL)
    (left,) = tmp_path.glob("restore-serve-*")
    with serving(tmp_path) as first, serving(tmp_path) as second:
        assert not left.exists()
        assert len(list(tmp_path.glob("restore-serve-*"))) == 2  # a living one is left alone
        first.wait(first.submit(png()))
        second.wait(second.submit(png()))
    assert not list(tmp_path.glob("restore-serve-*"))

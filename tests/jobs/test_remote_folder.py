"""Folders in object stores: memory://, and s3:// on moto's server."""

from __future__ import annotations

import errno
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from command import one_error_line
from command import restore as command
from models import save_model
from PIL import Image

import restore
from restore.errors import ImageError, RestoreError, UsageError
from restore.jobs.object_manifest import FOLDER, ObjectManifest
from restore.jobs.object_store import Store, as_url, is_remote, retried
from restore.redaction import redacted

COUNT = 7
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> restore.Restorer:
    model = save_model(tmp_path_factory.mktemp("identity"), identity=True)
    return restore.Restorer("denoise", model, device="cpu")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    port = running.get_host_and_port()[1]
    yield f"http://127.0.0.1:{port}"
    running.stop()


@pytest.fixture(params=["memory", "s3"])
def place(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """The URL of an empty folder."""
    if request.param == "memory":
        yield f"memory://{tmp_path.name}"
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("server"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.filesystem("s3").mkdir(tmp_path.name.replace("_", "-"))
    yield f"s3://{tmp_path.name.replace('_', '-')}"
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restore.jobs.remote_folder._FILES", 4)


def colours(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)


def put(url: str, content: bytes) -> None:
    files, path = fsspec.core.url_to_fs(url)
    files.pipe_file(path, content)
    files.invalidate_cache()


def png(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(colours(number)).save(file, "PNG")
    return file.getvalue()


def get(url: str) -> np.ndarray:
    files, path = fsspec.core.url_to_fs(url)
    return np.asarray(Image.open(io.BytesIO(files.cat_file(path))))


def fill(place: str) -> None:
    for number in range(COUNT):
        put(f"{place}/in/{'sub/' if number % 2 else ''}{number}.png", png(number))
    put(f"{place}/in/notes.txt", b"text")


def statuses(done: restore.Outcome) -> dict[str, str]:
    return {file.source.name: file.status for file in done.files}


def run(place: str, head: Any, **options: Any) -> restore.Outcome:
    return restore.restore_folder(f"{place}/in", f"{place}/out", head, recursive=True, **options)


def test_a_folder_is_restored_once(place: str, restorer: restore.Restorer) -> None:
    fill(place)
    done = run(place, restorer)
    assert (done.status, len(done.files)) == ("done", COUNT)
    assert {str(file.target) for file in done.files} >= {f"{place}/out/0.png"}
    for number in range(COUNT):
        name = f"{'sub/' if number % 2 else ''}{number}.png"
        np.testing.assert_array_equal(get(f"{place}/out/{name}"), colours(number))
    assert len(Store(f"{place}/out").folder(FOLDER)) == 1  # parts become one
    put(f"{place}/in/2.png", png(100))
    fetched: list[str] = []
    original = Store.get

    def listen(self: Store, url: str, target: Path) -> None:
        fetched.append(url)
        original(self, url, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "get", listen)
        again = statuses(run(place, restorer))
    assert [name for name, status in again.items() if status == "done"] == ["2.png"]
    assert [url[-9:] for url in fetched if FOLDER not in url] == ["/in/2.png"]
    assert set(again.values()) == {"done", "skipped"}


def test_a_record_without_its_output_is_done_again(
    place: str, restorer: restore.Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill between the two leaves it."""
    fill(place)
    original = Store.put

    def killed(self: Store, source: Path, target: str) -> None:
        if target.endswith("4.png"):
            raise KeyboardInterrupt
        original(self, source, target)

    monkeypatch.setattr(Store, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        run(place, restorer)
    monkeypatch.setattr(Store, "put", original)
    done = run(place, restorer)
    assert done.status == "done"
    assert statuses(done)["4.png"] == "done"
    assert "skipped" in statuses(done).values()


def test_outputs_of_others_are_kept(place: str, restorer: restore.Restorer) -> None:
    fill(place)
    put(f"{place}/out/0.png", b"mine")
    files = {file.source.name: file for file in run(place, restorer).files}
    assert files["0.png"].reason == "exists already; give overwrite=True to replace it"
    assert {file.status for name, file in files.items() if name != "0.png"} == {"done"}
    assert statuses(run(place, restorer, skip_existing=True))["0.png"] == "skipped"
    assert statuses(run(place, restorer, overwrite=True))["0.png"] == "done"
    np.testing.assert_array_equal(get(f"{place}/out/0.png"), colours(0))


def test_shards_share_a_store(place: str, restorer: restore.Restorer) -> None:
    fill(place)
    runs = [run(place, restorer, shard=f"{index}/2") for index in (1, 2)]
    assert sum(len(each.files) for each in runs) == COUNT
    assert set(statuses(run(place, restorer)).values()) == {"skipped"}


def test_failures_are_of_one_object(
    place: str, restorer: restore.Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(place)
    put(f"{place}/in/0.png", b"no picture")
    original = Store.put

    def refuse(self: Store, source: Path, target: str) -> None:
        if target == "2.png":
            raise OSError(f"refused: https://u:{SECRET}@h/?X-Amz-Signature={SECRET}")
        original(self, source, target)

    monkeypatch.setattr(Store, "put", refuse)
    files = {file.source.name: file for file in run(place, restorer).files}
    assert files["0.png"].reason == "not a picture in a format that can be read"
    assert files["2.png"].status == "failed"
    assert SECRET not in files["2.png"].reason
    assert [file.status for file in files.values()].count("done") == COUNT - 2


@pytest.mark.parametrize("method", ["get", "put"])
def test_a_full_disk_ends_the_run(
    place: str, restorer: restore.Restorer, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """What arrived before the disk was full is no input."""
    fill(place)

    def full(source: str, target: str, **options: Any) -> None:
        Path(target).write_bytes(png(3)[:-20])
        raise OSError(errno.ENOSPC, "No space left on device")

    def refuse(self: Store, *ends: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("restore.jobs.remote_folder._FILES", 1)
    if method == "get":
        monkeypatch.setattr(Store(f"{place}/in")._files, "get_file", full)
        monkeypatch.setattr("restore.jobs.object_store._FIRST_PAUSE", 60)  # it is not tried again
    else:
        monkeypatch.setattr(ObjectManifest, "write", lambda *given: None)
        monkeypatch.setattr(Store, "put", refuse)
    done = run(place, restorer)
    assert len(done.files) == COUNT
    statuses = [file.status for file in done.files]
    assert 0 < statuses.count("failed") <= 3  # batches that were ahead
    assert statuses.count("stopped") == COUNT - statuses.count("failed")
    assert done.reason.startswith(f"the disk is full: {COUNT} files are left; make room")


def test_stores_and_local_folders_may_be_mixed(
    place: str, restorer: restore.Restorer, tmp_path: Path
) -> None:
    fill(place)
    down = restore.restore_folder(f"{place}/in", tmp_path / "out", restorer)
    assert down.status == "done"
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "0.png")), colours(0))
    assert not [*(tmp_path / "out").glob("*.part")]
    up = restore.restore_folder(tmp_path / "out", f"{place}/copy", restorer)
    assert {file.status for file in up.files} == {"done"}
    np.testing.assert_array_equal(get(f"{place}/copy/2.png"), colours(2))


def test_results_within_the_input_are_no_inputs(place: str, restorer: restore.Restorer) -> None:
    fill(place)
    ends = f"{place}/in", f"{place}/in/out"
    for status in ("done", "skipped"):
        done = restore.restore_folder(*ends, restorer, recursive=True)
        assert [file.status for file in done.files] == [status] * COUNT
    with pytest.raises(ImageError, match=r"in/0\.png: would replace the input"):
        restore.restore_folder(ends[0], ends[0], restorer, overwrite=True)
    np.testing.assert_array_equal(get(f"{place}/in/0.png"), colours(0))


def test_names_stay_as_they_are(place: str, restorer: restore.Restorer, tmp_path: Path) -> None:
    """Spaces, characters beyond ASCII, and what has a meaning in URLs."""
    local, back = tmp_path / "in é 100%", tmp_path / "out #1"
    local.mkdir()
    (local / "a b#%20é.png").write_bytes(png(5))
    up = restore.restore_folder(local, f"{place}/copy é", restorer)
    assert [str(file.source) for file in up.files] == [str(local / "a b#%20é.png")]
    down = restore.restore_folder(f"{place}/copy é", back, restorer)
    assert [str(file.target) for file in down.files] == [str(back / "a b#%20é.png")]
    assert np.array_equal(np.asarray(Image.open(back / "a b#%20é.png")), colours(5))


def test_a_folder_that_cannot_be_listed_ends_the_run(
    place: str, restorer: restore.Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pictures would be missing, without a word."""
    fill(place)
    files = Store(f"{place}/in")._files
    original = files.ls

    def refuse(path: str, **options: Any) -> Any:
        if path.endswith("/sub"):
            raise PermissionError("denied")
        return original(path, **options)

    monkeypatch.setattr(files, "ls", refuse)
    with pytest.raises(RestoreError, match="/in: cannot be listed: denied"):
        run(place, restorer)


def test_a_run_without_pictures_is_an_error(place: str, restorer: restore.Restorer) -> None:
    put(f"{place}/in/sub/notes.txt", b"text")
    put(f"{place}/in/sub/.hidden/a.png", png(1))
    for options, hint in (({"recursive": True}, "$"), ({}, "; recursive=True includes")):
        with pytest.raises(ImageError, match=f"/in: no pictures{hint}"):
            restore.restore_folder(f"{place}/in", f"{place}/out", restorer, **options)
    named = restore.restore_folder(f"{place}/in/sub/notes.txt", f"{place}/out", restorer)
    assert named.files[0].reason == "not a picture or a clip by its name"


def test_pictures_come_from_the_web(
    restorer: restore.Restorer, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    files = fsspec.filesystem("s3")
    files.mkdir("web")
    files.pipe_file("web/a.png", png(3))
    files.chmod("web/a.png", "public-read")
    url = f"{server}/web/a.png"
    for expected in ("done", "skipped"):
        done = restore.restore_folder(url, tmp_path / "out", restorer)
        assert [(str(file.source), file.status) for file in done.files] == [(url, expected)]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png")), colours(3))
    signed = restore.restore_folder(files.url("web/a.png"), tmp_path / "signed", restorer)
    assert [str(file.target) for file in signed.files] == [str(tmp_path / "signed" / "a.png")]
    assert (str(signed.files[0].source), signed.status) == (url, "done")
    for path in (tmp_path / "signed").rglob("*.jsonl"):
        assert "Signature" not in path.read_text()
    with pytest.raises(ImageError, match=r"web/none\.png: no such object or folder$"):
        restore.restore_folder(f"{server}/web/none.png", tmp_path / "out", restorer)


def test_wrong_usage_is_refused(restorer: restore.Restorer, tmp_path: Path) -> None:
    for source, target, options, error, complaint in (
        ("memory://none", "memory://out", {}, ImageError, "memory://none: no such object"),
        ("memory://none", "https://h/out", {}, ImageError, "can only be read"),
        ("memory://none", "memory://out", {"watch": True}, UsageError, "watch is for local"),
        ("nostore://x", "memory://out", {}, RestoreError, "nostore"),
        ("memory://in", "memory://out/a.png", {}, ImageError, "a.png: name a folder"),
        ("memory://in", tmp_path / "a.png", {}, ImageError, "a.png: name a folder"),
        ("memory://in", tmp_path / "a.mp4", {}, ImageError, "a.mp4: name a folder"),
    ):
        with pytest.raises(error, match=complaint):
            restore.restore_folder(source, target, restorer, **options)


def test_urls_survive_paths_and_lose_their_secrets() -> None:
    assert as_url(Path("s3://bucket/in")) == "s3://bucket/in"
    assert as_url(Path("file:///tmp/in")) == as_url("file:///tmp/in") == "file:///tmp/in"
    assert is_remote(Path("memory://in"))
    assert not any(map(is_remote, ("in/a:b.png", "C:/photos", "a.png", "/tmp/x")))
    text = f"https://user:{SECRET}@host/a.png?X-Amz-Signature={SECRET} AKIAIOSFODNN7EXAMPLE"
    assert redacted(text) == "https://host/a.png "
    assert redacted(f"s3://key:p@{SECRET}@host/in") == "s3://host/in"


def test_errors_that_may_pass_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restore.jobs.object_store._FIRST_PAUSE", 0)
    calls: list[int] = []

    def fail(until: int, error: type[Exception]) -> int:
        calls.append(1)
        if len(calls) < until:
            raise error("passing")
        return len(calls)

    assert retried(lambda: fail(3, ConnectionError)) == 3
    calls.clear()
    with pytest.raises(ConnectionError):
        retried(lambda: fail(99, ConnectionError))
    assert len(calls) == 5
    calls.clear()
    with pytest.raises(FileNotFoundError):
        retried(lambda: fail(2, FileNotFoundError))
    assert len(calls) == 1


def test_records_of_others_are_no_records(restorer: restore.Restorer) -> None:
    place = "memory://torn"
    fill(place)
    put(f"{place}/out/{FOLDER}/0.jsonl", b'{"output": 1}\n[]\n{"outp')
    assert run(place, restorer).status == "done"
    put(f"{place}/in/0.png", png(7))
    out = Store(f"{place}/out")
    rows = out.lines(f"{FOLDER}/{max(out.folder(FOLDER))}")
    assert {json.loads(row)["output"] for row in rows} >= {"0.png", "sub/1.png"}


def test_the_command_shows_urls(tmp_path: Path) -> None:
    """Also those that are plain folders."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png(1))
    model = save_model(tmp_path, identity=True)
    words = ("denoise", (tmp_path / "in").as_uri(), tmp_path / "out", "--model", model)
    done = command("denoise", *words[1:], "--device", "cpu", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["output"] == str(tmp_path / "out" / "a.png")
    again = command(*words, "--device", "cpu", "--recursive")
    assert again.stdout.startswith("1 skipped (")
    report = one_error_line(command(*words, "--report", tmp_path / "r.html"), code=2)
    assert "--report is for local folders" in report
    pipe = command("denoise", words[1], "-", "--model", model)
    assert "- is for one picture" in one_error_line(pipe, code=2)


def test_a_missing_package_is_named_in_the_words_of_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(RestoreError) as raised:
        Store("s3://bucket/in")
    assert str(raised.value) == "s3://bucket/in: Install s3fs to access S3"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(RestoreError, match=r"needs an extra: pip install .*remote"):
        Store("s3://bucket/in")


def test_an_unknown_kind_of_store_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"^foo://bucket/in: Protocol not known: foo"):
        Store("foo://bucket/in")


def test_a_store_that_cannot_be_listed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store("memory://unlisted")

    def denied(path: str) -> bool:
        raise PermissionError("no credentials for key AKIAABCDEFGHIJKLMNOP")

    monkeypatch.setattr(store._files, "isfile", denied)
    with pytest.raises(RestoreError) as raised:
        [*store.objects(recursive=True)]
    assert str(raised.value) == "memory://unlisted: cannot be listed: no credentials for key "

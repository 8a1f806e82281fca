from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from downloading import BODY, OTHER, ROOT, begin, beside, fails, part, sha
from http_server import Answer, Server
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.checkpoints.download import RETRIES, download
from restore.errors import DownloadError

# Whole downloads


def test_a_plain_download(server: Server, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    url = server.serve("/m", Answer(body=BODY))
    found = download(url, target, progress=lambda done, total: seen.append((done, total)))
    assert found == sha(BODY)
    assert target.read_bytes() == BODY
    assert beside(target) == {""}
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert [(r.range, r.encoding) for r in server.requests] == [(None, "identity")]


def test_an_empty_file(server: Server, target: Path) -> None:
    assert download(server.serve("/m", Answer()), target) == sha(b"")
    assert target.read_bytes() == b""


def test_no_length_is_accepted_at_a_clean_end(server: Server, target: Path) -> None:
    totals: set[int | None] = set()
    url = server.serve("/m", Answer(body=BODY, length=-1))
    assert download(url, target, progress=lambda _, total: totals.add(total)) == sha(BODY)
    assert totals == {None}


def test_redirects_are_followed_and_resumed(server: Server, target: Path) -> None:
    to = server.serve("/real", Answer(body=BODY, cut=4000), Answer(body=BODY))
    url = server.serve("/m", Answer(status=302, location=to))
    assert download(url, target, sha256=sha(BODY)) == sha(BODY)
    assert [r.range for r in server.requests if r.path == "/real"] == [None, "bytes=4000-"]


def test_a_proxy_of_the_environment_is_used(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.serve("/m", Answer(body=BODY))
    assert download("http://models.invalid/m", target) == sha(BODY)


def test_a_proxy_that_cannot_be_used_is_one_line(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", "gopher://127.0.0.1:1")
    assert "proxy" in fails("http://models.invalid/m", target)


def test_httpx_is_not_imported_with_the_module() -> None:
    code = "import sys, restore.checkpoints.download; print({'httpx', 'torch'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout == "set()\n", run.stderr


# Existing files


def test_an_existing_file_is_not_fetched_again(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(BODY)
    url = server.serve("/m", Answer(body=OTHER))
    assert download(url, target) == sha(BODY)
    assert download(url, target, sha256=sha(BODY).upper()) == sha(BODY)
    assert not server.requests
    assert beside(target) == {""}


def test_an_existing_file_that_does_not_match_is_left_alone(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(BODY)
    with pytest.raises(DownloadError) as caught:
        download(server.serve("/m", Answer(body=OTHER)), target, sha256=sha(OTHER))
    assert sha(BODY) in str(caught.value)
    assert sha(OTHER) in str(caught.value)
    assert target.read_bytes() == BODY
    assert not server.requests


def test_a_wrong_hash_names_both_and_leaves_nothing(server: Server, target: Path) -> None:
    url = server.serve("/m", Answer(body=OTHER))
    message = fails(url, target, sha256=sha(BODY))
    assert sha(BODY) in message
    assert sha(OTHER) in message
    assert beside(target) == set()


@pytest.mark.parametrize("digest", ["", "ab", "g" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_hash_that_is_none_is_said_before_anything(
    server: Server, target: Path, digest: str
) -> None:
    url = server.serve("/m", Answer(body=BODY))
    assert "64" in fails(url, target, sha256=digest)
    assert not server.requests


# Resuming


def test_a_cut_connection_is_resumed(server: Server, target: Path) -> None:
    cuts = [Answer(body=BODY, cut=1000), Answer(body=BODY, cut=2500)]
    url = server.serve("/m", *cuts, Answer(body=BODY))
    assert download(url, target, sha256=sha(BODY).upper()) == sha(BODY)
    assert target.read_bytes() == BODY
    assert [r.range for r in server.requests] == [None, "bytes=1000-", "bytes=3500-"]
    assert [r.if_range for r in server.requests] == [None, '"1"', '"1"']
    assert sum(r.sent for r in server.requests) == len(BODY)


def test_always_cut_ends_with_what_arrived(server: Server, target: Path) -> None:
    url = server.serve("/m", Answer(body=BODY, cut=1000))
    message = fails(url, target)
    assert url in message
    assert f"{1000 * (RETRIES + 1)} of {len(BODY)} bytes" in message
    assert message.endswith("run again to resume")
    assert len(server.requests) == RETRIES + 1
    assert beside(target) == {".part", ".part.json"}
    assert download(server.serve("/m", Answer(body=BODY)), target) == sha(BODY)
    assert server.requests[-1].sent == len(BODY) - 1000 * (RETRIES + 1)
    assert beside(target) == {""}


def test_a_length_never_reached_is_an_error(server: Server, target: Path) -> None:
    message = fails(server.serve("/m", Answer(body=BODY, length=len(BODY) + 5)), target)
    assert "run again" in message
    assert len(server.requests) > 1


@pytest.mark.parametrize("total", [len(BODY), None])
def test_a_short_range_is_asked_for_more(server: Server, target: Path, total: int | None) -> None:
    # Properly ended, but only some of what was asked for; only Content-Range tells.
    url = begin(server, target, 4000, Answer(body=BODY, length=-1, cut=100), Answer(body=BODY))
    notes = target.with_name(target.name + ".part.json")
    notes.write_text(json.dumps(json.loads(notes.read_text()) | {"total": total}))
    assert download(url, target) == sha(BODY)
    assert [r.range for r in server.requests] == ["bytes=4000-", "bytes=4100-"]


@pytest.mark.parametrize(
    "validator", [{"etag": None, "modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, {"etag": '"x"'}]
)
def test_a_later_call_resumes_by_either_validator(
    server: Server, target: Path, validator: dict[str, str | None]
) -> None:
    url = begin(server, target, 3000, Answer(body=BODY, **validator), **validator)  # type: ignore[arg-type]
    dones: list[int] = []
    assert download(url, target, progress=lambda done, _: dones.append(done)) == sha(BODY)
    assert dones[0] == 3000
    (request,) = server.requests
    assert request.if_range == (validator["etag"] or validator.get("modified"))
    assert request.sent == len(BODY) - 3000


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_without_a_strong_validator_it_starts_over(
    server: Server, target: Path, etag: str | None
) -> None:
    url = server.serve("/m", Answer(body=BODY, cut=10, etag=etag), Answer(body=BODY, etag=etag))
    assert download(url, target) == sha(BODY)
    assert [r.range for r in server.requests] == [None, None]


def test_what_cannot_be_resumed_does_not_stay(server: Server, target: Path) -> None:
    message = fails(server.serve("/m", Answer(body=BODY, cut=10, etag=None)), target)
    assert message.endswith(f"10 of {len(BODY)} bytes arrived, run again to start over")
    assert beside(target) == set()


def test_a_server_without_ranges_starts_over(server: Server, target: Path) -> None:
    url = begin(server, target, 3000, Answer(body=BODY, ranges=False))
    dones: list[int] = []
    assert download(url, target, progress=lambda done, _: dones.append(done)) == sha(BODY)
    assert dones[0] == 0
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("size", [2000, 3000, 10_000])
def test_two_versions_are_never_glued(
    server: Server, target: Path, size: int, guarded: bool
) -> None:
    changed = Answer(body=OTHER[:size], etag='"2"', guarded=guarded)
    url = begin(server, target, 3000, changed)
    assert download(url, target) == sha(OTHER[:size])
    assert target.read_bytes() == OTHER[:size]


def test_another_url_is_another_file(server: Server, target: Path) -> None:
    begin(server, target, 3000, Answer(body=BODY))
    assert download(server.serve("/n", Answer(body=OTHER)), target) == sha(OTHER)


@pytest.mark.parametrize(
    "notes", ["", "[]", "nul", '{"url": 1}', '{"url": "URL", "validator": "a\\nb", "total": "x"}']
)
def test_damaged_notes_start_over(server: Server, target: Path, notes: str) -> None:
    url = begin(server, target, 3000, Answer(body=BODY))
    target.with_name(target.name + ".part.json").write_text(notes.replace("URL", url))
    assert download(url, target) == sha(BODY)
    assert [r.range for r in server.requests] == [None]


@pytest.mark.parametrize(
    "lie",
    ["bytes 2999-9999/10000", "bytes 3000-9999/12000", "bytes */10000", "3000", "bytes 0-1/2"],
)
def test_a_lying_content_range_is_not_believed(server: Server, target: Path, lie: str) -> None:
    liar = Answer(body=BODY, content_range=lie)
    url = begin(server, target, 3000, liar, Answer(body=BODY))
    assert download(url, target) == sha(BODY)
    assert [r.range for r in server.requests] == ["bytes=3000-", None]


def test_more_than_announced_is_an_error(server: Server, target: Path) -> None:
    url = begin(server, target, 3000, Answer(body=BODY, extra=b"!"))
    assert f"more than its {len(BODY)} bytes" in fails(url, target)
    assert beside(target) == set()


@pytest.mark.parametrize(("have", "requests"), [(10_000, 1), (10_001, 2)])
def test_a_whole_part_needs_no_more_bytes_and_a_longer_one_starts_over(
    server: Server, target: Path, have: int, requests: int
) -> None:
    url = begin(server, target, 3000, Answer(body=BODY))
    part(target).write_bytes((BODY + b"!")[:have])  # as if killed just before the end
    assert download(url, target, sha256=sha(BODY)) == sha(BODY)
    assert [r.status for r in server.requests] == [416, 200][:requests]


def test_the_hash_covers_the_resumed_beginning(server: Server, target: Path) -> None:
    url = begin(server, target, 3000, Answer(body=BODY))
    part(target).write_bytes(b"?" * 3000)
    assert "SHA-256" in fails(url, target, sha256=sha(BODY))
    assert beside(target) == set()


KINDS: list[dict[str, object]] = [{}, {"etag": None}, {"ranges": False}, {"guarded": False}]


def test_any_cuts_give_the_file_intact(server: Server, tmp_path: Path) -> None:
    cut_points = st.lists(st.integers(0, 300), max_size=RETRIES)

    @settings(max_examples=25, deadline=None, database=None)
    @given(st.binary(max_size=300), cut_points, st.sampled_from(KINDS), st.integers(0, RETRIES))
    def check(body: bytes, cuts: list[int], kind: dict[str, object], swap: int) -> None:
        """The server's file changes after `swap` answers; with 0 it never does."""
        answers = []
        for i, cut in enumerate([*cuts, None]):
            data, tag = (b"old" + body[::-1], '"0"') if i < swap <= len(cuts) else (body, '"1"')
            answers.append(Answer(body=data, cut=cut, **{"etag": tag, **kind}))  # type: ignore[arg-type]
        server.requests.clear()
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        found = download(server.serve("/m", *answers), folder / "m")
        last = answers[len(server.requests) - 1].body  # an early cut may lie beyond the end
        assert (folder / "m").read_bytes() == last
        assert found == sha(last)
        assert {path.name for path in folder.iterdir()} == {"m", "m.lock"}
        if kind == {} and not 0 < swap <= len(cuts):  # one version, resumable: no byte twice
            assert sum(request.sent for request in server.requests) == len(body)

    check()

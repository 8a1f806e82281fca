"""Files over HTTP: the bytes of the command, and one line for each error."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command import restore
from pictures import ICC, metadata, saved, smooth
from PIL import Image
from serving import FAST, Served, png, serving

from restore.version import __version__

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    options = ("--max-pixels", 1_000_000, "--max-upload", "2MiB")
    with serving(folder, *options) as running:
        yield running
        assert not running.left()


def sixteen_bits(path: Path) -> Path:
    pixels = smooth().astype(np.uint16) * 257 + 3
    tifffile.imwrite(path, pixels, photometric="rgb", iccprofile=ICC, resolution=(300, 300))
    return path


def photograph(path: Path) -> Path:
    return saved(path, smooth(), quality=90, icc_profile=ICC, exif=metadata())


@pytest.mark.parametrize(("make", "name"), [(sixteen_bits, "in.tif"), (photograph, "in.jpg")])
def test_download_equals_the_file_of_the_command(
    tmp_path: Path, server: Served, make: object, name: str
) -> None:
    source, target = make(tmp_path / name), tmp_path / f"out{Path(name).suffix}"  # type: ignore[operator]
    words = ("--quality", "fast", "--strength", "0.8")
    assert restore("denoise", source, target, *words).code == 0
    with open(source, "rb") as file:
        answer = server.client.post(
            "/api/restore/denoise", files={"file": file}, data=FAST | {"strength": "0.8"}
        )
    assert answer.status_code == 200, answer.text
    assert answer.content == target.read_bytes()
    assert f"in-denoise{target.suffix}" in answer.headers["content-disposition"]
    assert answer.headers["x-restore-model"] == "denoise-small"


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("format=webp", "*/*", "WEBP"),
        ("", "image/jpeg", "JPEG"),
        ("", "text/html,image/webp,*/*;q=0.8", "PNG"),
        ("format=.TIF", "image/jpeg", "TIFF"),
    ],
)
def test_format_or_accept_chooses_the_kind(
    server: Served, query: str, accept: str, kind: str
) -> None:
    answer = server.client.post(
        f"/api/restore/denoise?quality=fast&{query}",
        files={"file": ("in.png", png())},
        headers={"Accept": accept},
    )
    assert answer.status_code == 200, answer.text
    assert Image.open(io.BytesIO(answer.content)).format == kind


def test_lost_parts_are_named_in_a_header(tmp_path: Path, server: Served) -> None:
    content = sixteen_bits(tmp_path / "in.tif").read_bytes()
    answer = server.client.post(
        "/api/restore/denoise", files={"file": ("in.tif", content)}, data=FAST | {"format": "jpg"}
    )
    assert "16 bits per channel become 8" in answer.headers["x-restore-notes"]


@pytest.mark.parametrize(
    ("name", "content", "path", "status", "text"),
    [
        ("torn.png", png()[:300], "denoise", 422, "torn.png: "),
        ("words.png", b"no picture", "denoise", 422, "words.png: "),
        ("words", b"no picture", "denoise", 422, "words: is neither a picture nor a clip"),
        ("empty.png", b"", "denoise", 422, "empty.png: is empty"),
        ("list.mp4", b"#EXTM3U\nfile:///etc/passwd\n", "denoise", 422, "list.mp4: is not a clip"),
        ("in.png", png(), "sharpen", 400, "no task is called 'sharpen'"),
        ("in.png", png(), "denoise?strength=2", 400, "strength is 2; it must be between 0 and 1"),
        ("in.png", png(), "denoise?strength=x", 400, "strength is 'x'; it must be a number"),
        ("in.png", png(), "denoise?quality=good", 400, "quality is 'good'; use one of fast"),
        ("in.png", png(), "denoise?quality=best", 404, "restore weights pull denoise"),
        ("in.png", png(), "denoise?format=exe", 400, "format is 'exe'; use one of"),
        ("in.png", png(), "denoise?model=/etc/passwd", 400, "there is no option 'model'"),
        ("in.png", png(1001, 1000, None), "denoise", 422, "1000000"),
    ],
)
def test_errors_are_one_line(
    server: Served, name: str, content: bytes, path: str, status: int, text: str
) -> None:
    answer = server.client.post(f"/api/restore/{path}", files={"file": (name, content)})
    assert answer.status_code == status, answer.text
    message = answer.json()["error"]
    assert text in message.replace(",", "") or text in message
    assert "\n" not in message
    assert str(server.tmp) not in message
    assert not server.left()


def test_a_request_without_a_file_says_how_to_send_one(server: Served) -> None:
    for body in ({"data": {"file": "text"}}, {"content": b"raw"}):
        answer = server.client.post("/api/restore/denoise", **body)
        assert answer.status_code == 400
        assert "send one as the field 'file' of a form" in answer.json()["error"]


def test_a_large_upload_is_refused_with_or_without_a_stated_length(server: Served) -> None:
    large = b"x" * (3 << 20)
    stated = server.client.post("/api/restore/denoise", files={"file": ("in.png", large)})
    assert stated.status_code == 413
    head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="in.png"\r\n\r\n'
    chunked = server.client.post(
        "/api/restore/denoise",
        content=iter([head, large, b"\r\n--B--\r\n"]),
        headers={"Content-Type": "multipart/form-data; boundary=B"},
    )
    assert chunked.status_code == 413
    assert "2 MiB" in chunked.json()["error"]
    assert not server.left()


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/nowhere", 404, "GET /nowhere: Not Found; see /docs"),
        ("PUT", "/api/jobs", 405, "PUT /api/jobs: Method Not Allowed"),
        ("GET", "/api/events", 422, "query.job: Field required"),
        ("GET", f"/api/jobs/{'0' * 32}", 404, "there is no such job"),
    ],
)
def test_wrong_requests_are_one_line_too(
    server: Served, method: str, path: str, status: int, text: str
) -> None:
    answer = server.client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(text)


def test_an_animation_stays_one(tmp_path: Path, server: Served) -> None:
    source, target = tmp_path / "in.gif", tmp_path / "out.gif"
    frames = [Image.fromarray(np.roll(smooth(32, 48), 5 * i, 0)) for i in range(3)]
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=50)
    assert restore("denoise", source, target, "--quality", "fast").code == 0
    answer = server.client.post(
        "/api/restore/denoise", files={"file": ("in.gif", source.read_bytes())}, data=FAST
    )
    assert answer.status_code == 200, answer.text
    assert answer.content == target.read_bytes()
    assert Image.open(io.BytesIO(answer.content)).n_frames == 3


def test_a_clip_of_large_frames_is_refused(tmp_path: Path, server: Served) -> None:
    large = Image.new("RGB", (1100, 1000))
    large.save(tmp_path / "in.gif", save_all=True, append_images=[Image.new("RGB", large.size, 9)])
    answer = server.client.post(
        "/api/restore/denoise", files={"file": ("in.gif", (tmp_path / "in.gif").read_bytes())}
    )
    assert answer.status_code == 422
    assert "in.gif: has 1100 x 1000 pixels a frame" in answer.json()["error"]


def test_inspect_suggests_what_the_command_suggests(server: Served) -> None:
    content = (ROOT / "samples/cat-noisy.png").read_bytes()
    found = server.client.post("/api/inspect", files={"file": ("cat.png", content)}).json()
    assert found["suggestion"] == "denoise"
    assert [one["finding"] for one in found["findings"]][:2] == ["noise", "blur"]
    job = server.submit(content, "cat.png", strength="0")
    assert server.client.get(f"/api/inspect?job={job['id']}").json() == found
    assert server.client.get("/api/inspect?job=0").status_code == 404
    server.client.delete(f"/api/jobs/{job['id']}")
    torn = server.client.post("/api/inspect", files={"file": ("cat.png", content[:500])})
    assert torn.status_code == 422
    assert torn.json()["error"].startswith("cat.png: ")


def test_models_and_health_describe_the_server(server: Served) -> None:
    told = server.client.get("/api/models").json()
    assert told["heads"][0]["name"] == "denoise"
    assert told["heads"][0]["qualities"]["best"] is None
    assert any(model["name"] == "denoise-small" and model["installed"] for model in told["models"])
    assert told["limits"]["pixels"] == 1_000_000
    health = server.client.get("/healthz").json()
    assert (health["status"], health["version"]) == ("ok", __version__)


def test_openapi_describes_every_request(server: Served) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    assert {"/api/restore/{head}", "/api/jobs", "/api/models", "/api/inspect", "/healthz"} <= {
        *paths
    }
    form = paths["/api/restore/{head}"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["required"] == ["file"]
    assert "strength" in form["schema"]["properties"]
    for path, methods in paths.items():
        for method, told in methods.items():
            assert told["description"], (path, method)


def test_pages_load_nothing_from_elsewhere(server: Served) -> None:
    for path in ("/", "/docs"):
        answer = server.client.get(path)
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    for file in (ROOT / "restore/serve/page").iterdir():
        text = file.read_text(encoding="utf-8")
        assert "//" not in text.replace("http://www.w3.org/2000/svg", "") or file.suffix == ".js"
        assert "https://" not in text
        assert server.client.get(f"/page/{file.name}").status_code == 200
    for name in ("none.css", "..%2fserver.py", "%2e%2e/server.py"):
        assert server.client.get(f"/page/{name}").status_code == 404

"""Requests of foreign pages and without the token are refused."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from command import one_error_line, restore
from serving import serving

from restore.cli.serve import _announce, _chosen
from restore.serve.security import COOKIE, Rules


@pytest.mark.parametrize(
    ("bound", "header", "known"),
    [
        ("127.0.0.1", "localhost:8000", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "127.0.0.1:1", True),
        ("127.0.0.1", "[::1]:8000", True),
        ("127.0.0.1", "evil.example:8000", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "192.0.2.1:8000", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "[::1", False),
        ("127.0.0.1", "proxy.example", True),
        ("0.0.0.0", "192.0.2.1:8000", True),
        ("0.0.0.0", socket.gethostname(), True),
        ("0.0.0.0", "evil.example", False),
    ],
)
def test_only_names_of_this_server_are_known_hosts(bound: str, header: str, known: bool) -> None:
    assert Rules(bound, names=("proxy.example",)).is_known_host(header) is known


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"origin": "http://localhost:8000"}, False),
        ({"origin": "https://localhost:8000"}, False),
        ({"origin": "http://localhost:9000"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://evil.example"}, True),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
    ],
)
def test_requests_of_foreign_pages_are_refused(headers: dict[str, str], refused: bool) -> None:
    given = {"host": "localhost:8000"} | headers
    assert bool(Rules().refusal("http", "/api/jobs", given)) is refused


def test_a_link_from_another_page_opens_the_page_only() -> None:
    link = {"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert not Rules().refusal("http", "/", link)
    assert Rules().refusal("http", "/api/zip", link)


def test_the_token_is_required_in_one_of_three_places() -> None:
    rules = Rules("0.0.0.0", "secret")
    assert rules.is_allowed("/healthz", {})
    assert not rules.is_allowed("/", {})
    assert rules.is_allowed("/", {}, "token=secret")
    assert not rules.is_allowed("/api/models", {}, "token=secret")
    assert rules.is_allowed("/api/models", {"authorization": "Bearer secret"})
    assert not rules.is_allowed("/api/models", {"authorization": "Bearer secreT"})
    assert not rules.is_allowed("/api/models", {"authorization": "Basic secret"})
    assert rules.is_allowed("/api/models", {"cookie": f"a=b; {COOKIE}=secret"})
    assert not rules.is_allowed("/api/models", {"cookie": f"{COOKIE}=; x={COOKIE}"})


def test_a_server_with_a_token(tmp_path: Path) -> None:
    with serving(tmp_path, "--token", "s3cret") as server:
        client = server.client
        refused = client.get("/api/models")
        assert refused.status_code == 401
        assert "Authorization: Bearer" in refused.json()["error"]
        assert client.get("/").status_code == 401
        assert client.get("/healthz").status_code == 200
        bearer = {"Authorization": "Bearer s3cret"}
        assert client.get("/api/models", headers=bearer).status_code == 200
        entered = client.get("/?token=s3cret")
        assert entered.status_code == 303
        assert entered.headers["location"] == "/"
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert client.get("/api/models").status_code == 200  # by the cookie
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            answer = client.get("/api/models", headers=headers)
            assert answer.status_code == 403


def test_other_machines_need_a_token_or_a_clear_wish() -> None:
    line = one_error_line(restore("serve", "--host", "0.0.0.0", "--port", "0"), code=2)
    assert "give --token SECRET, or --open" in line


def test_a_random_token_is_made_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    made = {_chosen("random") for _ in range(2)}
    assert len(made) == 2
    for token, shown in made:
        assert shown == token
        assert len(token) >= 24
    _announce("0.0.0.0", 8000, shown, True)
    assert capsys.readouterr().out == f"serving on http://0.0.0.0:8000/?token={token}\n"
    assert _chosen("s3cret") == ("s3cret", "TOKEN")  # a secret of one's own is not printed
    assert _chosen("") == ("", "")


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in one_error_line(restore("serve", "--port", port))


def test_a_missing_extra_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "fastapi.py").write_text("raise ModuleNotFoundError('no', name='fastapi')")
    outcome = restore("serve", "--port", "0", fresh=True, PYTHONPATH=str(tmp_path))
    assert 'pip install "maxim-restore[serve]"' in one_error_line(outcome)

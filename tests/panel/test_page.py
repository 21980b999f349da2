"""The page's files, and the way in."""

import re
from http.cookies import SimpleCookie
from urllib.parse import quote

import pytest
from panel.conftest import Answer
from panel.watcher import Watcher

TOKEN = "sesame & ä"
FORM = "application/x-www-form-urlencoded"
HTML = "text/html,*/*;q=0.8"


def test_the_page_and_its_files_are_served(panel):
    page = panel("GET", "/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    loaded = set(re.findall(rb'(?:src|href)="(/static/[^"]+)"', page.raw))
    assert {b"/static/panel.css", b"/static/panel.js", b"/static/icon.svg"} == loaded
    modules = {"/static/panel.js"}
    seen: set[str] = set()
    while modules - seen:
        name = (modules - seen).pop()
        seen.add(name)
        found = panel("GET", name)
        assert found.headers["content-type"] == "text/javascript; charset=utf-8"
        modules |= {f"/static/{one.decode()}" for one in re.findall(rb'from "\./(.+?)"', found.raw)}
        assert b"innerHTML" not in re.sub(rb"//.*", b"", found.raw)
    assert len(seen) > 5
    assert panel("GET", "/static/panel.css").headers["content-type"].startswith("text/css")
    assert panel("GET", "/static/icon.svg").headers["content-type"].startswith("image/svg+xml")
    assert b"://" not in re.sub(rb"http://www\.w3\.org/\S+", b"", page.raw)


def test_a_file_that_is_known_is_not_sent_again(panel):
    first = panel("GET", "/static/panel.css")
    assert first.headers["cache-control"] == "no-cache"
    known = panel("GET", "/static/panel.css", If_None_Match=first.headers["etag"])
    assert (known.status, known.raw) == (304, b"")
    assert panel("GET", "/static/panel.css", If_None_Match='"other"').status == 200


@pytest.mark.parametrize(
    "name",
    ["nothing.js", "index.html", "../api.py", "..%2Fapi.py", "%2e%2e/api.py", "", ".", "a\0b"],
)
def test_no_other_file_is_served(panel, name):
    assert panel("GET", "/static/" + name.replace("\0", "%00")).status == 404


# ---- with a token


@pytest.fixture
def locked(make_device):
    return make_device(token=TOKEN, sheets=1).panel


def cookie_of(answer: Answer) -> str:
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert morsel["httponly"]
    assert morsel["samesite"] == "Strict"
    assert TOKEN not in morsel.value
    return f"{morsel.key}={morsel.value}"


def sign_in(locked, **headers: str) -> Answer:
    body = f"token={quote(TOKEN)}".encode()
    return locked("POST", "/login", raw=body, Content_Type=FORM, **headers)


def test_a_browser_is_asked_for_the_token(locked):
    asked = locked("GET", "/", Accept=HTML)
    assert asked.status == 401
    assert b'type="password"' in asked.raw
    assert "script-src" not in asked.headers["content-security-policy"]
    for path in ("/static/panel.css", "/static/panel.js", "/api/v1/events", "/api/v1/state"):
        assert locked("GET", path, Accept=HTML).status == 401, path


def test_the_form_lets_a_browser_in(locked):
    wrong = locked("POST", "/login", raw=b"token=x", Content_Type=FORM)
    assert wrong.status == 401
    assert b"not the token" in wrong.raw
    assert "set-cookie" not in wrong.headers
    right = sign_in(locked)
    assert right.status == 200
    cookie = cookie_of(right)
    for path in ("/", "/static/panel.js", "/api/v1/state"):
        assert locked("GET", path, Cookie=cookie).status == 200, path
    watcher = Watcher(locked.port, Cookie=cookie)
    assert watcher.next().kind == "all"
    watcher.close()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"token=\xff"),
        (FORM, b"token=%ff%00"),
        (f"{FORM}; charset=x", b"token=y"),
        ("multipart/form-data; boundary=B", b"junk"),
        ("multipart/form-data", b"--B"),
        ("application/json", b"{}"),
    ],
)
def test_a_form_that_is_none_is_not_the_token(locked, kind: str, body: bytes):
    """Anybody can post it."""
    assert locked("POST", "/login", raw=body, Content_Type=kind).status == 401


def test_an_address_with_the_token_lets_a_browser_in(locked):
    right = locked("GET", f"/?token={quote(TOKEN)}&device=1-2%263", Accept=HTML)
    assert right.status == 200
    assert b'content="0;url=/?device=1-2%263"' in right.raw
    assert locked("GET", "/", Cookie=cookie_of(right)).status == 200
    wrong = locked("GET", "/?token=sesame", Accept=HTML)
    assert wrong.status == 401
    assert "set-cookie" not in wrong.headers


def test_a_cookie_that_is_none_is_no_way_in(locked):
    name = cookie_of(sign_in(locked)).partition("=")[0]
    for value in ("", "x", "ä", TOKEN):
        assert locked("GET", "/api/v1/state", Cookie=f"{name}={quote(value)}").status == 401


def test_other_pages_cannot_use_the_cookie(locked):
    cookie = cookie_of(sign_in(locked))
    own = f"http://127.0.0.1:{locked.port}"
    empty = {"Cookie": cookie, "Host": f"127.0.0.1:{locked.port}"}
    assert locked("POST", "feeder/empty", **empty).status == 403
    for origin in ("http://127.0.0.1:1", "null", "http://evil.example"):
        assert locked("POST", "feeder/empty", **empty, Origin=origin).status == 403
        assert sign_in(locked, Origin=origin).status == 403
    for site in ("same-site", "cross-site"):
        assert locked("GET", "state", **empty, Sec_Fetch_Site=site).status == 403
        assert locked("GET", "events", **empty, Sec_Fetch_Site=site).status == 403
    assert locked("GET", "/api/v1/feeder", **empty).json["empty"] is False
    assert locked("POST", "feeder/empty", **empty, Origin=own).status == 200


def test_without_a_token_nobody_signs_in(panel):
    assert panel("GET", "/", Accept=HTML).status == 200
    assert "www-authenticate" not in panel("GET", "/", Accept=HTML).headers

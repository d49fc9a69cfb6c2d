"""Courtesy towards an EHR: how fast it is asked, when it is not, and how that is stopped."""

import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.errors import StoppedError, WeirError
from service.fhir.exchange import send
from service.fhir.http import open_client
from service.fhir.pace import Pace, Quiet
from service.fhir.together import together

ZONE = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("hours", "at", "left"),
    [
        ("07:00-19:00", "06:59:30", 0),
        ("07:00-19:00", "07:00:00", 12 * 3600),
        ("07:00-19:00", "18:59:30", 30),
        ("07:00-19:00", "19:00:00", 0),
        ("22:00-06:00", "23:00:00", 7 * 3600),
        ("22:00-06:00", "05:00:00", 3600),
        ("22:00-06:00", "12:00:00", 0),
    ],
)
def test_quiet_hours_are_of_the_sites_clock_and_may_span_midnight(
    hours: str, at: str, left: float
) -> None:
    now = datetime.fromisoformat(f"2026-06-10T{at}").replace(tzinfo=ZONE)
    assert Quiet.read(hours).left(now) == left


def test_an_hour_that_the_clocks_skip_is_not_waited_for() -> None:
    now = datetime.fromisoformat("2026-03-08T01:00:00").replace(tzinfo=ZONE)
    assert Quiet.read("00:00-05:00").left(now) == 3 * 3600


@pytest.mark.parametrize("text", ["", "7-19", "07:00", "07:00-07:00", "25:00-26:00", "a-b"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Quiet.read(text)


class _Busy(BaseHTTPRequestHandler):
    """Answers after a while, or never, and counts how many it answers at once."""

    now = most = 0
    lock = threading.Lock()
    let_go = threading.Event()

    def do_GET(self) -> None:
        kind = type(self)
        with kind.lock:
            kind.now += 1
            kind.most = max(kind.most, kind.now)
        if self.path == "/never":
            kind.let_go.wait(60)
        else:
            time.sleep(0.05)
        with kind.lock:
            kind.now -= 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a busy server."""
    _Busy.now = _Busy.most = 0
    _Busy.let_go.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Busy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    _Busy.let_go.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_no_more_connections_are_opened_than_allowed(server: str) -> None:
    with open_client(connections=2) as client:
        together(lambda n: send(client, client.build_request("GET", server)), range(8), 8)
    assert _Busy.most <= 2


def test_requests_keep_within_the_budget(server: str) -> None:
    """The moments of all requests but the first are a twentieth of a second apart."""
    begun = time.monotonic()
    with Pace(per_minute=1200) as pace, open_client(before=pace.before) as client:
        together(lambda n: send(client, client.build_request("GET", server)), range(7), 4)
    assert time.monotonic() - begun >= 6 * 0.05


def test_in_quiet_hours_it_waits_and_says_so(server: str, tmp_path: Path) -> None:
    told: list[str] = []
    stop = tmp_path / "stop"

    def hear(text: str) -> None:
        told.append(text)
        stop.touch()

    always = (Quiet.read("00:00-12:00"), Quiet.read("12:00-00:00"))
    with (
        Pace(quiet=always, zone=ZONE, stop=stop, told=hear) as pace,
        open_client(before=pace.before) as client,
        pytest.raises(StoppedError),
    ):
        send(client, client.build_request("GET", server))
    assert _Busy.most == 0
    assert "quiet hours" in told[0]


def test_a_request_that_gets_no_answer_ends_when_it_is_stopped(server: str, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    with Pace(stop=stop) as pace, open_client(before=pace.before) as client:
        threading.Timer(0.2, stop.touch).start()
        with pytest.raises(WeirError):
            send(client, client.build_request("GET", f"{server}/never"))
        assert not _Busy.let_go.is_set()
        with pytest.raises(StoppedError):
            pace.wait(3600)


def test_the_first_error_ends_what_is_done_together() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        if number == 1:
            raise ValueError("one")
        done.append(number)
        return number

    with pytest.raises(ValueError, match="one"):
        together(work, range(1000), 1)
    assert done == [0]
    assert together(work, [5, 3, 4], 2) == [5, 3, 4]

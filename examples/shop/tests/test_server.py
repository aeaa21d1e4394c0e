import os
import runpy
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from shop.pages import Answer
from shop.server import build_server, main


@pytest.fixture
def address() -> Iterator[str]:
    server = build_server(0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_pages_over_http(address: str) -> None:
    with urllib.request.urlopen(f"{address}/health") as response:
        assert response.headers["Content-Type"] == "application/json"
        assert response.read() == b'{"status": "ok"}'


def test_an_unknown_page_is_404(address: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{address}/nowhere")
    assert error.value.code == 404
    error.value.close()


def test_a_fault_in_a_page_is_a_500(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(target: str) -> Answer:
        raise RuntimeError(target)

    monkeypatch.setattr("shop.server.answer", broken)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{address}/")
    assert error.value.code == 500
    assert error.value.read() == b'{"error": "internal error"}'


def test_sigterm_ends_the_server() -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    main(["--port", "0"])
    timer.join()


def test_the_package_can_be_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["shop", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("shop", run_name="__main__")
    assert ended.value.code == 0
    assert "--port" in capsys.readouterr().out

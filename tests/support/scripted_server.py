"""A real HTTP server that answers what a test wrote down: for the troubles a healthy service does not have."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Scripted:
    """One answer."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


Answering = Scripted | Callable[[bytes], Scripted]
"""An answer, or what makes one of a request's body."""


@dataclass
class ScriptedServer:
    """Gives *answers* in turn, the last one for ever; remembers the requests as (method, target, headers, body)."""

    answers: Sequence[Answering]
    url: str = ""
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def next_answer(self) -> Scripted:
        """Give the answer to the request remembered last."""
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        return answer if isinstance(answer, Scripted) else answer(self.requests[-1][3])


@contextmanager
def scripted_server(*answers: Answering) -> Iterator[ScriptedServer]:
    """Run a ScriptedServer on a loopback port while the block runs."""
    script = ScriptedServer(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            script.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            answer = script.next_answer()
            self.send_response(answer.status)
            for name, value in {"Content-Type": answer.content_type, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_PUT = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        script.url = f"http://127.0.0.1:{server.server_port}/"
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()

"""An application with one namespace of the key-value service, ``shop``, and what tests ask it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.keyvalue import Terms
from tests.support.asking import wsgi
from tests.support.golden import Ask, Reply
from tests.support.sandbox import Sandbox
from tests.support.with_clock import limits_by

TERMS = Terms(quota=4_000_000, most_keys=5000)
IN_WORLD = {"X-SecondLife-Shard": "Production"}


class Shop:
    """The namespace over HTTP. Requests carry a token for it, and *headers*."""

    def __init__(self, ask: Ask, token: str) -> None:
        self._ask = ask
        self.token = token

    def ask(self, method: str, target: str = "", body: bytes | str = b"", **headers: str) -> Reply:
        """Ask below ``/db``; a header's underscores are dashes."""
        fields = {"X-N2K-Token": self.token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self._ask(method, f"/db{target}", fields, body.encode() if isinstance(body, str) else body)

    def put(self, key: str, value: bytes | str, content_type: str = "text/plain") -> str:
        """Store a value; return its version."""
        answer = self.ask("PUT", f"/{key}", value, Content_Type=content_type)
        assert answer.status in (200, 201), answer
        return answer.body.decode()

    def get(self, target: str, **headers: str) -> Any:
        """GET JSON: 200."""
        answer = self.ask("GET", target, **headers)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer
        return json.loads(answer.body)

    def post(self, op: str, fields: Any = None, status: int = 200, **headers: str) -> Any:
        """POST JSON, and get JSON."""
        answer = self.ask("POST", f"?format=json&op={op}", b"" if fields is None else json.dumps(fields), **headers)
        assert answer.status == status, answer
        return json.loads(answer.body)

    def batch(self, *operations: Any, status: int = 200, **headers: str) -> Any:
        """Do several operations; return what was answered."""
        return self.post("batch", {"operations": operations}, status, **headers)

    def listed(self) -> list[str]:
        """All keys, up to a thousand."""
        keys: list[str] = self.get("?format=json")["keys"]
        return keys


def prepare_shop(data_dir: Path, terms: Terms = TERMS) -> str:
    """Make the namespace in a fresh data directory; return a token for it without a limit worth mentioning."""
    box = Sandbox(data_dir)
    box.store.keyvalue.create("shop", terms)
    token = create_token(box.store.tokens, ("keyvalue",), namespace="shop", rate=1_000_000).text
    box.close()
    return token


@contextlib.contextmanager
def shop_in(data_dir: Path, terms: Terms = TERMS, **flags: str) -> Iterator[Shop]:
    """Make it, and answer in this process; afterwards all that is stored must be consistent. Rate limits do not refill."""
    token = prepare_shop(data_dir, terms)
    with limits_by():
        application = LiveApplication(
            {"data_dir": str(data_dir), "write_limit": "1000000", "failure_limit": "1000000", **flags}
        )
    try:
        yield Shop(wsgi(application), token)
    finally:
        application.close()
    box = Sandbox(data_dir)
    assert box.problems() == [] and list(box.store.keyvalue.problems()) == []
    box.close()

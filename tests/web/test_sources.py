"""The source of a capture: stored from the X-SecondLife-* headers, shown only to the owner."""

import json
from pathlib import Path

import pytest

from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from tests.support.asking import wsgi
from tests.support.sandbox import MASAKAZU, Sandbox

OBJECT, OWNER = "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-1111-4111-8111-111111111111"
HEADERS = {
    "X-SecondLife-Shard": "OpenSim",
    "X-SecondLife-Object-Key": OBJECT,
    "X-SecondLife-Owner-Key": OWNER.upper(),
    "X-SecondLife-Owner-Name": "(Loading...)",
    "X-SecondLife-Region": "Secret Garden (256000, 256256)",
}


@pytest.mark.parametrize("way", ["form", "json", "list"])
def test_a_capture_knows_its_source(tmp_path: Path, way: str) -> None:
    """Object, owner, region and shard, first and last time and count, by every way of registering; not in public answers."""
    box = Sandbox(tmp_path / "data", grids="Production, Mine = OpenSim")
    headers = {**HEADERS, "X-N2K-Token": create_token(box.store.tokens, ("register",)).text}
    box.close()
    application = LiveApplication({"data_dir": str(tmp_path / "data"), "grids": "Production, Mine = OpenSim"})
    try:
        ask = wsgi(application)
        one = {"name": "Masakazu Kojima", "key": MASAKAZU}
        for _ in range(2):
            if way == "form":
                answer = ask("POST", "/", headers, f"name=Masakazu+Kojima&key={MASAKAZU}".encode())
            else:
                body = one if way == "json" else {"avatars": [one]}
                answer = ask("POST", "/api/v1/avatars", headers, json.dumps(body).encode())
            assert answer.status == 200
        said = [ask("GET", f"/api/v1/avatars/{MASAKAZU}{rest}", {}, b"").body.decode() for rest in ("", "/history")]
    finally:
        application.close()
    (stored,) = box.store.captures.stored(parse_key(MASAKAZU))
    assert stored.capture.source == Source(OBJECT, OWNER, "Secret Garden (256000, 256256)", "OpenSim")
    assert (stored.capture.grid, stored.capture.times_seen) == ("Mine", 2)
    assert stored.capture.first_seen <= stored.capture.last_seen
    box.close()
    assert json.loads(said[1])["names"][0]["capture"]["count"] == 2
    for text in said:
        assert OBJECT not in text and OWNER not in text and "Garden" not in text

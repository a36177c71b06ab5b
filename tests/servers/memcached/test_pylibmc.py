"""pylibmc on our server."""

import pylibmc

from tests.support.processes import Child


def test_pylibmc(on_port: Child) -> None:
    """A round of everything, through libmemcached."""
    host, number = on_port.address
    client = pylibmc.Client([f"{host}:{number}"], behaviors={"cas": True})
    try:
        use_pylibmc(client)
    finally:
        client.disconnect_all()


def use_pylibmc(client: pylibmc.Client) -> None:
    """Every method that has an answer."""
    assert client.set("a", {"x": [1, None]}, time=100) and client.get("a") == {"x": [1, None]}
    assert not client.add("a", 1) and not client.replace("none", 1)
    _, cas = client.gets("a")
    assert client.cas("a", "new", cas) and not client.cas("a", "newer", cas)
    assert client.set_multi({f"k{n}": n for n in range(100)}) == []
    assert client.get_multi([f"k{n}" for n in range(200)]) == {f"k{n}": n for n in range(100)}
    assert client.set("n", "10") and client.incr("n", 5) == 15 and client.decr("n", 100) == 0
    assert client.set("s", b"b") and client.append("s", b"c") and client.prepend("s", b"a") and client.get("s") == b"abc"
    assert client.touch("s", 100) and client.delete("s") and not client.delete("s")
    assert client.get_stats()[0][1]["curr_items"] == b"102"
    assert client.flush_all() and client.get("a") is None

"""/metrics: as Prometheus reads it, by its own parser and promtool, for whom the setting admits."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from prometheus_client.samples import Sample

from n2k_fcgi.model.statistics import Counted, Period
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.service.metrics import exposition
from n2k_fcgi.service.statistics import Usage
from tests.support.asking import Reply, wsgi
from tests.support.processes import REPOSITORY
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

pytestmark = pytest.mark.unmeasured

NEW = "00000000-0000-4000-8000-00000000c01d"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def people(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Two avatars."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
    yield sandbox


def used(sandbox: Sandbox, **flags: str) -> LiveApplication:
    """An application that has answered, well and badly."""
    sandbox.store.counts.note()
    sandbox.store.close()
    application = LiveApplication({"data_dir": str(sandbox.data_dir), "register": "open", **flags})
    ask = wsgi(application)
    for target in ("/?name=governor.linden", f"/?key={MASAKAZU}", "/?name=nobody", "/?key=nonsense", f"/?name=A+B&key={NEW}"):
        ask("GET", target, {}, b"")
    return application


def scrape(application: LiveApplication, **headers: str) -> Reply:
    """The answer to a scrape."""
    return wsgi(application)("GET", "/metrics", {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def value(samples: dict[str, list[Sample]], name: str, **labels: str) -> float:
    """The one sample of *name* with these labels."""
    (found,) = [sample.value for sample in samples[name] if labels.items() <= sample.labels.items()]
    return float(found)


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_what_was_counted_is_scraped(people: Sandbox, accept: str) -> None:
    """Both formats, by Prometheus' own parser: requests, lookups, times, registrations, imports, workers, the directory."""
    application = used(people, metrics="open")
    reply = scrape(application, Accept=accept)
    application.close()
    assert reply.status == 200 and reply.headers["content-type"].startswith(
        accept.partition(";")[0] or "text/plain; version=0.0.4"
    )
    samples: dict[str, list[Sample]] = {}
    for family in (openmetrics if accept else plain)(reply.body.decode()):
        assert family.documentation
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    assert value(samples, "n2k_answers_total", kind="lookup", status="200") == 3
    assert value(samples, "n2k_answers_total", kind="lookup", status="400") == 1
    assert value(samples, "n2k_lookups_total", result="hit") == 2 and value(samples, "n2k_lookups_total", result="miss") == 1
    assert value(samples, "n2k_hits_total", grid="Production") == 2
    assert value(samples, "n2k_registrations_total", result="new") == 1
    assert value(samples, "n2k_imports_total") == 1 and value(samples, "n2k_import_rows_total", what="added") == 2
    assert value(samples, "n2k_answer_seconds_count", kind="lookup") == 4
    assert value(samples, "n2k_answer_seconds_bucket", kind="lookup", le="+Inf") == 4
    assert 0 < value(samples, "n2k_answer_seconds_sum", kind="lookup") < 60
    assert value(samples, "n2k_workers", front="hosted") == 1
    assert value(samples, "n2k_workers_resident_bytes", front="hosted") > 10**6
    assert value(samples, "n2k_avatars") == 2 and value(samples, "n2k_captures") == 1


def test_promtool_finds_nothing_wrong(people: Sandbox) -> None:
    """Names, units, helps and types are as Prometheus recommends."""
    application = used(people, metrics="open")
    body = scrape(application).body
    application.close()
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_counters_only_grow(people: Sandbox) -> None:
    """From scrape to scrape, and across a restart."""
    before: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for _ in range(3):
        application = used(people, metrics="open")
        now = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in plain(scrape(application).body.decode())
            for sample in family.samples
            if sample.name.endswith(("_total", "_count", "_sum", "_bucket"))
        }
        application.close()
        assert before.keys() <= now.keys() and all(now[name] >= count for name, count in before.items())
        before = now
    assert before["n2k_starts_total", (("front", "hosted"),)] == 3


def test_who_may_scrape(people: Sandbox) -> None:
    """Nobody by default; with a token of the scope metrics, which opens nothing else, or admin; or anyone."""
    store = people.store
    tokens = {scope: create_token(store.tokens, (scope,)).text for scope in ("metrics", "admin", "read", "register")}
    one_grid = create_token(store.tokens, ("metrics",), grid="Testing").text
    application = used(people)
    assert scrape(application, X_N2K_Token=tokens["admin"]).status == 403
    application.close()
    application = used(people, metrics="token")
    statuses = {scope: scrape(application, Authorization=f"Bearer {text}").status for scope, text in tokens.items()}
    assert statuses == {"metrics": 200, "admin": 200, "read": 403, "register": 403}
    assert [scrape(application).status, scrape(application, X_N2K_Token=one_grid).status] == [401, 403]
    usage = wsgi(application)("GET", "/api/v1/usage", {"X-N2K-Token": tokens["metrics"]}, b"")
    assert usage.status == 403
    assert wsgi(application)("GET", "/metrics?token=" + tokens["metrics"], {}, b"").status == 400
    application.close()


WITHOUT = """
import sys
from n2k_fcgi.servers.live import LiveApplication
from tests.support.asking import wsgi
sys.modules["prometheus_client"] = None
application = LiveApplication({"data_dir": sys.argv[1], "metrics": "open"})
reply = wsgi(application)("GET", "/metrics", {}, b"")
application.close()
print(reply.status, reply.body.decode(), end="")
"""


def test_without_the_extra_a_comment_says_what_is_missing(people: Sandbox) -> None:
    """Which is an exposition of no metrics."""
    people.store.close()
    command = [sys.executable, "-c", WITHOUT, str(people.data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(REPOSITORY))
    status, _, body = done.stdout.partition(" ")
    assert status == "200" and "n2k_fcgi[metrics]" in body and list(plain(body)) == []


def test_kinds_that_there_are_not_are_not_scraped() -> None:
    """Counts are lines of a file that others may write: invented kinds and statuses would be thousands of lines."""
    names = [f"answers.k{number}.200" for number in range(300)] + [f"answers.page.{number}" for number in range(1000, 1300)]
    total = Period(0, 0, dict.fromkeys([*names, "answers.page.200"], 1))
    directory = dict.fromkeys(("avatars", "captures", "pending", "forgotten", "as_of"), 0)
    said = exposition(Usage(0, Counted(total=total)), directory, "")[0].decode()
    assert 'n2k_answers_total{kind="page",status="200"} 1.0' in said and "k299" not in said and "1299" not in said
    assert said.count("\n") < 200

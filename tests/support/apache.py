"""A real Apache with mod_fcgid on loopback, configured like a shared host: all that a site can set is its .htaccess."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.asking import over_http
from tests.support.foreground import foreground, free_port
from tests.support.golden import Ask, Reply

MODULES = Path("/usr/lib/apache2/modules")
NEEDED = (
    *("mpm_event", "authz_core", "alias", "mime", "dir", "autoindex", "negotiation", "rewrite", "env", "setenvif"),
    *("filter", "deflate", "headers"),
)
GATEWAYS = {
    "fcgid": ("fcgid",),
    "cgid": ("cgid",),
    "passenger": ("passenger",),
    "wsgi": ("wsgi",),
    "proxy_fcgi": ("proxy", "proxy_fcgi"),
    "none": (),
}
"""The modules that each way to run the service needs; ``none`` is a host that runs nothing."""

PASSWORDS = ("authn_core", "authn_file", "authz_user", "auth_basic")

AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")

CONFIG = """
ServerRoot {run}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {run}/pid
DefaultRuntimeDir {run}
Mutex file:{run}
ErrorLog {run}/error.log
TypesConfig /dev/null
StartServers 1
ThreadsPerChild 25
{modules}
<IfModule mod_fcgid.c>
FcgidIPCDir {run}/sock
FcgidProcessTableFile {run}/shm
FcgidMaxProcessesPerClass 2
FcgidMaxRequestLen 1048576
</IfModule>
<IfModule mod_cgid.c>
ScriptSock {run}/cgid
</IfModule>
<IfModule mod_passenger.c>
PassengerRoot /usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini
PassengerInstanceRegistryDir {run}
PassengerUserSwitching off
PassengerDisableSecurityUpdateCheck on
PassengerDisableAnonymousTelemetry on
PassengerMaxPoolSize 2
PassengerEnabled off
</IfModule>
DocumentRoot {docroot}
DirectoryIndex index.html
<Directory {docroot}>
Options Indexes FollowSymLinks MultiViews
AllowOverride All
Require all granted
</Directory>
{settings}
"""


class Apache:
    """A running server. ``run`` holds its own files, the error log among them."""

    def __init__(self, docroot: Path, run: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.docroot = docroot
        self.run = run
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = process

    def asking(self, mount: str = "") -> Ask:
        """A way to ask what is mounted there."""
        return over_http("127.0.0.1", self.port, mount)

    def get(self, target: str) -> Reply:
        """GET, without following redirects."""
        return self.asking()("GET", target, {}, b"")

    def post(self, target: str, form: str, **headers: str) -> Reply:
        """POST form fields; a header's underscores are sent as dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.asking()("POST", target, {"Content-Type": "application/x-www-form-urlencoded", **sent}, form.encode())

    @property
    def error_log(self) -> str:
        """What Apache and the workers complained of so far."""
        path = self.run / "error.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def workers(self, script: Path) -> list[int]:
        """The ids of the living processes that run *script* below this server, lowest first."""
        name = os.fsencode(script)
        return [pid for pid in _descendants(self.process.pid) if name in _read(f"/proc/{pid}/cmdline")]

    def ready_workers(self, script: Path) -> list[int]:
        """Those of ``workers`` that have answered a lookup: a signal ends one that is still starting at once."""
        return [pid for pid in self.workers(script) if b"/data.mdb\n" in _read(f"/proc/{pid}/maps")]


@contextlib.contextmanager
def apache(docroot: Path, *, gateway: str = "fcgid", settings: str = "", nobody: bool = False) -> Iterator[Apache]:
    """Serve *docroot* until the block ends, with more *settings* of the server's.

    *gateway* has keys of GATEWAYS, with a + between them. Apache refuses to serve as root, so a user namespace gives it
    another id then; files stay reachable. With *nobody* it is really another user, if root runs the tests.
    """
    modules = (*NEEDED, *PASSWORDS, *(module for name in gateway.split("+") for module in GATEWAYS[name]))
    _refuse_missing(modules)
    # In /tmp, because the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="apache-") as name:
        run, port = Path(name), free_port()
        config = run / "httpd.conf"
        (run / "sock").mkdir()
        loaded = "\n".join(f"LoadModule {module}_module {MODULES}/mod_{module}.so" for module in modules)
        config.write_text(CONFIG.format(run=run, port=port, modules=loaded, docroot=docroot, settings=settings))
        wrapper: tuple[str, ...] = ()
        if os.getuid() == 0:
            wrapper = AS_NOBODY if nobody else ("unshare", "--user", "--map-user=1000", "--map-group=1000")
        if nobody:
            (run / "error.log").touch()
            for place in (run, run / "sock", run / "error.log"):
                place.chmod(0o777)
            config.chmod(0o644)
        options = ("-f", str(config), "-DFOREGROUND")
        with foreground("apache2", *options, port=port, log=run / "error.log", wrapper=wrapper) as process:
            yield Apache(docroot, run, port, process)


def _refuse_missing(modules: tuple[str, ...]) -> None:
    missing = [name for name in modules if not (MODULES / f"mod_{name}.so").exists()]
    advice = "these tests need a real Apache: 'make test' names the packages"
    assert not missing, f"{advice} (missing modules: {missing})"


def _descendants(root: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                # proc(5): the command in parentheses may itself hold spaces and parentheses.
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, new = set(), {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return sorted(found)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""

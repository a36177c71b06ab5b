"""FastCGI by mod_fcgid: ``dispatch.fcgi``, perhaps in copies. A process answers many requests, and the host ends it."""

from pathlib import Path

from n2k_fcgi.deploy.htaccess import scripts_named
from n2k_fcgi.deploy.kind import Deployment, File, Kind, Trial, Wanted, probe_answer, refuse_options
from n2k_fcgi.deploy.rewriting import rewriting
from n2k_fcgi.deploy.script import SCRIPT_MODE, probe_text, script_text
from n2k_fcgi.deploy.spread import names_of

PAGE = "hosting/fcgid.md"
NAME = "dispatch.fcgi"
MODULE = "n2k_fcgi.servers.fastcgi"

HANDLER = [
    *("<IfModule mod_fcgid.c>", "SetHandler fcgid-script", "</IfModule>"),
    *("<IfModule !mod_fcgid.c>", "SetHandler cgi-script", "</IfModule>"),
]
"""Without mod_fcgid the script runs as plain CGI."""

REQUESTS = 20


def wanted(plan: Deployment, rules: bytes) -> Wanted:
    """As many scripts as asked for, else as there are."""
    refuse_options(Kind.FCGID, app=plan.app)
    names = names_of(plan.name or NAME, plan.spread or len(scripts_named(rules)) or 1)
    text = script_text(MODULE, plan.data_dir, plan.config)
    return Wanted([File(plan.web_dir / name, text, SCRIPT_MODE) for name in names], rewriting(names, HANDLER))


def trial(plan: Deployment, rules: bytes, place: Path, nonce: str) -> Trial:
    """The real rules with a script that answers how it was started; it must do so time after time."""
    script = File(place / NAME, probe_text(nonce), SCRIPT_MODE)
    asked = f"{place.parent.name}/{place.name}/asked"
    return Trial([script], rewriting([NAME], HANDLER), asked, probe_answer(Kind.FCGID, nonce), REQUESTS)


def advice(plan: Deployment, rules: bytes) -> str:
    """Nothing: the web server starts the script."""
    return ""

"""Plain CGI: ``n2k.cgi``. Nearly every host runs it; each request starts Python, and has the memory of one answer."""

from pathlib import Path

from n2k_fcgi.deploy.kind import Deployment, File, Kind, Trial, Wanted, probe_answer, refuse_options
from n2k_fcgi.deploy.rewriting import rewriting
from n2k_fcgi.deploy.script import SCRIPT_MODE, probe_text, script_text

PAGE = "hosting/cgi.md"
NAME = "n2k.cgi"
MODULE = "n2k_fcgi.servers.cgi"
HANDLER = ["SetHandler cgi-script"]


def wanted(plan: Deployment, rules: bytes) -> Wanted:
    """One script."""
    refuse_options(Kind.CGI, spread=plan.spread, app=plan.app)
    name = plan.name or NAME
    script = File(plan.web_dir / name, script_text(MODULE, plan.data_dir, plan.config), SCRIPT_MODE)
    return Wanted([script], ["# Kind: cgi", *rewriting([name], HANDLER)])


def trial(plan: Deployment, rules: bytes, place: Path, nonce: str) -> Trial:
    """The real rules with a script that answers how it was started."""
    script = File(place / NAME, probe_text(nonce), SCRIPT_MODE)
    asked = f"{place.parent.name}/{place.name}/asked"
    return Trial([script], rewriting([NAME], HANDLER), asked, probe_answer(Kind.CGI, nonce))


def advice(plan: Deployment, rules: bytes) -> str:
    """Nothing: the web server starts the script."""
    return ""

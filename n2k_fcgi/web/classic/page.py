"""The page that a browser gets at the root: two forms, and their answers. No script, and nothing of other hosts."""

from string import Template

from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import HTML, Answer

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>name2key</title>
<style>
 body { font: 1.05rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; }
 label { display: block; margin-top: 1.2rem; }
 input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem; }
 button { font: inherit; margin-top: .5rem; padding: .3rem 1rem; }
 output { display: block; border-left: .3rem solid; padding: .5rem 1rem; overflow-wrap: anywhere; }
 li { overflow-wrap: anywhere; }
</style>
<h1>name2key</h1>
<p>Avatar keys by name and names by key, for Second Life and OpenSimulator.</p>
$answer<form method="get"><input type="hidden" name="page" value="1">
<label for="name">Whose key? A name, in any spelling</label>
<input id="name" name="name" required maxlength="127" value="$name" placeholder="Governor Linden" autofocus>
<button>Find the key</button></form>
<form method="get"><input type="hidden" name="page" value="1">
<label for="key">Whose name? A key</label>
<input id="key" name="key" required maxlength="36" value="$key" placeholder="3d6181b0-6a4b-97ef-18d8-722652995cf1">
<button>Find the name</button></form>
<h2>For scripts and programs</h2>
<p>Each of these gets one line of text, or JSON:</p>
<ul>
<li><a href="$root?name=Governor+Linden">?name=Governor+Linden</a></li>
<li><a href="$root?key=3d6181b0-6a4b-97ef-18d8-722652995cf1">?key=3d6181b0-6a4b-97ef-18d8-722652995cf1</a></li>
<li><a href="${root}name2key/Governor%20Linden">name2key/Governor%20Linden</a></li>
<li><a href="${root}api/v1/avatars?name=Governor+Linden">api/v1/avatars?name=Governor+Linden</a></li>
<li><a href="${root}api/v1/openapi.json">api/v1/openapi.json</a>: all that can be asked</li>
<li><a href="${root}health">health</a>, <a href="${root}ready">ready</a>: for monitors</li>
</ul>
</html>
""")
_ANSWER = Template("""<output>$line</output>
<p><a href="?">Ask something else</a></p>
""")


def page(request: Request, answer: Answer | None = None) -> Answer:
    """Return the page with the line and the status of *answer*, if there is one.

    The same address returns text to scripts: hence ``Vary``.
    """
    from html import escape  # late: for browsers only

    said = "" if answer is None else _ANSWER.substitute(line=escape(answer.body.decode().strip()))
    asked = {name: escape(request.query.get(name, "")) for name in ("name", "key")}
    html = _PAGE.substitute(answer=said, root=escape(request.way_to_root), **asked)
    return Answer(
        200 if answer is None else answer.status,
        html.encode(),
        HTML,
        (
            ("Vary", "Accept"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
            *(() if answer is None else (field for field in answer.headers if field[0] != "Vary")),
        ),
        "" if answer is None else answer.generation,
    )

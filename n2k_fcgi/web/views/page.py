"""The page that a browser gets at the root: two questions to ask by hand. No script, nothing from elsewhere."""

from n2k_fcgi.web.responses import HTML, Answer

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>name2key</title>
<style>
 body { font: 1.05rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; }
 label { display: block; margin-top: 1.2rem; }
 input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem; }
 button { font: inherit; margin-top: .5rem; padding: .3rem 1rem; }
</style>
<h1>name2key</h1>
<p>Avatar keys by name and names by key, for Second Life and OpenSimulator.</p>
<form method="get"><input type="hidden" name="compat" value="false">
<label for="name">Whose key? A name, in any spelling</label>
<input id="name" name="name" required maxlength="127" placeholder="Governor Linden" autofocus>
<button>Find the key</button></form>
<form method="get"><input type="hidden" name="compat" value="false">
<label for="key">Whose name? A key</label>
<input id="key" name="key" required maxlength="36" placeholder="3d6181b0-6a4b-97ef-18d8-722652995cf1">
<button>Find the name</button></form>
<p>Scripts ask <code>?name=First+Last</code> or <code>?key=UUID</code> and get one line of text.</p>
</html>
"""


def page() -> Answer:
    """200 with the form; the same address is text for scripts, which caches are told."""
    return Answer(
        200,
        _PAGE.encode(),
        HTML,
        (
            ("Vary", "Accept"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
        ),
    )

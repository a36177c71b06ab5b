"""docs/http.md has every address that there is."""

import re
from pathlib import Path

import pytest
from werkzeug.routing import Rule

from n2k_fcgi.web.areas import AREAS, view_of
from n2k_fcgi.web.routes import routes_of

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")
RULES = [rule for area in AREAS for rule in routes_of(area).iter_rules()]
ALIASES = {"/touch", "/name2key/"}
"""With and without the last slash."""


def written(rule: Rule) -> str:
    """An address as the page writes it: below /api/v1 without that, a part that varies as a capital letter."""
    return re.sub(r"<(?:path:|rest:)?(\w)\w*>", lambda found: found[1].upper(), rule.rule.removeprefix("/api/v1/"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.rule} {rule.endpoint}")
def test_every_address_is_on_the_page(rule: Rule) -> None:
    """With its method below /api/v1, and with a view that is there and says what it does."""
    assert view_of(rule.endpoint).__doc__
    if rule.rule in ALIASES:
        return
    if rule.rule.startswith("/api/v1/") and rule.rule != "/api/v1/openapi.json":
        (method,) = (rule.methods or set()) - {"HEAD"}
        assert re.search(rf"`{method} {re.escape(written(rule))}[`? ]", PAGE) or f"`{method} {written(rule)}`" in PAGE
    else:
        assert f"{written(rule)}" in PAGE or rule.rule in PAGE

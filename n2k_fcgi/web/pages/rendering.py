"""Templates: Jinja2 with every value escaped, in the language of the page."""

from __future__ import annotations

import os
import sys
from functools import cache

from n2k_fcgi import TYPE_CHECKING, late
from n2k_fcgi.model.dates import day, iso, minute
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.web.pages import languages

if TYPE_CHECKING:
    from typing import Any

    from jinja2 import Environment
    from jinja2.runtime import Context
    from markupsafe import Markup

FOLDER = os.path.join(os.path.dirname(__file__), "templates")


def rendered(template: str, code: str, values: dict[str, Any]) -> bytes:
    """Return *template* with *values*, its texts in the language *code*. Raises MemoryError if there is no room for Jinja2."""
    return environment().get_template(template).render({**values, "language": code}).encode()


@cache
def environment() -> Environment:
    """The templates, each compiled at its first use."""
    if "jinja2.environment" not in sys.modules:
        late.refuse_without_room()
    with late.uncollected():  # as with Werkzeug: an import makes no garbage
        late.parts_of("jinja2")  # all of it would bring pickle and tempfile
        from jinja2.environment import Environment
        from jinja2.loaders import FileSystemLoader
        from jinja2.runtime import StrictUndefined

    found = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
    )
    found.globals["_"] = _text_function()
    found.globals["ngettext"] = _plural_function()
    found.filters |= {"key": format_key, "number": number, "age": age, **_filters_with_point()}
    found.filters |= {"day": day, "instant": iso, "minute": minute}
    return found


def _text_function() -> Any:
    from jinja2.utils import pass_context
    from markupsafe import Markup

    @pass_context
    def text(context: Context, message: str, **values: object) -> Markup:
        """A text of the catalogue, which may have markup, with *values*, which are escaped, in its ``%(name)s``."""
        return Markup(languages.texts(context["language"]).gettext(message)) % values

    return text


def _plural_function() -> Any:
    from jinja2.utils import pass_context
    from markupsafe import Markup

    @pass_context
    def text(context: Context, one: str, many: str, count: int, **values: object) -> Markup:
        """As ``_``, by the number *count*, which is ``%(num)s`` in the text."""
        found = languages.texts(context["language"]).ngettext(one, many, count)
        return Markup(found) % {"num": number(count), **values}

    return text


def _filters_with_point() -> dict[str, Any]:
    from jinja2.utils import pass_context

    @pass_context
    def size_of(context: Context, value: float) -> str:
        return size(value, point_of(context["language"]))

    @pass_context
    def decimal(context: Context, value: float) -> str:
        """A number with one decimal."""
        return f"{value:.1f}".replace(".", point_of(context["language"]))

    return {"size": size_of, "decimal": decimal}


def number(value: int) -> str:
    """Return a number with narrow spaces between thousands, which every language reads alike."""
    return f"{value:,}".replace(",", "\u202f")


def size(value: float, point: str = ".") -> str:
    """Return bytes in a unit that people read, as settings have it: ``12.3 MB``, of 1024 * 1024. *point*: of decimals."""
    units = ["B", "KB", "MB", "GB", "TB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        del units[0]
    text = f"{value:.0f}" if units[0] == "B" or value >= 100 else f"{value:.1f}"
    return f"{text} {units[0]}".replace(".", point)


def point_of(code: str) -> str:
    """Return the decimal point of a language."""
    # NOTE: the decimal point of this language
    return languages.texts(code).gettext(".")


def age(seconds: int) -> str:
    """Return a time in the largest unit of which there are two: ``3 min``; the units are those of the SI."""
    for unit, long in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * long:
            return f"{seconds // long} {unit}"
    return f"{max(seconds, 0)} s"

"""The frame around every page: head, navigation, foot, languages, headers."""

from typing import Any

from n2k_fcgi.errors import OnlyAPage
from n2k_fcgi.web.browser import wants_page
from n2k_fcgi.web.pages import languages, static
from n2k_fcgi.web.pages.headers import SAFE, VARIES
from n2k_fcgi.web.pages.languages import Language, language_of
from n2k_fcgi.web.pages.links import Links
from n2k_fcgi.web.pages.rendering import rendered
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import HTML, Answer, Headers, revalidated


def page(
    request: Request,
    template: str,
    values: dict[str, Any],
    *,
    status: int = 200,
    json: tuple[str, dict[str, str | None]] | None = None,
    generation: str = "",
    headers: Headers = (),
    private: bool = False,
) -> Answer:
    """Return the page that *template* makes of *values*, or 304 if the browser has it.

    *json*: path below the root, and query, of the same data as JSON. *private*: for this caller alone. Beside *values*
    templates have what ``_common`` returns, and ``_`` and ``ngettext``. Raises OnlyAPage.
    """
    refuse_scripts(request)
    language = language_of(request)
    links = Links(request, language)
    data = links.file(json[0], **json[1]) if json else None
    body = rendered(template, language.code, {**_common(links, language), "json": data, "status": status, **values})
    answer = Answer(status, body, HTML, (*SAFE, *VARIES, *headers), generation, private=private)
    return revalidated(answer, request.header("IF_NONE_MATCH")) if status == 200 and not private else answer


def fragment(request: Request, template: str, values: dict[str, Any], *, generation: str = "") -> Answer:
    """Return a part of a page, which our script puts into one."""
    refuse_scripts(request)
    language = language_of(request)
    body = rendered(template, language.code, {**_common(Links(request, language), language), **values})
    return Answer(200, body, HTML, (*SAFE, *VARIES), generation)


def refuse_scripts(request: Request) -> None:
    """Raises OnlyAPage unless the caller gets pages. What does more than to show one asks first."""
    if not wants_page(request):
        raise OnlyAPage


def _common(links: Links, language: Language) -> dict[str, Any]:
    """What every template has."""
    return {
        "link": links,
        "static": lambda name: links.file(static.address(name)),
        "chosen_language": language.code if language.is_chosen else None,
        "languages": [(code, languages.texts(code).gettext("English")) for code in languages.codes()],
    }


def error(request: Request, status: int, message: str, headers: Headers) -> Answer:
    """Return a page that says what is wrong, in one line of English below the words of the page's language."""
    others = tuple(field for field in headers if field[0] != "Vary")
    return page(request, "error.html", {"message": message.strip()}, status=status, headers=others)

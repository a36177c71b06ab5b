"""The texts of the pages: all of them are translated, and what the server reads is what the translators wrote."""

import io
import re
from gettext import GNUTranslations
from pathlib import Path
from shutil import copytree

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from n2k_fcgi.web import pages
from n2k_fcgi.web.pages import languages
from tests.support.people import visiting
from tests.support.sandbox import Sandbox

FOLDER = Path(pages.__file__).parent
CODES = [code for code in languages.codes() if code != languages.ENGLISH]
METHODS = [("**.py", "python"), ("**.html", "jinja2")]


def catalogue(code: str) -> Catalog:
    """What the translators of a language wrote."""
    with (FOLDER / "locale" / code / "LC_MESSAGES" / "n2k.po").open("rb") as file:
        return read_po(file, locale=code)


def texts_in_use() -> set[object]:
    """All texts in templates and code, as catalogues have them."""
    return {found[2] for found in extract_from_dir(str(FOLDER), METHODS)}


def test_there_is_german() -> None:
    """English needs no catalogue: its texts are the keys of the others."""
    assert "de" in CODES and languages.codes()[0] == "en"


@pytest.mark.parametrize("code", CODES)
def test_every_text_is_translated(code: str) -> None:
    """No text of a template is missing, none is left over, none is unsure; what is filled in is in both."""
    written = [message for message in catalogue(code) if message.id]
    assert {message.id for message in written} == texts_in_use()
    for message in written:
        ids, texts = ((message.id,), (message.string,)) if isinstance(message.id, str) else (message.id, message.string)
        assert all(texts) and not message.fuzzy, message.id
        for text in texts:
            for pattern in (r"%\(\w+\)s", r"</?\w+"):
                assert sorted(re.findall(pattern, str(text))) == sorted(re.findall(pattern, str(ids[-1]))), message.id


@pytest.mark.parametrize("code", CODES)
def test_the_compiled_catalogue_is_the_written_one(code: str) -> None:
    """``make catalogue`` was run after the last change."""
    compiled = (FOLDER / "locale" / code / "LC_MESSAGES" / "n2k.mo").read_bytes()
    expected = io.BytesIO()
    write_mo(expected, catalogue(code))
    read = [GNUTranslations(io.BytesIO(data)) for data in (compiled, expected.getvalue())]
    for message in catalogue(code):
        if isinstance(message.id, str):
            assert read[0].gettext(message.id) == read[1].gettext(message.id)
        else:
            assert [read[0].ngettext(*message.id, n) for n in range(3)] == [read[1].ngettext(*message.id, n) for n in range(3)]


def test_the_template_of_catalogues_is_up_to_date() -> None:
    """New languages begin with it."""
    with (FOLDER / "locale" / "n2k.pot").open("rb") as file:
        assert {message.id for message in read_po(file) if message.id} == texts_in_use()


def test_another_language_is_a_folder(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a line of code: chosen by the browser or by the link with its own name, from right to left if it says so."""
    copytree(FOLDER / "locale", tmp_path / "locale")
    place = tmp_path / "locale" / "ar" / "LC_MESSAGES"
    place.mkdir(parents=True)
    arabic = Catalog("ar")
    for text, translation in (("English", "العربية"), ("ltr", "rtl"), ("Find an avatar", "ابحث")):
        arabic.add(text, translation)
    with (place / "n2k.mo").open("wb") as file:
        write_mo(file, arabic)
    monkeypatch.setattr(languages, "FOLDER", str(tmp_path / "locale"))
    for cached in (languages.codes, languages.texts):
        cached.cache_clear()
    try:
        with visiting(sandbox) as visitor:
            page = visitor.page("/", Accept_Language="ar-EG")
            assert page.every("html") == [{"lang": "ar", "dir": "rtl"}] and "ابحث" in page.text
            assert "العربية" in visitor.page("/").text and "Search" in page.text, "what is not translated is English"
    finally:
        for cached in (languages.codes, languages.texts):
            cached.cache_clear()


def test_german_says_du() -> None:
    """To visitors and to the owner alike: "Sie" is only the first word of a sentence, where it means a page, or people."""
    for message in catalogue("de"):
        for text in (message.string,) if isinstance(message.string, str) else message.string:
            assert not re.search(r"[^.:] (Sie|Ihr|Ihre|Ihnen)\b", text), text

"""The pages for those who write programs and scripts: examples that run against this very server, scripts ready to paste."""

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from n2k_fcgi.service.scripts.catalogue import SCRIPTS
from tests.browser.conftest import Meet, Site
from tests.support.chromium import PHONE, Look
from tests.support.processes import SECONDS

ADMINISTERS = ("use",)
"""Words of the addresses whose examples change the service for everybody."""


def run(command: str, folder: Path) -> tuple[int, str]:
    """Run an example in a shell as a reader would, in *folder*; return the status that the server answered, and the body."""
    asked = command.replace("curl ", "curl -s -w '\\n%{http_code}' ", 1)
    done = subprocess.run(["sh", "-c", asked], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, (command, done.stderr)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_every_linked_example_is_answered(meet: Meet) -> None:
    """A reader who follows an example gets this server's answer, no error."""
    person = meet(Look(has_script=False))
    person.go("programs")
    hrefs = [link.evaluate("link => link.href") for link in person.page.locator("main a").all()]
    addresses = sorted({href for href in hrefs if "#" not in href})
    assert len(addresses) > 5 and all(address.startswith(person.root) for address in addresses)
    answers = {address: person.context.request.get(address).status for address in addresses}
    assert set(answers.values()) == {200}, answers


def test_every_command_runs(meet: Meet, site: Site, tmp_path: Path) -> None:
    """Pasted into a shell, with a token in the file that the page names, each command reaches what it is about."""
    person = meet()
    person.go("programs")
    commands = person.page.locator("pre[id^='curl-']").all_inner_texts()
    assert len(commands) >= 10
    token = site.n2k("token", "create", "--scope", "register", "--scope", "forget", "--scope", "read", "--scope", "csv").out
    (tmp_path / "token.header").write_text(f"X-N2K-Token: {token.split()[-1]}\n")
    answers = {command: run(command, tmp_path)[0] for command in commands if f" {site.root}" in command or site.root in command}
    assert len(answers) == len(commands), "an example asks another server"
    assert [(command, status) for command, status in answers.items() if status not in (200, 201, 204, 403, 404, 409)] == []
    reading = [status for command, status in answers.items() if "-X" not in command and "-d" not in command]
    assert reading and reading.count(200) >= len(reading) - 3, answers


def test_a_command_is_copied(meet: Meet) -> None:
    """The button beside it copies what is shown."""
    person = meet(may_copy=True)
    person.go("programs")
    shown = person.page.locator("pre[id^='curl-']").first.inner_text()
    person.page.get_by_role("button", name="Copy the command").first.click()
    expect(person.page.locator("button.done")).to_have_count(1)
    assert person.page.evaluate("navigator.clipboard.readText()") == shown


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_copied_and_downloaded(meet: Meet, site: Site, name: str, tmp_path: Path) -> None:
    """The button copies the text that ``n2k lsl`` prints without a token: with this server's address, and no token at all."""
    person = meet(Look(PHONE), may_copy=True)
    person.go("scripts")
    with person.page.expect_navigation():
        person.page.get_by_role("link", name=f"{name}.lsl", exact=True).click()
    person.page.get_by_role("button", name="Copy the script").click()
    expect(person.page.locator("button.done")).to_have_count(1)
    copied = person.page.evaluate("navigator.clipboard.readText()")
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "got.lsl")
    assert (tmp_path / "got.lsl").read_text("utf-8").rstrip("\n") == copied.rstrip("\n")
    assert site.root in copied and "n2k_" not in copied.replace("n2k_fcgi", "")
    assert download.value.suggested_filename == f"{name}.lsl"


def test_scripts_without_script(meet: Meet) -> None:
    """The text is there to be selected, with the address filled in."""
    person = meet(Look(has_script=False))
    person.go("scripts/resolver")
    assert person.root in person.page.locator("#source").inner_text()


def test_privacy_says_what_the_settings_are(meet: Meet) -> None:
    """The list is open to everybody, captures are kept for ever: the page says so, with the sign's text, and sets no cookie."""
    person = meet()
    person.go("privacy")
    main = person.page.locator("main")
    whole = person.page.locator("dt", has_text="The whole list").locator("+ dd")
    expect(whole).to_have_text("everybody")
    expect(main).to_contain_text("for ever: the owner set no end")
    expect(main).to_contain_text("This object keeps names.")
    assert person.context.cookies() == []

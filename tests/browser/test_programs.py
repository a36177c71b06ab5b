"""The pages for those who write programs and scripts: examples that run against this very server, scripts ready to paste."""

import subprocess
from pathlib import Path

from playwright.sync_api import Browser, expect

from n2k_fcgi.service.scripts.catalogue import SCRIPTS
from tests.browser.conftest import Meet, Site
from tests.support.chromium import PHONE, Look, person
from tests.support.commands import Commands
from tests.support.processes import SECONDS
from tests.support.townspeople import settle


def run(command: str, folder: Path) -> int:
    """Run an example in a shell as a reader would, in *folder*; return the status that the server answered."""
    asked = command.replace("curl ", "curl -s -o answer -w '%{http_code}' ", 1)
    done = subprocess.run(["sh", "-c", asked], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return int(done.stdout)


def test_every_linked_example_is_answered(meet: Meet) -> None:
    """A reader who follows an example gets this server's answer, no error."""
    reader = meet(Look(has_script=False))
    reader.go("programs")
    hrefs = [link.evaluate("link => link.href") for link in reader.page.locator("main a").all()]
    addresses = sorted({href for href in hrefs if "#" not in href})
    assert len(addresses) > 5 and all(address.startswith(reader.root) for address in addresses)
    answers = {address: reader.context.request.get(address).status for address in addresses}
    assert set(answers.values()) == {200}, answers


def test_every_command_runs(browser: Browser, site: Site, tmp_path: Path) -> None:
    """Pasted into a shell one after the other, with tokens in the file that the page names, each does what it is about.

    On a service of its own, of which they forget an avatar.
    """
    n2k = Commands(tmp_path / "n2k-data")
    settle(n2k.data_dir)
    n2k("kv", "create", "shop")
    folder = site.server.docroot / "of-commands"
    folder.mkdir()
    assert n2k("deploy", folder).code == 0
    with person(browser, f"{site.server.url}/of-commands/") as reader:
        reader.go("programs")
        commands = reader.page.locator("pre[id^='curl-']").all_inner_texts()
        root = reader.root
    assert len(commands) > 20 and all(root in command for command in commands)
    token = {
        name: n2k("token", "create", "--scope", name, *options).out.split()[-1]
        for name, options in (("admin", ()), ("keyvalue", ("--namespace", "shop")))
    }
    answers = {}
    for command in commands:
        scope = "keyvalue" if f"{root}db" in command else "admin"
        (tmp_path / "token.header").write_text(f"X-N2K-Token: {token[scope]}\n")
        answers[command] = run(command, tmp_path)
    is_about_nothing = [command for command, status in answers.items() if status == 404]
    assert set(answers.values()) <= {200, 201, 202, 204, 404}, answers
    assert all("/switchdb" in command or "/db/score" in command for command in is_about_nothing), is_about_nothing


def test_a_command_is_copied(meet: Meet) -> None:
    """The button beside it copies what is shown."""
    reader = meet(may_copy=True)
    reader.go("programs")
    shown = reader.page.locator("pre[id^='curl-']").first.inner_text()
    reader.page.get_by_role("button", name="Copy the command").first.click()
    expect(reader.page.locator("button.done")).to_have_count(1)
    assert reader.page.evaluate("navigator.clipboard.readText()") == shown


def test_every_script_is_copied_and_downloaded(meet: Meet, site: Site) -> None:
    """Both are what ``n2k lsl`` prints without a token, but for its first line: with the address of this server."""
    reader = meet(Look(PHONE), may_copy=True)
    for name in SCRIPTS:
        reader.go("scripts")
        with reader.page.expect_navigation():
            reader.page.get_by_role("link", name=f"{name}.lsl", exact=True).click()
        reader.page.get_by_role("button", name="Copy the script").click()
        expect(reader.page.locator("button.done")).to_have_count(1)
        copied = reader.page.evaluate("navigator.clipboard.readText()")
        with reader.page.expect_download() as download:
            reader.page.get_by_role("link", name="Download").click()
        assert download.value.suggested_filename == f"{name}.lsl"
        downloaded = download.value.path().read_text("utf-8")
        printed = site.n2k("lsl", "--url", site.root, "--token", "none", name)
        assert printed.code == 0, printed
        first, _, rest = printed.out.partition("\n")
        assert first.startswith("// By n2k lsl") and copied.strip() == downloaded.strip() == rest.strip(), name


def test_scripts_without_script(meet: Meet) -> None:
    """The text is there to be selected, with the address filled in."""
    reader = meet(Look(has_script=False))
    reader.go("scripts/resolver")
    assert reader.root in reader.page.locator("#source").inner_text()


def test_privacy_says_what_the_settings_are(meet: Meet) -> None:
    """The list is open to everybody, captures are kept for ever: the page says so, with the sign's text, and sets no cookie."""
    reader = meet()
    reader.go("privacy")
    main = reader.page.locator("main")
    whole = reader.page.locator("dt", has_text="The whole list").locator("+ dd")
    expect(whole).to_have_text("everybody")
    expect(main).to_contain_text("for ever: the owner set no end")
    expect(main).to_contain_text("This object keeps names.")
    assert reader.context.cookies() == []

"""Tokens: verified by digest, limited by scope and grid, revocable."""

import pytest

from n2k_fcgi.errors import NoSuchToken, TokenNeeded, TokenNotEnough
from n2k_fcgi.service.access.tokens import create_token, refuse_other_grid, revoke_token, verify_token
from n2k_fcgi.store.datadir import CAPTURES
from tests.support.sandbox import Sandbox


def test_a_token_allows_its_scope_and_no_other(sandbox: Sandbox) -> None:
    """``admin`` includes every scope."""
    plain = create_token(sandbox.store.tokens, ("register",)).text
    assert verify_token(sandbox.store.tokens, plain, "register").scopes == ("register",)
    with pytest.raises(TokenNotEnough, match="forget"):
        verify_token(sandbox.store.tokens, plain, "forget")
    admin = create_token(sandbox.store.tokens, ("admin",)).text
    assert verify_token(sandbox.store.tokens, f" {admin}\n", "forget")


def test_a_secret_is_not_kept(sandbox: Sandbox) -> None:
    """The file does not reveal a token."""
    new = create_token(sandbox.store.tokens, ("register",))
    secret = new.text.rpartition("_")[2].encode()
    data = (sandbox.data_dir / CAPTURES).read_bytes()
    assert new.token.id.encode() in data and secret not in data and bytes.fromhex(secret.decode()) not in data


def test_a_revoked_token_is_worthless(sandbox: Sandbox) -> None:
    """It is refused from then on."""
    new = create_token(sandbox.store.tokens, ("register",))
    revoke_token(sandbox.store.tokens, new.token.id)
    with pytest.raises(TokenNeeded):
        verify_token(sandbox.store.tokens, new.text, "register")


@pytest.mark.parametrize("token_id", ["", "x", "000000000000", "../../../x", "0" * 1000, "\ud800"])
def test_a_token_that_is_not_there_cannot_be_revoked(sandbox: Sandbox, token_id: str) -> None:
    """It is an error."""
    with pytest.raises(NoSuchToken):
        revoke_token(sandbox.store.tokens, token_id)


@pytest.mark.parametrize("text", ["", "x", "n2k_", "n2k_000000000000_" + "0" * 64, "é" * 50, "n2k_" + "0" * 100_000])
def test_what_is_no_token_of_ours_is_refused(sandbox: Sandbox, text: str) -> None:
    """Without a reason."""
    with pytest.raises(TokenNeeded):
        verify_token(sandbox.store.tokens, text, "register")


@pytest.mark.parametrize("form", ["x{}", "{}0", "{} {}", "token={}", "{}\0"])
def test_a_token_with_anything_around_it_is_refused(sandbox: Sandbox, form: str) -> None:
    """Except white space, which a header may add."""
    text = create_token(sandbox.store.tokens, ("register",)).text
    with pytest.raises(TokenNeeded):
        verify_token(sandbox.store.tokens, form.format(text, text), "register")
    assert verify_token(sandbox.store.tokens, f"\t{text} ", "register")


def test_one_changed_digit_is_refused(sandbox: Sandbox) -> None:
    """The whole secret is compared."""
    text = create_token(sandbox.store.tokens, ("register",)).text
    wrong = text[:-1] + ("0" if text[-1] != "0" else "1")
    with pytest.raises(TokenNeeded):
        verify_token(sandbox.store.tokens, wrong, "register")


def test_a_token_bound_to_a_grid_is_for_that_grid(sandbox: Sandbox) -> None:
    """A token without a grid is for all grids."""
    bound = create_token(sandbox.store.tokens, ("register",), "OpenSim").token
    refuse_other_grid(bound, "OpenSim")
    with pytest.raises(TokenNotEnough, match="OpenSim"):
        refuse_other_grid(bound, "Production")
    refuse_other_grid(create_token(sandbox.store.tokens, ("register",)).token, "Production")

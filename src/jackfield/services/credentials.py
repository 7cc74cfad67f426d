"""`Credentials`: what a plugin gets of the accounts that operators signed in with."""

from __future__ import annotations

from collections.abc import Mapping

from jackfield.control.accounts.accounts import Accounts
from jackfield.sdk.sign_in import CredentialHeader
from jackfield.services.allowance import Allowance

USE = "credentials:use"


class PluginCredentials:
    """For one plugin. `lent` are the names of sign-ins that the operator lets plugins use, with the plugins' ids."""

    __slots__ = ("_accounts", "_allowance", "_lent")

    def __init__(self, allowance: Allowance, accounts: Accounts, lent: Mapping[str, tuple[str, ...]]) -> None:
        self._allowance, self._accounts, self._lent = allowance, accounts, lent

    async def header(self, name: str) -> CredentialHeader:
        self._allowance.take(USE)
        self._check(name)
        return await self._accounts.take(name)

    async def report(self, used: CredentialHeader, status: int, retry_after_s: float | None = None) -> bool:
        """What it reports of an account that it may not use changes nothing."""
        self._allowance.check(USE)
        account = self._accounts.book.accounts.get(used.account)
        if account is not None:
            self._check(account.row.sign_in)
        return self._accounts.report(used, status, retry_after_s)

    def _check(self, name: str) -> None:
        sign_in = name.partition("/")[0]
        declared = self._accounts.sign_ins.find(sign_in)
        plugin = self._allowance.plugin
        if (declared is None or declared.owner != plugin) and plugin not in self._lent.get(sign_in, ()):
            raise ValueError(
                f"plugin {plugin} does not declare the sign-in {sign_in!r:.100},"
                " and is not among those that may use it (accounts.plugins)"
            )

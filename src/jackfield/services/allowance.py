"""What stands before every operation of a plugin's services."""

from __future__ import annotations

from jackfield.clock import Clock
from jackfield.sdk.caller import current_caller
from jackfield.sdk.services import NotGranted
from jackfield.services.limits import NoLimit, OperationLimit

ANY_USER = "users:any"


class Allowance:
    """One plugin's: what was approved for it, and how often it may use that."""

    __slots__ = ("_limit", "approved", "plugin")

    def __init__(self, plugin: str, approved: frozenset[str], limit: OperationLimit | NoLimit) -> None:
        self.plugin, self.approved, self._limit = plugin, approved, limit

    @classmethod
    def of(cls, plugin: str, approved: frozenset[str], clock: Clock) -> Allowance:
        return cls(plugin, approved, OperationLimit(plugin, clock))

    def uncounted(self) -> Allowance:
        """For the same permissions, as often as it likes."""
        return Allowance(self.plugin, self.approved, NoLimit())

    def check(self, *permissions: str) -> None:
        """Raises `NotGranted`."""
        for permission in permissions:
            if permission not in self.approved:
                raise NotGranted(self.plugin, permission)

    def take(self, *permissions: str) -> None:
        """Counts one operation that needs all of these. Raises `NotGranted` and `RateLimited`."""
        self.check(*permissions)
        self._limit.take()

    def check_user(self, user: str) -> None:
        """Whether the plugin may deal with this user now. Raises `NotGranted`."""
        caller = current_caller()
        if caller is None or caller.user != user:
            self.check(ANY_USER)

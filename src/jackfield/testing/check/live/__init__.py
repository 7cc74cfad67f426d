"""What can be told of a provider over HTTP by talking to it: what its guide promises, and what hosts rely on."""

from jackfield.testing.check.live.rounds import Config, check_endpoint
from jackfield.testing.check.live.started import check_provider_live
from jackfield.testing.check.live.verdicts import Verdict

__all__ = ["Config", "Verdict", "check_endpoint", "check_provider_live"]

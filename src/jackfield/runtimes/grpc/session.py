"""A session over a process that speaks gRPC, in whatever language it is written: started here, or there already."""

from __future__ import annotations

from jackfield.clock import Clock
from jackfield.runtimes.answers import Answers
from jackfield.runtimes.base import Answerer
from jackfield.runtimes.grpc.attached import attach
from jackfield.runtimes.grpc.child import start_grpc_child
from jackfield.runtimes.grpc.program import GrpcProgram
from jackfield.runtimes.launch import Launch
from jackfield.runtimes.limits import Limits
from jackfield.runtimes.process import Life, ProcessSession, Program


class GrpcSession(ProcessSession):
    """Its calls are those of `guests.protocol`, and no others."""

    def __init__(
        self,
        plugin_id: str,
        program: GrpcProgram,
        answerer: Answerer,
        clock: Clock,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
    ) -> None:
        nothing = Launch(cwd=str(program.folder), environ={})
        super().__init__(plugin_id, Program(nothing, {}), answerer, clock, limits)
        self._grpc = program

    async def _open_child(self) -> Life:
        answers = Answers(self._plugin, self._answerer)
        if self._grpc.address is not None:
            return await attach(self._plugin, self._grpc.address, answers, self._limits)
        return await start_grpc_child(
            self._plugin, self._grpc, answers, self._clock, self._limits, self._program.explain
        )

    async def _load_child(self, child: Life) -> None:
        """That it opened its session is all it has to do."""

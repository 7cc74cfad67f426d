"""What one exchange adds to the sheet.

Labels are names that operators and plugins gave, never what a client sent: the model is the upstream's own name of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from jackfield.plugins.metrics.sheet import Sheet
from jackfield.sdk import Exchange, Usage, mask_text

NO_ANSWER = "none"


def count_exchange(sheet: Sheet, exchange: Exchange) -> None:
    _count_hooks(sheet, exchange)
    _count_attempts(sheet, exchange)
    _count_answer(sheet, exchange)
    _count_app(sheet, exchange)
    if exchange.error is not None:
        upstream = exchange.trying.upstream if exchange.trying else None
        # A plugin's own code may hold whatever it makes of a request.
        sheet.count("jackfield_errors", (exchange.route, mask_text(exchange.error.code), upstream))


def _count_hooks(sheet: Sheet, exchange: Exchange) -> None:
    spent: dict[tuple[str, str], float] = {}
    for call in exchange.calls:
        sheet.count("jackfield_hook_calls", (call.plugin, call.hook, call.point, call.outcome), call.times)
        spent[call.plugin, call.point] = spent.get((call.plugin, call.point), 0.0) + call.ms
    for labels, ms in spent.items():
        sheet.observe("jackfield_hook_seconds", labels, ms / 1000)
    if exchange.decided_by is not None:
        sheet.count("jackfield_plugin_answers", (exchange.decided_by, exchange.status))


def _count_attempts(sheet: Sheet, exchange: Exchange) -> None:
    for number, attempt in enumerate(exchange.attempts):
        labels = (attempt.upstream, attempt.model)
        status = NO_ANSWER if attempt.status is None else attempt.status
        sheet.count("jackfield_upstream_attempts", (*labels, status))
        sheet.observe("jackfield_upstream_seconds", labels, attempt.duration_ms / 1000)
        if number:
            sheet.count("jackfield_upstream_retries", labels)


def _count_answer(sheet: Sheet, exchange: Exchange) -> None:
    trying, usage, timings = exchange.trying, exchange.usage, exchange.timings
    if trying is None:
        return
    labels = (trying.upstream, trying.model)
    if exchange.finish_reason is not None:
        sheet.count("jackfield_finish_reasons", (*labels, exchange.finish_reason))
    if usage is None:
        return
    for kind, tokens in _tokens(usage):
        sheet.count("jackfield_tokens_by_kind", (*labels, kind), tokens)
    if exchange.stream and usage.output > 0 and timings is not None and timings.first_byte is not None:
        seconds = (timings.total - timings.first_byte) / 1000
        sheet.observe("jackfield_output_token_seconds", labels, seconds / usage.output)


def _count_app(sheet: Sheet, exchange: Exchange) -> None:
    app = exchange.identity.app if exchange.identity else None
    sheet.count("jackfield_app_requests", (app, exchange.status))
    for kind, tokens in _tokens(exchange.usage):
        sheet.count("jackfield_app_tokens", (app, kind), tokens)
    sheet.count("jackfield_app_cost_usd", (app,), exchange.cost_usd or 0)


def _tokens(usage: Usage | None) -> Iterator[tuple[str, int]]:
    """Cached, written to the cache and thought are parts of what was read and written."""
    if usage is not None:
        for kind in ("input", "cached", "cache_write", "output", "reasoning"):
            yield kind, getattr(usage, kind)

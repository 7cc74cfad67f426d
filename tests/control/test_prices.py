"""What an exchange costs, and what a price file may say."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from jackfield.control.prices import BUILT_IN, PriceTable, read_prices
from jackfield.errors import ConfigError
from jackfield.wire.chat import Usage

MILLION = 1_000_000
USD = 1_000_000_000  # in nanodollars


def price_file(folder: Path, text: str, name: str = "prices.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def entry(models: str, rate: float, more: str = "") -> str:
    return f"[[prices]]\nmodels = {models}\ninput = {rate}\noutput = 0.0\nas_of = 2026-01-01\n{more}\n"


def cost(table: PriceTable, model: str, provider: str = "openai", **usage: int) -> int | None:
    return table.cost_nanousd(provider, model, Usage(**(usage or {"input": MILLION})))


def test_the_built_in_prices_are_read_whole() -> None:
    prices = read_prices(BUILT_IN)
    assert len(prices) > 70
    assert all(date(2025, 1, 1) < price.as_of < date(2100, 1, 1) for price in prices)
    names = [(price.provider, model) for price in prices for model in price.models]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("gpt-4o", 2.5),
        ("gpt-4o-2024-11-20", 2.5),
        ("gpt-4o-2024-05-13", 5.0),
        ("gpt-4o-mini-2024-07-18", 0.15),
        ("gpt-4.1-nano", 0.1),
        ("openai/gpt-oss-120b", 0.15),
        ("claude-sonnet-4-5-20250929", 3.0),
        ("claude-opus-4-20250514", 15.0),
        ("claude-opus-4-8", 5.0),
        ("meta-llama/Llama-3.3-70B-Instruct", 0.59),
        ("text-embedding-3-small", 0.02),
    ],
)
def test_known_models_have_their_price(model: str, usd: float) -> None:
    assert PriceTable.load().cost_nanousd("openai", model, Usage(input=1000)) == round(usd * USD / 1000)


@pytest.mark.parametrize("model", ["gpt-4o-audio-preview", "gpt-99", "", "*", "claude-opus-4-9"])
def test_an_unknown_model_has_no_price(model: str) -> None:
    assert cost(PriceTable.load(), model) is None


def test_the_scripted_provider_is_free() -> None:
    assert cost(PriceTable.load(), "whatever", "echo") == 0


def test_each_kind_of_token_has_its_rate(tmp_path: Path) -> None:
    file = price_file(
        tmp_path,
        """
        [[prices]]
        models = ["m"]
        input = 1.0
        cached_input = 0.1
        cache_write = 1.25
        output = 5
        as_of = 2026-01-01
        """,
    )
    table = PriceTable.load(file)
    usage = Usage(input=1000, cached=300, cache_write=200, output=40, reasoning=30)
    # 500 plain, 300 cached, 200 written to the cache; reasoning is part of the output.
    assert table.cost_nanousd("openai", "m", usage) == 500 * 1000 + 300 * 100 + 200 * 1250 + 40 * 5000
    assert table.cost_nanousd("openai", "m", Usage()) == 0


def test_cache_rates_default_to_the_rate_of_input(tmp_path: Path) -> None:
    table = PriceTable.load(price_file(tmp_path, entry('["m"]', 2.0)))
    assert cost(table, "m", input=100, cached=50, cache_write=50) == 100 * 2000


def test_more_cached_than_input_is_never_a_refund(tmp_path: Path) -> None:
    table = PriceTable.load(price_file(tmp_path, entry('["m"]', 2.0, "cached_input = 0.0")))
    assert cost(table, "m", input=10, cached=50) == 0


def test_fractions_of_a_nanodollar_are_rounded_at_the_end(tmp_path: Path) -> None:
    table = PriceTable.load(price_file(tmp_path, entry('["m"]', 0.0004)))
    assert cost(table, "m", input=1) == 0
    assert cost(table, "m", input=1000) == 400


def test_long_requests_have_rates_of_their_own(tmp_path: Path) -> None:
    long = "long = { above = 1000, input = 2.0, output = 0.0 }"
    table = PriceTable.load(price_file(tmp_path, entry('["m"]', 1.0, long)))
    assert cost(table, "m", input=1000) == 1000 * 1000
    assert cost(table, "m", input=1001) == 1001 * 2000


def test_the_closest_price_wins(tmp_path: Path) -> None:
    text = (
        entry('["m*"]', 1.0)
        + entry('["m-large*"]', 2.0)
        + entry('["m-large*"]', 3.0, 'provider = "special"')
        + entry('["m-large-1"]', 4.0)
        + entry('["m-large-1"]', 5.0, 'provider = "special"')
    )
    table = PriceTable.load(price_file(tmp_path, text))
    assert [cost(table, "m-small"), cost(table, "m-large-2"), cost(table, "m-large-2", "special")] == [
        USD,
        2 * USD,
        3 * USD,
    ]
    assert [cost(table, "M-Large-1"), cost(table, "host/m-large-1", "special")] == [4 * USD, 5 * USD]


def test_later_files_win_over_earlier_ones_and_all_over_the_built_in(tmp_path: Path) -> None:
    one = price_file(tmp_path, entry('["gpt-4o*", "mine"]', 1.0), "one.toml")
    two = price_file(tmp_path, entry('["mine"]', 7.0), "two.toml")
    table = PriceTable.load(one, two)
    assert [cost(table, "gpt-4o"), cost(table, "mine"), cost(table, "o3")] == [USD, 7 * USD, 2 * USD]


def test_looking_up_any_number_of_names_takes_bounded_memory() -> None:
    table = PriceTable.load()
    for number in range(5000):
        cost(table, f"model-{number}")
    assert len(table._tariffs) <= 4096


@pytest.mark.parametrize(
    ("text", "line", "field", "told"),
    [
        ("prices = [\n", None, None, "is not TOML"),
        ("[[price]]\n", 1, "price", "unknown key"),
        ("prices = 5\n", 1, None, "expected"),
        ("prices = [5]\n", 1, "prices[0]", "Expected `object`"),
        ("[[prices]]\nmodels = ['m']\ninput = 1.0\n", 1, "prices[0]", "as_of"),
        (entry("['m']", 1.0) + "[[prices]]\nmodels = 'm'\n", 8, "prices[1].models", "Expected `array`"),
        (entry("['m']", 1.0) + entry("['m', 5]", 1.0), 8, "prices[1].models", "Expected `str`"),
        (entry("[]", 1.0), 2, "prices[0].models", "at least one model"),
        (entry("['m']", -1.0), 3, "prices[0].input", "expected USD"),
        (entry("['m']", "nan"), 3, "prices[0].input", "expected USD"),
        (entry("['m']", "'1'"), 3, "prices[0].input", "Expected `float`"),
        (entry("['m']", 1.0, "cached = 1.0"), 6, "prices[0].cached", "unknown field `cached`"),
        (entry("['m']", 1.0, "long = { above = 1, input = 'x' }"), 6, "prices[0].long.input", "Expected"),
        (entry("['m']", 1.0, "long = { above = 1, input = -2 }"), 6, "prices[0].long.input", "USD"),
        (entry("['m']", 1.0, "long = { input = 1, size = 2 }"), 6, "prices[0].long.size", "unknown field"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_field(
    tmp_path: Path, text: str, line: int | None, field: str | None, told: str
) -> None:
    file = price_file(tmp_path, text)
    with pytest.raises(ConfigError, match=told) as refused:
        PriceTable.load(file)
    assert (refused.value.file, refused.value.line, refused.value.field) == (str(file), line, field)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        PriceTable.load(tmp_path / "none.toml")

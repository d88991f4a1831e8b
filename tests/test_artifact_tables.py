"""Rows become the codes and scales of training, whatever type a value arrives in."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.artifact.tables import category, encode, is_missing, number
from drivetrain.errors import DataError

SETTINGS: dict[str, Any] = {
    "kind": "table",
    "categories": {"region": [None, "north", "south"], "floor": [None, "1", "2"], "age_na": [None, "false", "true"]},
    "continuous": {"age": {"mean": 40.0, "std": 8.0, "fill": 44.0}},
    "missing": {"age_na": "age"},
}


@pytest.mark.parametrize("value", ["3", 3, 3.0, np.int64(3), np.float32(3), np.uint8(3)])
def test_a_category_is_the_same_from_csv_parquet_and_json(value: Any) -> None:
    assert category(value) == "3"


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (np.bool_(False), "false"), (2.5, "2.5"), ("", ""), ("Über", "Über")]
)
def test_other_categories(value: Any, text: str) -> None:
    assert category(value) == text


@pytest.mark.parametrize("value", [None, math.nan, np.nan, np.float32("nan"), pd.NA, pd.NaT, Decimal("nan")])
def test_every_kind_of_nothing_is_missing(value: Any) -> None:
    assert is_missing(value)
    assert category(value) is None
    assert math.isnan(number(value, "here"))


@given(st.integers(min_value=-(2**53), max_value=2**53))
def test_whole_numbers_have_one_spelling(value: int) -> None:
    assert category(value) == category(float(value)) == category(str(value)) == str(value)


def test_codes_and_scales() -> None:
    codes, numbers = encode(
        {"region": ["south", "west", None], "floor": [2, "1", 7.0], "age": [48, None, 32]}, SETTINGS
    )
    assert codes.tolist() == [[2, 2, 1], [0, 1, 2], [0, 0, 1]]
    np.testing.assert_allclose(numbers, [[1.0], [0.5], [-1.0]])


@given(st.permutations(range(4)))
def test_each_row_is_encoded_for_itself(order: list[int]) -> None:
    cases = {"region": ["south", "north", None, "?"], "floor": [1, 2, 3, None], "age": [1, None, 3, 4]}
    codes, numbers = encode(cases, SETTINGS)
    moved = {name: [values[row] for row in order] for name, values in cases.items()}
    again, scaled = encode(moved, SETTINGS)
    np.testing.assert_array_equal(again, codes[order])
    np.testing.assert_array_equal(scaled, numbers[order])


@pytest.mark.parametrize("value", ["old", "", math.inf, "1e999", [1], {}, b"1x"])
def test_what_is_no_number_is_named_with_its_case(value: Any) -> None:
    with pytest.raises(DataError, match="case 1: age"):
        encode({"region": ["south", "south"], "floor": [1, 1], "age": [3, value]}, SETTINGS)


def test_an_absent_input_is_named() -> None:
    with pytest.raises(DataError, match="`floor` is missing"):
        encode({"region": ["south"], "age": [3]}, SETTINGS)

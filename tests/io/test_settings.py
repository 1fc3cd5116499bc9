"""Small settings files: what is read, and what is said of a file that is not one."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.errors import InputError
from composer.io.settings import is_number, read_settings, read_with_keys


def test_plain_values(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\nb: [x, 2.5]\n", encoding="utf-8")
    assert read_settings(file) == {"a": 1, "b": ["x", 2.5]}
    assert read_with_keys(file, ("b", "a"), "not mine") == {"a": 1, "b": ["x", 2.5]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not YAML"),
        (b"a: \xff\n", "not YAML"),
        (b"a: 1\n", "not mine: expected a, b, got a"),
        (b"a: 1\nb: 2\nc: 3\n", "not mine: expected a, b, got a, b, c"),
        (b"[a, b]", "not mine: expected a, b, got list"),
        (b"", "not mine: expected a, b, got NoneType"),
    ],
)
def test_what_is_said(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(data)
    with pytest.raises(InputError, match=said) as told:
        read_with_keys(file, ("a", "b"), "not mine")
    assert str(file) in str(told.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_settings(tmp_path / "none.yaml")


def test_a_number() -> None:
    assert is_number(1, 1, 2) and is_number(2.0, 1, 2) and is_number(2, 1, 2, whole=True)
    for value in (0.99, 2.01, float("nan"), True, "1", None):
        assert not is_number(value, 1, 2)
    assert not is_number(1.0, 1, 2, whole=True)

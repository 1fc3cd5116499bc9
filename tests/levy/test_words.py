"""Words: one token each, and nothing that a scene says is unknown or cut off."""

from __future__ import annotations

import itertools

from models.levy.recipe.scenes import PLURAL, WEARS, _Told
from models.levy.recipe.words import LENGTH, WORDS, tokenizer


def test_each_word_is_one_token() -> None:
    known = tokenizer()
    for word in WORDS:
        ids = known(word)["input_ids"]
        assert len(ids) == 3, word
        assert known.decode(ids[1:2]).strip() == word
    assert len({known(word)["input_ids"][1] for word in WORDS}) == len(WORDS)


def test_other_words_are_spelt() -> None:
    assert len(tokenizer()("elephant")["input_ids"]) > 3


def test_all_that_scenes_say_is_known_and_fits() -> None:
    known = tokenizer()
    weathers = ("overcast", "low sun, dust", "high sun, smoke")
    for side, kit, wear, weather in itertools.product(("red", "blue", "levy"), PLURAL, WEARS, weathers):
        text = _Told(side, "red", kit, wear, "standing").words(weather)
        assert not set(text.replace(",", "").split()) - set(WORDS), text
        assert len(known(text)["input_ids"]) <= LENGTH, text

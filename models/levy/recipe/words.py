"""The few words that Levy knows, and a tokenizer that has a token for each."""

from __future__ import annotations

from pathlib import Path

#: Everything that `scenes` says of a scene.
WORDS = (
    "red", "blue", "army", "plain", "levy", "spearmen", "swordsmen", "heavy", "infantry", "peasants", "archers",
    "officers", "bannermen", "slingers", "lancers", "horsemen", "soldiers", "clean", "worn", "muddy", "bloody", "dusty",
    "and", "torn", "overcast", "low", "high", "sun",
    "dust", "smoke",
)  # fmt: skip
LENGTH = 16
_MARKS = ("<|startoftext|>", "<|endoftext|>")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,-'"


def tokenizer():  # type: ignore[no-untyped-def]
    """A CLIPTokenizer: WORDS in one piece each, whatever else letter by letter."""
    from transformers import CLIPTokenizer

    merges = merges_of(WORDS)
    pieces = [*_MARKS, *_LETTERS, *(f"{c}</w>" for c in _LETTERS), *("".join(m) for m in merges)]
    vocabulary = {piece: k for k, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def merges_of(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Byte-pair merges that join each word from its end, in an order under which none breaks another: a merge's right side
    always ends a word, so it can only meet itself."""
    merges: dict[tuple[str, str], None] = {}
    for word in sorted(words, key=len):
        tail = word[-1] + "</w>"
        for letter in reversed(word[:-1]):
            merges.setdefault((letter, tail))
            tail = letter + tail
    return list(merges)


def save_tokenizer(folder: Path) -> None:
    tokenizer().save_pretrained(folder)

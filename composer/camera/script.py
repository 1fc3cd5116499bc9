"""Nuke scripts as text: nodes, their knobs, and who is plugged into whom. No expression is ever evaluated.

Source: Foundry's NDK guide, "Curve serialisation format", and the script format as Nuke writes it (TCL words, a stack
of nodes that `inputs N` takes from and every node pushes itself on).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from composer.errors import InputError, Where

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")
_BRACE = re.compile(r"[{}\\]")
_QUOTE = re.compile(r'["\\]')
_WORD_END = re.compile(r"[\s;{]")
_MAX_DEPTH = 64


@dataclass(frozen=True)
class Word:
    """A TCL word: its text without the outer braces or quotes, how it was written, and the line where it starts."""

    text: str
    braced: bool
    quoted: bool
    line: int


@dataclass(frozen=True)
class Key:
    """A key of an animation curve. kind: K constant, L linear, S smooth, R Catmull-Rom, C cubic."""

    frame: float
    value: float
    kind: str = "S"
    shaped: bool = False


@dataclass(frozen=True)
class NukeCurve:
    keys: tuple[Key, ...]

    @property
    def first(self) -> float:
        return self.keys[0].frame

    @property
    def last(self) -> float:
        return self.keys[-1].frame


@dataclass
class Node:
    """A node as written. inputs: what is plugged in, None for nothing or something outside the file."""

    kind: str
    knobs: dict[str, Word] = field(default_factory=dict)
    line: int = 0
    inputs: list[Node | None] = field(default_factory=list)
    group: str = ""

    @property
    def name(self) -> str:
        word = self.knobs.get("name")
        return (self.group + "." if self.group else "") + (word.text if word else self.kind)


class NukeScript:
    """The nodes of a script, in its order."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.nodes: list[Node] = []
        self._build(text)

    def _fail(self, what: str, line: int, **more: str) -> InputError:
        return InputError(what, where=Where(file=self.path, line=line), **more)

    def _build(self, text: str) -> None:
        stacks: list[list[Node | None]] = [[]]
        groups: list[Node] = []
        names: dict[str, Node | None] = {}
        for words in self._commands(text, 1):
            head, line = words[0].text, words[0].line
            stack = stacks[-1]
            if head == "set" and len(words) >= 3:
                names[words[1].text] = stack[-1] if stack else None
            elif head == "push":
                stack.append(names.get(words[1].text.removeprefix("$")) if len(words) > 1 else None)
            elif head == "end_group" and groups:
                stacks.pop()
                stacks[-1].append(groups.pop())
            elif words[-1].braced and re.fullmatch(r"[A-Za-z_][\w.]*", head) and not head.islower():
                node = self._node(head, words[-1], line, stack)
                node.group = ".".join(g.knobs["name"].text if "name" in g.knobs else g.kind for g in groups)
                self.nodes.append(node)
                if head in ("Group", "LiveGroup"):
                    groups.append(node)
                    stacks.append([])
                else:
                    stack.append(node)

    def _node(self, kind: str, body: Word, line: int, stack: list[Node | None]) -> Node:
        node = Node(kind, line=line)
        for words in self._commands(body.text, body.line):
            if len(words) >= 2:
                node.knobs[words[0].text] = words[1]
        wanted = node.knobs.get("inputs")
        parts = re.findall(r"\d+", wanted.text) if wanted else ["1"]
        count = min(sum(int(p) for p in parts if len(p) < 4), 1000)
        taken = [stack.pop() if stack else None for _ in range(count)]
        node.inputs = taken  # input 0 is the top of the stack
        return node

    def _commands(self, text: str, line: int) -> Iterator[list[Word]]:
        """TCL commands: words up to the end of a line or a semicolon."""
        i, end = 0, len(text)
        words: list[Word] = []
        while i < end:
            c = text[i]
            if c == "\n" or c == ";":
                if words:
                    yield words
                    words = []
                line += c == "\n"
                i += 1
            elif c.isspace():
                i += 1
            elif c == "\\" and text[i + 1 : i + 2] == "\n":
                line += 1
                i += 2
            elif c == "#" and not words:
                stop = text.find("\n", i)
                i = end if stop < 0 else stop
            else:
                word, stop = self._word(text, i, line)
                words.append(word)
                line += text.count("\n", i, stop)
                i = stop
        if words:
            yield words

    def _word(self, text: str, i: int, line: int) -> tuple[Word, int]:
        if text[i] == "{":
            stop = self._close(text, i, line)
            return Word(text[i + 1 : stop], True, False, line), stop + 1
        if text[i] == '"':
            j = i + 1
            while True:
                found = _QUOTE.search(text, j)
                if not found:
                    raise self._fail("a quote is never closed: the file is cut or damaged", line)
                if found[0] == '"':
                    return Word(text[i + 1 : found.start()], False, True, line), found.end()
                j = found.end() + 1
        found = _WORD_END.search(text, i + 1)
        stop = found.start() if found else len(text)
        return Word(text[i:stop], False, False, line), stop

    def _close(self, text: str, i: int, line: int) -> int:
        depth, j = 0, i
        while True:
            found = _BRACE.search(text, j)
            if not found:
                raise self._fail("a brace is never closed: the file is cut or damaged", line)
            j = found.end()
            if found[0] == "\\":
                j += 1
            elif found[0] == "{":
                depth += 1
            else:
                depth -= 1
                if depth == 0:
                    return found.start()

    # Knobs

    def text(self, node: Node, knob: str, default: str) -> str:
        word = node.knobs.get(knob)
        return default if word is None else word.text.strip()

    def values(self, node: Node, knob: str, default: tuple[float, ...]) -> tuple[float | NukeCurve, ...]:
        """A numeric knob: one number or curve for each of its fields. An expression is refused by name."""
        word = node.knobs.get(knob)
        if word is None:
            return default
        items = [w for words in self._commands(word.text, word.line) for w in words] if word.braced else [word]
        if not word.braced and not word.quoted:
            items = [word]
        out = tuple(self._value(node, knob, item) for item in items)
        if len(out) == 1 and len(default) > 1:
            out = out * len(default)
        if len(out) < len(default):
            raise self._fail(
                f"{node.name}.{knob} has too few values", word.line, expected=str(len(default)), got=str(len(out))
            )
        return out[: len(default)]

    def _value(self, node: Node, knob: str, item: Word) -> float | NukeCurve:
        if not item.braced and not item.quoted and _NUMBER.match(item.text):
            return float(item.text)
        tokens = item.text.split() if not item.quoted else []
        if tokens and _NUMBER.match(tokens[0]) and len(tokens) == 1:
            return float(tokens[0])
        if tokens and (tokens[0] == "curve" or re.fullmatch(r"[iI]|x[-+.\d]\S*", tokens[0])):
            return self._curve(node, knob, tokens[tokens[0] == "curve" :], item.line)
        if item.text.strip().lower() in ("nan", "inf", "-nan", "-inf"):
            raise self._fail(f"{node.name}.{knob} is not a finite number", item.line, got=item.text.strip())
        raise self._fail(
            f"{node.name}.{knob} is an expression, which Muster does not evaluate",
            item.line,
            got=" ".join(item.text.split())[:60],
            hint="bake the camera in Nuke (Edit > Bake expression, or export it) and save again",
        )

    def _curve(self, node: Node, knob: str, tokens: list[str], line: int) -> NukeCurve:
        keys: list[Key] = []
        kind, x, step = "S", 0.0, 1.0
        fresh = False
        for token in tokens:
            letter, rest = token[0], token[1:]
            if token in ("i", "I", "k"):
                continue
            if token in ("K", "L", "S", "R", "C"):
                kind = token
            elif token == "l":
                raise self._fail(
                    f"{node.name}.{knob} goes on beyond its last key", line, hint="bake the camera in Nuke"
                )
            elif letter == "x" and _NUMBER.match(rest):
                step = float(rest) - x if keys else 1.0
                x, fresh = float(rest), True
            elif letter in "stuv" and _NUMBER.match(rest) and keys:
                keys[-1] = Key(keys[-1].frame, keys[-1].value, keys[-1].kind, True)
            elif _NUMBER.match(token):
                if not fresh and keys:
                    x += step
                if keys and x <= keys[-1].frame:
                    raise self._fail(f"the keys of {node.name}.{knob} do not go forward", line, got=f"frame {x:g}")
                keys.append(Key(x, float(token), kind))
                fresh = False
            else:
                raise self._fail(f"the curve of {node.name}.{knob} is damaged", line, got=token[:40])
        if not keys:
            raise self._fail(f"the curve of {node.name}.{knob} has no keys", line)
        return NukeCurve(tuple(keys))

    def sample(self, node: Node, knob: str, value: float | NukeCurve, frames: list[int]) -> list[float]:
        """A knob's value at whole frames. Keys between which Nuke would draw its own smooth curve are refused."""
        if not isinstance(value, NukeCurve):
            return [value] * len(frames)
        keys = value.keys
        flat = all(k.value == keys[0].value and not k.shaped for k in keys)
        if flat:
            return [keys[0].value] * len(frames)
        exact = {k.frame: k.value for k in keys}
        out, j = [], 0
        for frame in frames:
            if frame in exact:
                out.append(exact[frame])
                continue
            while j + 1 < len(keys) and keys[j + 1].frame <= frame:
                j += 1
            if frame < keys[0].frame:
                out.append(keys[0].value)
            elif frame > keys[-1].frame:
                out.append(keys[-1].value)
            else:
                out.append(self._between(node, knob, keys[j], keys[j + 1], frame))
        return out

    def _between(self, node: Node, knob: str, a: Key, b: Key, frame: int) -> float:
        if a.kind == "K":
            return a.value
        if a.kind == "L":
            return a.value + (b.value - a.value) * (frame - a.frame) / (b.frame - a.frame)
        raise InputError(
            f"{node.name}.{knob} has no key here, and its neighbours are joined by a smooth curve",
            where=Where(file=self.path, line=node.knobs[knob].line, frame=frame),
            hint="bake the camera to a key on every frame",
        )

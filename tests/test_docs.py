"""What the documents tell people to type exists: each verb, each action, each option, and whole commands can be parsed."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.cli.main import VERBS, build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    p.relative_to(ROOT).as_posix()
    for pattern in ("README.md", "docs/*.md", "models/**/*.md", "scenes/**/*.md")
    for p in ROOT.glob(pattern)
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
COMMAND = re.compile(r"^(?:\S*/)?muster\s+(.*)")
#: Options that pages name of other programs: `--work` is of the recipe behind `make levy`.
OTHERS = {"--work"}


def parsers() -> dict[tuple[str, ...], argparse.ArgumentParser]:
    """Of each verb, and of each action of a verb that has some."""
    found: dict[tuple[str, ...], argparse.ArgumentParser] = {}

    def walk(parser: argparse.ArgumentParser, path: tuple[str, ...]) -> None:
        found[path] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, child in action.choices.items():
                    walk(child, (*path, name))

    walk(build_parser(), ())
    return found


PARSERS = parsers()


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {o for action in parser._actions for o in action.option_strings}


def blocks(text: str) -> Iterator[str]:
    """Lines of shell, those that go on with a backslash made one."""
    for kind, body in FENCE.findall(text):
        if kind in ("", "sh", "bash", "console", "text"):
            yield from re.sub(r"\\\n\s*", " ", body).splitlines()


def spans(text: str) -> Iterator[str]:
    yield from (" ".join(s.split()) for s in SPAN.findall(FENCE.sub("", text)))


def split(line: str) -> tuple[tuple[str, ...], str, str] | None:
    """Whose parser it is, the arguments after `muster`, and the remark behind #; None where it is no command of Muster's."""
    match = COMMAND.match(line.strip().removeprefix("$ "))
    if match is None:
        return None
    said, _, remark = match[1].partition(" #")
    words = said.split()
    path = (words[0],)
    if len(words) > 1 and (words[0], words[1]) in PARSERS:
        path = (words[0], words[1])
    return path, said, remark


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    wrong = []
    for line in (*blocks(text), *spans(text)):
        if (told := split(line)) is None:
            continue
        path, said, remark = told
        if path[0] in ("VERB", "--help", "--version"):
            continue
        if path not in PARSERS:
            wrong.append(f"no such verb: {line}")
            continue
        own = options_of(PARSERS[path]) | options_of(PARSERS[path[:1]])
        for option in OPTION.findall(f"{said} {remark}"):
            if option not in own:
                wrong.append(f"muster {' '.join(path)} has no {option}: {line}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_whole_commands_can_be_parsed(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for line in blocks((ROOT / page).read_text(encoding="utf-8")):
        if (told := split(line)) is None:
            continue
        try:
            PARSERS[()].parse_args(shlex.split(told[1]))
        except SystemExit:
            wrong.append(f"{line}: {capsys.readouterr().err.splitlines()[-1]}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_an_option_named_by_itself_belongs_to_some_verb(page: str) -> None:
    known = {o for parser in PARSERS.values() for o in options_of(parser)} | OTHERS
    text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    alone = [s for s in spans(text) if s.startswith("--")]
    assert [s for s in alone for o in OPTION.findall(s) if o not in known] == []


def test_the_readme_names_every_verb() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {told[0][0] for line in (*blocks(text), *spans(text)) if (told := split(line))}
    assert set(VERBS) - named == set()


def test_the_checks_can_fail() -> None:
    assert split("muster rendr shot.yaml --frames 3") == (("rendr",), "rendr shot.yaml --frames 3", "")
    assert split(".venv/bin/muster models add DIR  # --copy") == (("models", "add"), "models add DIR ", " --copy")
    assert ("rendr",) not in PARSERS and "--frame" not in options_of(PARSERS[("render",)])
    assert "--frame" in options_of(PARSERS[("paint", "out")]) and split("make demo") is None

"""JPEG: segments up to the end mark, and the EXIF, ICC and XMP blocks that ride along."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from xml.parsers import expat

from composer.errors import InputError, Where
from composer.io.check_tiff import read_directory
from composer.io.limits import check_size, damaged

_FRAMES = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))
_SCAN_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_EXIF, _ICC, _XMP = b"Exif\0\0", b"ICC_PROFILE\0", b"http://ns.adobe.com/xap/1.0/\0"
_SUB_DIRECTORIES = (34665, 34853, 40965)
_MAX_XML_DEPTH = 64


def check_jpeg(data: memoryview, path: Path) -> None:
    """Raises InputError unless all segments are whole, up to the end mark, and metadata is sound."""
    at, seen_frame, seen_scan = 2, False, False
    profile: dict[int, bytes] = {}
    pieces = 0
    while True:
        if at + 2 > len(data) or data[at] != 0xFF:
            raise damaged(
                path, "cut off" if at + 2 > len(data) else "no marker where one belongs", expected="an end mark"
            )
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            raise damaged(path, "marker out of place", got=hex(marker))
        if at + 4 > len(data):
            raise damaged(path, "cut off inside a segment")
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            raise damaged(path, "segment runs past the end", got=f"{length} bytes at {at} of {len(data)}")
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker in _FRAMES:
            if seen_frame:
                raise damaged(path, "two frame headers")
            _check_frame(body, path)
            seen_frame = True
        elif marker == 0xE1 and bytes(body[:6]) == _EXIF:
            check_exif(body[6:], path)
        elif marker == 0xE1 and bytes(body[: len(_XMP)]) == _XMP:
            check_xmp(bytes(body[len(_XMP) :]), path)
        elif marker == 0xE2 and bytes(body[:12]) == _ICC and len(body) > 14:
            number, pieces = body[12], body[13]
            if number in profile:
                raise damaged(path, "ICC profile with a piece twice")
            profile[number] = bytes(body[14:])
        elif marker == 0xDA:
            seen_scan = True
            found = _SCAN_END.search(data, at)
            if not found:
                raise damaged(path, "cut off", expected="an end mark")
            at = found.end() - 2
    if not (seen_frame and seen_scan):
        raise damaged(path, "no picture inside")
    if profile:
        if sorted(profile) != list(range(1, pieces + 1)):
            raise damaged(path, "ICC profile with missing pieces", expected=str(pieces), got=str(sorted(profile)))
        check_icc(b"".join(profile[k] for k in sorted(profile)), path)


def _check_frame(body: memoryview, path: Path) -> None:
    if len(body) < 6:
        raise damaged(path, "frame header")
    depth, height, width, components = struct.unpack_from(">BHHB", body)
    if len(body) != 6 + 3 * components or depth not in (8, 12):
        raise damaged(path, "frame header", got=f"{components} components of {depth} bits")
    check_size(path, width, height)
    if components not in (1, 3):
        raise InputError(
            "JPEG colour that Muster does not read",
            where=Where(file=path),
            expected="grey or RGB",
            got=f"{components} components",
        )


def check_exif(block: memoryview, path: Path) -> None:
    """All directories of an EXIF block, with their values, lie inside it."""
    if len(block) < 14 or bytes(block[:4]) not in (b"II*\0", b"MM\0*"):
        raise damaged(path, "EXIF block without a header")
    order = "<" if block[:1] == b"I" else ">"
    waiting, done = [struct.unpack_from(order + "I", block, 4)[0]], set[int]()
    try:
        while waiting:
            at = waiting.pop()
            if at in done:
                raise damaged(path, "directories go in a circle")
            done.add(at)
            directory = read_directory(block, at, order, False, path)
            for tag in _SUB_DIRECTORIES:
                waiting.extend(directory.values(tag))
            if directory.next:
                waiting.append(directory.next)
    except InputError as error:
        raise InputError(f"{error.what} (in EXIF)", where=error.where, expected=error.expected, got=error.got) from None


def check_icc(profile: bytes, path: Path) -> None:
    """The profile is as long as it says and its tags lie inside it (ICC.1:2022, 7.2 and 7.3)."""
    if len(profile) < 132 or profile[36:40] != b"acsp":
        raise damaged(path, "ICC profile without a header")
    size, count = struct.unpack_from(">I", profile)[0], struct.unpack_from(">I", profile, 128)[0]
    if size != len(profile):
        raise damaged(path, "length of ICC profile", expected=str(size), got=str(len(profile)))
    if 132 + 12 * count > size:
        raise damaged(path, "ICC profile with too many tags", got=str(count))
    for k in range(count):
        _, offset, length = struct.unpack_from(">4sII", profile, 132 + 12 * k)
        if offset < 128 or offset + length > size:
            raise damaged(path, "ICC tag outside its profile", got=f"{length} bytes at {offset} of {size}")


def check_xmp(text: bytes, path: Path) -> None:
    """XML of sane depth, without document types (entities could grow without end)."""
    depth = deepest = 0

    def start(_name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        if depth > _MAX_XML_DEPTH:
            raise damaged(path, "XMP nested too deeply", expected=f"at most {_MAX_XML_DEPTH} levels")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_arguments: object) -> None:
        raise damaged(path, "XMP with a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    try:
        parser.Parse(text.rstrip(b"\0"), True)
    except expat.ExpatError as error:
        raise damaged(path, "XMP is not XML", got=str(error)) from None

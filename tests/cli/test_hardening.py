# SPDX-License-Identifier: Apache-2.0
"""What the build is hardened with is in the binaries, and what the code promises about itself is in the code."""

import json
import pathlib
import platform
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.[ch]"))


def code_of(path):
    """A source without its comments and strings, which may name anything."""
    return re.sub(r"/\*.*?\*/|\"(\\.|[^\"\\\n])*\"", '""', path.read_text(encoding="utf-8"), flags=re.DOTALL)


# ---- the binaries


@pytest.fixture
def readelf(program_command):
    if not shutil.which("readelf"):
        pytest.skip("readelf is not installed")
    program = pathlib.Path(program_command[-1])

    def read(*options, path=program):
        return subprocess.run(["readelf", "-W", *options, path], check=True, capture_output=True, text=True).stdout

    read.program = program
    read.library = next(iter(sorted(program.parent.glob("libwhimbrel.so*"))), None)
    # The sanitizers come with a stack and a libc of their own, and an unoptimised build has nothing to fortify.
    options = json.loads((program.parent / "meson-info" / "intro-buildoptions.json").read_text(encoding="utf-8"))
    options = {option["name"]: option["value"] for option in options}
    read.is_plain = options["b_sanitize"] == "none" and options["optimization"] not in ("0", "g")
    return read


def binaries(readelf):
    return [path for path in (readelf.program, readelf.library) if path]


def test_no_part_of_memory_can_be_written_and_run(readelf):
    for path in binaries(readelf):
        segments = readelf("-l", path=path)
        assert re.search(r"GNU_STACK\s+(\S+\s+){5}RW\s", segments), path
        assert not re.search(r"\bRWE\b", segments), path


def test_tables_of_the_linker_are_read_only_before_the_program_begins(readelf):
    for path in binaries(readelf):
        assert "GNU_RELRO" in readelf("-l", path=path)
        assert re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", readelf("-d", path=path)), path


def test_the_program_can_lie_at_any_address(readelf):
    assert re.search(r"Type:\s+DYN", readelf("-h"))
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf("-d"))


def test_no_library_is_searched_for_where_the_build_was(readelf):
    for path in binaries(readelf):
        assert not re.search(r"\((RPATH|RUNPATH)\)", readelf("-d", path=path)), path


def test_stack_and_copies_are_guarded(readelf):
    if not readelf.is_plain:
        pytest.skip("a build with sanitizers")
    for path in binaries(readelf):
        symbols = readelf("--dyn-syms", path=path)
        assert "__stack_chk_fail" in symbols, path
        assert re.search(r"__(memcpy|vsnprintf|snprintf|read)_chk", symbols), path


def test_jumps_land_only_where_they_may(readelf):
    if not readelf.is_plain or platform.machine() != "x86_64":
        pytest.skip("only looked at on x86-64")
    # ENDBR64 at the head of every function that is called through a pointer: the drivers alone have dozens.
    assert readelf.program.read_bytes().count(b"\xf3\x0f\x1e\xfa") > 100


# ---- the code

STARTERS = {"cli/process.c", "run/hooks.c"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_there_is_no_shell_anywhere(path):
    assert not re.search(r"(?<![\w.>])(system|popen|wordexp)\s*\(", code_of(path))
    # Nor one that is started as a program.
    if str(path.relative_to(ROOT / "src")) in STARTERS:
        assert not re.search(r"\b(ba|da|z|k)?sh\\?\"", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_programs_are_started_in_two_places(path):
    if str(path.relative_to(ROOT / "src")) in STARTERS:
        return
    assert not re.search(r"(?<![\w.>])(v?fork|exec[lv]\w*|posix_spawnp?)\s*\(", code_of(path))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_what_is_opened_is_not_passed_on(path):
    """Every descriptor that we make is closed when another program takes our place."""
    code = code_of(path)
    for call in re.finditer(r"(?<![\w.>])(open|openat|pipe2|accept4|socket|eventfd)\s*\(([^;]*)\)", code):
        if path.name == "app.c" and "/dev/null" in path.read_text(encoding="utf-8"):
            continue  # stands in for a standard stream, which is passed on
        assert "CLOEXEC" in call.group(2), call.group(0)
    assert not re.search(r"(?<![\w.>])(pipe|creat|dup|tmpfile|tmpnam|mktemp|tempnam)\s*\(", code)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_names_and_values_are_quoted_in_one_place(path):
    """No format puts a text between quotes of SQL: sql/quote.c does."""
    if not str(path.relative_to(ROOT / "src")).startswith(("db/", "convention/", "run/", "plan/")):
        return
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    words = r"SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|WHERE|VALUES|SET |KILL|PRAGMA|RELEASE|SAVEPOINT|COMMENT ON"
    for literal in re.finditer(r'(?:"(?:\\.|[^"\\\n])*"\s*)+', text):
        sql = literal.group(0)
        if re.search(words, sql):
            assert not re.search(r"'%(\.\*)?s|`%(\.\*)?s|\\\"%(\.\*)?s", sql), sql

# SPDX-License-Identifier: Apache-2.0
"""Every code that an error can carry has its page."""

import pathlib
import re

import pytest

SRC = pathlib.Path(__file__).resolve().parents[2] / "src"
# The functions through which a code gets into an error or a problem, and which argument it is.
FUNCTIONS = {"error_code": 1, "planner_problem": 3, "problem_add": 3, "fail": 2, "fail_client": 2, "refuse": 4}
CALLS = re.compile(r"\b(" + "|".join(FUNCTIONS) + r")\s*\(")
CODE = re.compile(r'"([a-z]+(?:-[a-z0-9]+)*)"')


def argument_text(text, start):
    """What stands between the parenthesis at start and its partner."""
    depth, at, in_string = 0, start, False
    while at < len(text):
        c = text[at]
        if in_string:
            if c == "\\":
                at += 1
            elif c == '"':
                in_string = False
        elif c == '"':
            in_string = True
        elif c == "(":
            depth += 1
        elif c == ")":
            depth -= 1
            if depth == 0:
                return text[start + 1 : at]
        at += 1
    return ""


def arguments(text):
    """The top-level arguments of a call."""
    parts, depth, part, in_string, escaped = [], 0, "", False, False
    for c in text:
        if in_string:
            in_string = not (c == '"' and not escaped)
            escaped = c == "\\" and not escaped
        elif c == '"':
            in_string = True
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(part)
            part = ""
            continue
        part += c
    return [*parts, part]


def codes_in(text):
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    for call in CALLS.finditer(text):
        given = arguments(argument_text(text, call.end() - 1))
        place = FUNCTIONS[call.group(1)]
        for found in CODE.finditer(given[place] if place < len(given) else ""):
            yield found.group(1)
    for found in re.finditer(r'\.code\s*=\s*"([a-z0-9-]+)"', text):
        yield found.group(1)
    for found in re.finditer(r'\{\s*"[0-9A-Z]{5}",\s*\w+,\s*"([a-z-]+)"', text):
        yield found.group(1)


def used_codes():
    used = {}
    for path in sorted(SRC.rglob("*.c")):
        if path.name == "explanations.c":
            continue
        if path.name == "toml.c":  # its own fail() takes other things; all its errors are "toml" or of settings
            continue
        for code in codes_in(path.read_text(encoding="utf-8")):
            used.setdefault(code, path.name)
    return used


def test_codes_are_found_in_calls_of_every_form():
    assert set(codes_in('error_code(err, "one-code");')) == {"one-code"}
    assert set(codes_in('error_code(err, is_it ? "this" : "that-one");')) == {"this", "that-one"}
    assert set(codes_in('x = planner_problem(p, row, f(a, b) || c, "a-code",\n "a message, with %s", l);')) == {"a-code"}
    assert set(codes_in('{"28P01", ERROR_CONNECT, "wrong-password", NULL}')) == {"wrong-password"}


def test_every_code_in_the_sources_has_a_page(whimbrel):
    pages = {page["code"]: page for page in whimbrel.ok("explain", "--output", "json").json["codes"]}
    used = used_codes()
    assert len(used) > 60
    assert {code: file for code, file in used.items() if code not in pages} == {}


def test_every_page_is_of_a_code_in_the_sources(whimbrel):
    text = "".join(
        path.read_text(encoding="utf-8") for path in SRC.rglob("*.c") if path.name != "explanations.c"
    )
    pages = [page["code"] for page in whimbrel.ok("explain", "--output", "json").json["codes"]]
    if not (SRC / "db" / "postgres.c").exists():
        pytest.skip("some pages are of PostgreSQL's driver, which is not in this tree")
    assert [code for code in pages if f'"{code}"' not in text] == []


def test_pages_are_sorted_and_tell_something(whimbrel):
    pages = whimbrel.ok("explain", "--output", "json").json["codes"]
    codes = [page["code"] for page in pages]
    assert codes == sorted(codes)
    for page in pages:
        assert len(page["title"]) > 15 and len(page["text"]) > 40, page["code"]
        assert max(map(len, page["text"].splitlines())) <= 90, page["code"]


@pytest.mark.parametrize("code", ["checksum-changed", "locked", "statement-in-doubt"])
def test_a_page_is_printed(whimbrel, code):
    result = whimbrel.ok("explain", code)
    assert result.out.startswith(f"{code}: ")
    assert "whimbrel " in result.out


def test_a_mistyped_code_is_answered_with_the_nearest(whimbrel):
    result = whimbrel("explain", "checksum-change")
    assert result.code == 2
    assert "Did you mean 'checksum-changed'?" in result.err

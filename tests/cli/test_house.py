# SPDX-License-Identifier: Apache-2.0
"""The house is built as ARCHITECTURE.md says."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.[ch]"))
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]', re.MULTILINE)

# Headers of libraries that only some rooms may see; all others belong to libc.
LIBRARIES = {
    "nettle": r"nettle/",
    "libyaml": r"yaml\.h",
    "zlib": r"zlib\.h",
    "jansson": r"jansson\.h",
    "libpq": r"libpq|postgres|pg_config",
    "mysql": r"mysql|mariadb|errmsg\.h|ma_",
    "sqlite3": r"sqlite3",
}

# Within a room, the one file that sees its engine.
LONE_FILES = {"libpq": "db/postgres.c", "mysql": "db/mysql.c", "sqlite3": "db/sqlite.c"}


def table():
    """room -> (rooms whose door it may include, libraries it may include), in the order of the table."""
    rooms = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        name = re.fullmatch(r"`(\w+)`", cells[0])
        if line.startswith("|") and name and len(cells) == 4:
            libraries = [library.strip() for library in cells[3].split(",") if library.strip()]
            rooms[name.group(1)] = (re.findall(r"`(\w+)`", cells[2]), libraries)
    return rooms


def complaints(path, text, rooms):
    """What is wrong with the includes of a file, given its path below src/."""
    room = path.split("/")[0]
    allowed, libraries = rooms[room]
    for bracket, header in INCLUDE.findall(text):
        if bracket == '"':
            other = header.split("/")[0]
            if "/" not in header or other not in rooms and other != "whimbrel":
                yield f'{path} includes "{header}": write "room/header.h"'
            elif other == "whimbrel":
                if room not in ("api", "cli"):
                    yield f"{path} includes the public {header}: only api and cli may"
            elif other != room and other not in allowed:
                yield f"{path} includes {header}: {room} may not include {other}"
            elif other != room and header != f"{other}/{other}.h":
                yield f"{path} includes {header}: the door of {other} is {other}/{other}.h"
            continue
        for library, pattern in LIBRARIES.items():
            if not re.match(pattern, header):
                continue
            if library not in libraries:
                yield f"{path} includes <{header}>: {room} may not use {library}"
            elif library in LONE_FILES and path != LONE_FILES[library]:
                yield f"{path} includes <{header}>: only {LONE_FILES[library]} may"


def test_the_table_names_the_rooms_from_the_ground_up():
    rooms = table()
    assert list(rooms)[0] == "base" and list(rooms)[-1] == "cli"
    folders = {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}
    assert folders == set(rooms)
    below = []
    for room, (allowed, libraries) in rooms.items():
        assert set(allowed) <= set(below), f"{room} may include only rooms above it in the table"
        assert set(libraries) <= set(LIBRARIES)
        below.append(room)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_file_includes_only_what_its_room_may(path):
    found = list(complaints(str(path.relative_to(ROOT / "src")), path.read_text(encoding="utf-8"), table()))
    assert found == []


@pytest.mark.parametrize(
    "path, include",
    [
        ("plan/plan.c", '#include "db/db.h"'),
        ("base/str.c", '#include "sql/sql.h"'),
        ("run/run.c", '#include "sql/splitter.h"'),
        ("cli/main.c", "#include <sqlite3.h>"),
        ("db/db.c", "#  include <libpq-fe.h>"),
        ("run/run.c", '#include "run.h"'),
        ("run/run.c", '#include "whimbrel/whimbrel.h"'),
    ],
)
def test_the_reader_sees_what_is_wrong(path, include):
    assert len(list(complaints(path, f"{include}\n", table()))) == 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_file_says_what_it_is_for_and_its_licence(path):
    head = path.read_text(encoding="utf-8")[:800]
    assert head.startswith("/*")
    assert "SPDX-License-Identifier: Apache-2.0" in head


# The environment, standard output, signals and the end of the process belong to whoever calls the library.
FORBIDDEN = re.compile(
    r"(?<![\w.>])(printf|puts|putchar|perror|fprintf|exit|_exit|abort|signal|sigaction|getenv|setenv|setlocale)\s*\("
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_nothing_below_cli_speaks_or_ends_the_process(path):
    relative = str(path.relative_to(ROOT / "src"))
    if relative.startswith("cli/") or relative in ("base/fault.c", "base/banned.h"):
        return
    code = re.sub(r"/\*.*?\*/|\"(\\.|[^\"\\])*\"", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [match.group(1) for match in FORBIDDEN.finditer(code)] == []

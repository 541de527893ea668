# SPDX-License-Identifier: Apache-2.0
"""The library as programs meet it: headers, symbols, `whimbrel embed`, the examples, what the manual shows, an installed
prefix by pkg-config, CMake and Meson, and several handles on one server.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import textwrap
import threading
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def run(*command, cwd=None, env=None, timeout=300):
    """Runs it and insists on exit code 0; gives standard output."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"{command}\nexit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Library:
    """The library of the build that is tested: how to compile against it and how to run what came out."""

    def __init__(self, program_command):
        self.build = pathlib.Path(program_command[-1]).resolve().parent
        self.wrapper = program_command[:-1]
        self.program = pathlib.Path(program_command[-1])
        options = json.loads(
            run("meson", "introspect", "--buildoptions", self.build)
        )
        values = {option["name"]: option["value"] for option in options}
        # A program that loads an instrumented library has to be instrumented itself.
        sanitizers = values["b_sanitize"]
        self.flags = [] if sanitizers == "none" else [f"-fsanitize={sanitizers}"]
        if values.get("b_coverage"):
            self.flags.append("--coverage")
        self.environment = dict(os.environ, LD_LIBRARY_PATH=str(self.build))

    def compile(self, output, *words, compiler="cc", packages=(), static=False):
        cflags = run("pkg-config", "--cflags", *packages).split() if packages else []
        libs = run("pkg-config", "--libs", *packages).split() if packages else []
        if static:
            whimbrel = [self.build / "libwhimbrel.a", *self.private_libraries()]
        else:
            whimbrel = [f"-L{self.build}", "-lwhimbrel"]
        run(compiler, *WARNINGS, *self.flags, f"-I{INCLUDE}", *cflags, *words, "-o", output, *whimbrel, *libs)

    def private_libraries(self):
        text = (self.build / "meson-private" / "whimbrel.pc").read_text(encoding="utf-8")
        return re.search(r"^Libs\.private:(.*)$", text, re.MULTILINE).group(1).split()

    def run(self, *command, cwd=None, code=0):
        done = subprocess.run(
            [*self.wrapper, *map(str, command)],
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, f"{command}\nexit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="session")
def library(program_command):
    library = Library(program_command)
    if not (library.build / "libwhimbrel.so").exists():
        pytest.skip("the library was not built")
    return library


def needs(*commands):
    for command in commands:
        if not shutil.which(command):
            pytest.skip(f"{command} is not installed")


# ---- headers and symbols ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("standard", ["c99", "c11", "c17"])
def test_the_headers_are_strict_c(library, tmp_path, standard):
    library.compile(tmp_path / "headers", f"-std={standard}", "-pedantic-errors", ROOT / "tests/library/headers.c")
    assert library.run(tmp_path / "headers").stdout.split()[-1] == "usage"


@pytest.mark.parametrize("standard", ["c++11", "c++17", "c++20"])
def test_the_headers_are_cxx(library, tmp_path, standard):
    needs("c++")
    library.compile(
        tmp_path / "headers",
        f"-std={standard}", "-pedantic-errors", "-x", "c++", ROOT / "tests/library/headers.c", "-x", "none",
        compiler="c++",
    )  # fmt: skip
    library.run(tmp_path / "headers")


@pytest.mark.parametrize("compiler", ["cc", "c++"])
def test_the_engines_headers_compile_beside_the_engines_own(library, tmp_path, compiler):
    needs(compiler)
    words = ["-x", "c++"] if compiler == "c++" else ["-std=c99", "-pedantic"]
    cflags = run("pkg-config", "--cflags", "sqlite3", "libpq", "libmariadb").split()
    # What a vendor's header does is the vendor's: no warnings about those.
    cflags = [flag.replace("-I", "-isystem", 1) for flag in cflags]
    run(
        compiler, *WARNINGS, *words, "-DWITH_ENGINES", f"-I{INCLUDE}", *cflags, "-c", ROOT / "tests/library/headers.c",
        "-o", tmp_path / "headers.o",
    )  # fmt: skip


def test_the_version_of_the_headers_is_that_of_the_library(library, tmp_path):
    library.compile(tmp_path / "headers", ROOT / "tests/library/headers.c")
    linked, headers, _ = library.run(tmp_path / "headers").stdout.split()
    assert linked == headers


def defined_symbols(*command):
    lines = run(*command).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines if len(line.split()) >= 3} - {"WHIMBREL_0"}


def declared_functions():
    text = (INCLUDE / "whimbrel/whimbrel.h").read_text(encoding="utf-8")
    return set(re.findall(r"^WHIMBREL_API[^;(]*?(whimbrel_\w+)\(", text, re.MULTILINE))


def test_the_shared_library_shows_what_the_header_declares_and_nothing_else(library):
    symbols = defined_symbols("nm", "-D", "--defined-only", library.build / "libwhimbrel.so")
    foreign = {name for name in symbols if name.startswith(("__asan", "__odr_asan", "__ubsan", "__gcov"))}
    assert symbols - foreign == declared_functions()
    assert len(declared_functions()) > 20


def test_the_static_library_shows_nothing_else_either(library):
    if library.flags:
        pytest.skip("an instrumented archive holds the instrument's symbols")
    symbols = defined_symbols("nm", "-g", "--defined-only", library.build / "libwhimbrel.a")
    assert symbols == declared_functions()


def test_the_soname_carries_the_abi(library):
    assert "[libwhimbrel.so.0]" in run("objdump", "-p", library.build / "libwhimbrel.so").replace(
        "SONAME               ", "["
    ).replace("libwhimbrel.so.0\n", "libwhimbrel.so.0]\n")


def test_the_rooms_print_nothing_and_end_nothing(library):
    """What the linker sees: no object of the library calls these. Its faults, in test builds, stand apart."""
    if library.flags:
        pytest.skip("the instrument calls them")
    banned = {"printf", "fprintf", "vfprintf", "puts", "fputs", "putchar", "exit", "abort", "signal", "sigaction", "getenv",
              "secure_getenv", "setenv", "setlocale", "stdout", "stderr"}  # fmt: skip
    banned |= {f"__{name}_chk" for name in banned}
    found = []
    for archive in room_archives(library):
        for line in run("nm", "-A", "--undefined-only", archive).splitlines():
            place, symbol = line.rsplit(" ", 1)
            if symbol.split("@")[0] in banned and "fault.c.o" not in place:
                found.append(line)
    assert not found


def test_the_rooms_keep_no_state(library):
    """No object has data that can be written to, but for what is named here."""
    # libmariadb sets itself up at its first call, which two threads must not make at once.
    known = {("db_mysql.c.o", "mutex")}
    if library.flags:
        pytest.skip("the instrument has data of its own")
    found = []
    for archive in room_archives(library):
        place = ""
        for line in run("objdump", "-t", archive).splitlines():
            if ": " in line and "file format" in line:
                place = line.split(":")[0]
            section = re.search(r"\s(\.t?(?:bss|data)(?!\.rel\.ro)\S*)\s+([0-9a-f]+)\s+(\S+)$", line)
            if not section or int(section.group(2), 16) == 0 or "fault.c.o" in place:
                continue
            if (pathlib.Path(place).name, section.group(3).split(".")[0]) not in known:
                found.append(f"{place}: {section.group(3)}")
    assert not found


def room_archives(library):
    archives = sorted(set((library.build / "src").glob("libroom_*.a")) - {library.build / "src" / "libroom_cli.a"})
    assert len(archives) >= 8
    return archives


# ---- whimbrel embed --------------------------------------------------------------------------------------------------

DUMP = """
#include <stdio.h>
#include <string.h>
#include <whimbrel/whimbrel.h>
#ifdef __cplusplus
extern "C"
#else
extern
#endif
const WhimbrelEmbedded whimbrel_migrations;
int main(void)
{
    size_t i, n;
    for (i = 0; i < whimbrel_migrations.count; i++) {
        const WhimbrelFile *file = &whimbrel_migrations.files[i];
        printf("%s ", file->path);
        for (n = 0; n < file->length; n++)
            printf("%02x", ((const unsigned char *)file->data)[n]);
        printf("\\n");
    }
    printf("%s\\n", whimbrel_migrations.digest);
    return 0;
}
"""


def embedded(library, folder, compiler="cc", standard="c99"):
    """Compiles migrations.c of the folder strictly and gives (path -> bytes, digest)."""
    (folder / "dump.c").write_text(DUMP, encoding="utf-8")
    words = ["-x", "c++"] if compiler == "c++" else []
    run(
        compiler, *WARNINGS, f"-std={standard}", "-pedantic-errors", f"-I{INCLUDE}", *words, folder / "migrations.c",
        folder / "dump.c", "-o", folder / "dump",
    )  # fmt: skip
    *lines, digest = run(folder / "dump").splitlines()
    return {line.split(" ")[0]: bytes.fromhex(line.split(" ")[1]) for line in lines}, digest


# Everything that a C source could stumble over, as SQL that still splits.
TRAPS = [
    b"SELECT 1;\n",
    b"SELECT '??=', '??/', '\"\\', '\\n\\0';\n-- ??>\n",
    bytes([0x2D, 0x2D, 0x20, *range(0x80, 0x100), 0x0A]) + b"SELECT 1;",
    "SELECT 'é€😀 ß';\r\n".encode(),
    b"SELECT 'a\x07b\x0c\x1b\x7f1\t';",
    b"/* */ SELECT 1; -- */ /* x\n",
    b"-- " + b"x" * 3990 + b"\n",
    b"-- " + b"x" * 4100 + b"\nSELECT 1;\n",
    b"-- \xff\xfe\x00\x01" * 2000 + b"\nSELECT 1;\n",
    b"\xef\xbb\xbfSELECT 1;\n",
    b"",
    b"SELECT '" + b"?" * 5000 + b"';\n",
]


@pytest.mark.parametrize("compiler,standard", [("cc", "c99"), ("cc", "c17"), ("c++", "c++11"), ("c++", "c++20")])
def test_embed_keeps_every_byte(library, whimbrel, tmp_path, compiler, standard):
    needs(compiler)
    files = {}
    for number, text in enumerate(TRAPS, 1):
        path = f"{number}_trap.up.sql"
        files[path] = text
    files["sub/20_deep.sql"] = b"SELECT 1;\n"
    files["seeds/development.sql"] = b"SELECT 2;\n"
    files["hooks/after-migrate.sql"] = b"SELECT 3;\n"
    files["R__views.sql"] = b"SELECT 4;\n"
    for path, text in files.items():
        (tmp_path / "migrations" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "migrations" / path).write_bytes(text)
    (tmp_path / "migrations/README.md").write_text("not a migration")
    whimbrel.ok("embed", "migrations", "-o", "migrations.c")
    found, digest = embedded(library, tmp_path, compiler, standard)
    assert found == files
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)


def test_embed_makes_the_same_bytes_again_and_a_new_digest_for_new_ones(library, whimbrel, tmp_path):
    whimbrel.write("migrations/1_a.up.sql", "CREATE TABLE a (x int);\n")
    whimbrel.write("migrations/1_a.down.sql", "DROP TABLE a;\n")
    first = whimbrel.ok("embed", "migrations", "-o", "one.c", "--output", "json").json
    second = whimbrel.ok("embed", "./migrations/", "-o", "two.c", "--output", "json").json
    assert (tmp_path / "one.c").read_bytes() == (tmp_path / "two.c").read_bytes()
    assert first["digest"] == second["digest"]
    assert first["files"] == 2
    inside = whimbrel.ok("embed", ".", "-o", "../three.c", cwd=tmp_path / "migrations")
    assert "2 files" in inside.out
    assert (tmp_path / "one.c").read_bytes() == (tmp_path / "three.c").read_bytes()
    whimbrel.write("migrations/1_a.down.sql", "DROP TABLE a ;\n")
    changed = whimbrel.ok("embed", "migrations", "-o", "one.c", "--output", "json").json
    assert changed["digest"] != first["digest"]


@pytest.mark.parametrize("name", ["files", "file_0", "contents"])
def test_embed_takes_a_name_that_it_uses_itself(whimbrel, tmp_path, name):
    whimbrel.write("migrations/1_a.sql", "SELECT 1;\n")
    whimbrel.write("migrations/2_b.sql", "SELECT 2;\n" * 10000)
    whimbrel.ok("embed", "migrations", "-o", "made.c", "--name", name)
    include = pathlib.Path(__file__).resolve().parents[2] / "include"
    subprocess.run(["cc", "-fsyntax-only", "-Wall", "-Werror", f"-I{include}", "made.c"], cwd=whimbrel.cwd, check=True)


def test_embed_of_nothing_is_an_empty_table(library, whimbrel, tmp_path):
    (tmp_path / "migrations").mkdir()
    whimbrel.ok("embed", "migrations", "-o", "migrations.c")
    found, _ = embedded(library, tmp_path)
    assert found == {}


def test_embed_refuses_what_would_not_work(whimbrel, tmp_path):
    whimbrel.write("migrations/1_a.sql", "SELECT 1;\n")
    assert whimbrel("embed", "migrations", "-o", "x.c", "--name", "not-a-name").code == 2
    assert whimbrel("embed", "migrations").code == 2
    assert whimbrel("embed", "absent", "-o", "x.c").code == 2
    whimbrel.write("migrations/1_b.sql", "SELECT 1;\n")
    twice = whimbrel("embed", "migrations", "-o", "x.c")
    assert twice.code != 0 and "1_a.sql" in twice.err and "1_b.sql" in twice.err
    (tmp_path / "migrations/1_b.sql").unlink()
    hook = whimbrel.write("migrations/hooks/after-migrate", "#!/bin/sh\n")
    hook.chmod(0o755)
    refused = whimbrel("embed", "migrations", "-o", "x.c")
    assert refused.code != 0 and "after-migrate" in refused.err
    assert not (tmp_path / "x.c").exists()


# ---- the examples -----------------------------------------------------------------------------------------------------


def copied(example, tmp_path):
    shutil.copytree(ROOT / "examples" / example, tmp_path / example)
    return tmp_path / example


def check_notes(library, command, folder, environment=None):
    def notes(*words, code=0):
        done = subprocess.run(
            [*library.wrapper, str(command), *words],
            cwd=folder,
            env=environment or library.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done

    first = notes("my.db", "read the manual", "todo")
    assert first.stdout == "todo: 1\n"
    assert "20250412090000 note_tags" in first.stderr and "R tag_counts" in first.stderr
    second = notes("my.db", "write one", "todo", "docs")
    assert second.stdout == "docs: 1\ntodo: 2\n"
    assert second.stderr == ""
    return notes


def test_the_sqlite_example_carries_its_migrations(library, whimbrel, tmp_path):
    folder = copied("c-sqlite", tmp_path)
    whimbrel.ok("embed", "migrations", "-o", "migrations.c", "--name", "notes_migrations", cwd=folder)
    library.compile(
        folder / "notes", "-std=c99", "-pedantic", folder / "notes.c", folder / "migrations.c", packages=["sqlite3"]
    )
    notes = check_notes(library, folder / "notes", folder)
    # The command line sees the same history, and a newer program leaves it ahead.
    status = whimbrel.ok("status", "-d", "sqlite:my.db", "--output", "json", cwd=folder).json
    assert status["state"] == "up-to-date" and len(status["migrations"]) == 3
    whimbrel.write("c-sqlite/migrations/20260101000000_more.sql", "CREATE TABLE more (x int);\n")
    whimbrel.ok("migrate", "-d", "sqlite:my.db", cwd=folder)
    refused = notes("my.db", "x", code=1)
    assert "1 applied migration is unknown to this program" in refused.stderr


def test_the_sqlite_example_links_statically(library, whimbrel, tmp_path):
    if library.flags:
        pytest.skip("the archive of an instrumented build is not for linking")
    folder = copied("c-sqlite", tmp_path)
    whimbrel.ok("embed", "migrations", "-o", "migrations.c", "--name", "notes_migrations", cwd=folder)
    library.compile(
        folder / "notes", folder / "notes.c", folder / "migrations.c", packages=["sqlite3"], static=True
    )
    assert "libwhimbrel" not in run("objdump", "-p", folder / "notes")
    check_notes(library, folder / "notes", folder)


def worker_connection(database):
    """The URL without what only we understand is what libpq takes."""
    return database.url


def test_the_libpq_example_migrates_on_its_own_connection(library, tmp_path, pg):
    folder = copied("c-libpq", tmp_path)
    library.compile(folder / "worker", "-std=c99", "-pedantic", folder / "worker.c", packages=["libpq"])
    first = library.run(folder / "worker", worker_connection(pg), cwd=folder)
    assert first.stdout == "job 1\n"
    assert "the database is at 20250412090000, 2 applied here" in first.stderr
    second = library.run(folder / "worker", worker_connection(pg), cwd=folder)
    assert second.stdout == "job 2\n"
    assert "0 applied here" in second.stderr
    assert int(pg.value("SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid = 'waiting_jobs'::regclass")) == 1


def test_many_workers_start_at_once_and_one_migrates(library, tmp_path, pg):
    folder = copied("c-libpq", tmp_path)
    library.compile(folder / "worker", folder / "worker.c", packages=["libpq"])
    results = []

    def work():
        results.append(library.run(folder / "worker", worker_connection(pg), cwd=folder))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    applied = sorted(int(re.search(r"(\d+) applied here", result.stderr).group(1)) for result in results)
    assert applied == [0, 0, 0, 0, 0, 2]
    assert int(pg.value("SELECT count(*) FROM jobs")) == 6


# ---- several handles in one process --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 8])
def test_threads_contend_for_one_database(library, tmp_path, db, count):
    library.compile(tmp_path / "contend", "-std=gnu11", "-pthread", ROOT / "tests/library/contend.c")
    folder = tmp_path / "migrations"
    folder.mkdir()
    for number in range(1, 6):
        (folder / f"{number}_table.sql").write_text(
            f"CREATE TABLE t{number} (x integer);\nINSERT INTO t{number} VALUES ({number});\n"
        )
    done = library.run(tmp_path / "contend", db.url, count, folder)
    assert re.match(r"applied 5 waits \d+\n", done.stdout)
    for number in range(1, 6):
        assert int(db.value(f"SELECT count(*) FROM t{number}")) == 1


def one_migration(tmp_path):
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "1_migrated.sql").write_text("CREATE TABLE public.migrated (x integer);\nINSERT INTO public.migrated VALUES (1);\n")
    return folder


def test_an_adopted_postgres_session_keeps_what_it_had(library, tmp_path, pg):
    library.compile(tmp_path / "adopt", "-std=c99", "-pedantic", ROOT / "tests/library/adopt_postgres.c", packages=["libpq"])
    assert library.run(tmp_path / "adopt", pg.url, one_migration(tmp_path)).stdout == ""


def test_an_adopted_mariadb_session_keeps_what_it_had(library, tmp_path, maria):
    library.compile(tmp_path / "adopt", ROOT / "tests/library/adopt_mysql.c", packages=["libmariadb"])
    folder = one_migration(tmp_path)
    path = folder / "1_migrated.sql"
    path.write_text(path.read_text().replace("public.", ""))
    for version in range(2, 7):  # so many that statements would be prepared
        (folder / f"{version}_more.sql").write_text(f"CREATE TABLE more{version} (x integer);\n")
    done = library.run(tmp_path / "adopt", *maria_place(maria), folder)
    assert done.stdout == ""


def maria_place(maria):
    """Socket, user and database."""
    return maria.server.socket, "root", maria.name


LONG = {
    "sqlite": "CREATE TABLE l AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000)"
    " SELECT max(i) AS top FROM n;\n",
    "postgres": "SELECT pg_sleep(100);\n",
    "mariadb": "SELECT SLEEP(100);\n",
}


def test_a_long_migration_is_cancelled_on_the_server(library, tmp_path, db):
    library.compile(tmp_path / "cancel", "-std=gnu11", "-pthread", ROOT / "tests/library/cancel.c")
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "1_first.sql").write_text("CREATE TABLE first (x integer);\n")
    (folder / "2_long.sql").write_text("CREATE TABLE second (x integer);\n" + LONG[db.engine])
    seconds, state = library.run(tmp_path / "cancel", db.url, folder).stdout.split()
    assert int(seconds) < 10
    # Without transactional DDL the table of the second stays, and the history says so.
    assert state == ("partial" if db.engine == "mariadb" else "pending")


SLOW = {"postgres": "SELECT pg_sleep(1.5)", "mariadb": "SELECT SLEEP(1.5)"}
END_THE_SLEEPER = {
    "postgres": "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    " AND datname = current_database()",
    "mariadb": "SELECT coalesce(max(id), 0) FROM information_schema.processlist WHERE info LIKE '%SLEEP(1.5)%'"
    " AND id <> connection_id()",
}


def end_the_sleeper(db):
    """Ends the session that runs the slow statement, as soon as there is one."""
    for _ in range(600):
        found = db.value(END_THE_SLEEPER[db.engine])
        if found != "0":
            if db.engine == "mariadb":
                db.sql(f"KILL {found}")
            return
        time.sleep(0.05)
    raise AssertionError("the slow statement was never seen")


@pytest.mark.parametrize("wait", ["0", "-2"])
@pytest.mark.parametrize("engine", ["pg", "maria"])
def test_a_lost_connection_is_sought_again_unless_it_is_not_to_be(library, tmp_path, request, engine, wait):
    db = request.getfixturevalue(engine)
    program = tmp_path / "reconnect"
    library.compile(program, "-std=c99", "-pedantic", ROOT / "tests/library/reconnect.c")
    folder = tmp_path / "migrations"
    folder.mkdir()
    for number in (1, 3):
        (folder / f"{number}_m.sql").write_text(f"CREATE TABLE t{number} (x integer);\n")
    (folder / "2_slow.sql").write_text(f"{SLOW[db.engine]};\nCREATE TABLE t2 (x integer);\n")
    killer = threading.Thread(target=end_the_sleeper, args=(db,))
    killer.start()
    result = library.run(program, db.url, folder, wait, code=0 if wait == "0" else 1)
    killer.join()
    tables = db.value("SELECT count(*) FROM information_schema.tables WHERE table_name IN ('t1', 't2', 't3')")
    if wait == "0":
        assert (result.returncode, tables) == (0, "3"), result
        assert "seeking a new one" in result.stdout and result.stdout.endswith("3 applied\n"), result
    else:
        assert result.returncode == 1 and tables != "3" and "seeking" not in result.stdout, result


# ---- the manual -------------------------------------------------------------------------------------------------------------

PRELUDE = """
#include <stdio.h>
#include <whimbrel/whimbrel.h>
%(top)s
void fragment(WhimbrelOptions options, Whimbrel *whimbrel, WhimbrelResult *result, WhimbrelError *error,
              WhimbrelStatus status);
void fragment(WhimbrelOptions options, Whimbrel *whimbrel, WhimbrelResult *result, WhimbrelError *error,
              WhimbrelStatus status)
{
%(body)s
    (void)options; (void)whimbrel; (void)result; (void)error; (void)status;
}
"""


def manual_blocks():
    text = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    return re.findall(r"^```c\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(manual_blocks())))
def test_what_the_manual_shows_compiles(library, tmp_path, number):
    block = manual_blocks()[number]
    source = tmp_path / "block.c"
    if "int main" in block:
        source.write_text(block, encoding="utf-8")
    else:
        includes = "".join(line + "\n" for line in block.splitlines() if line.startswith("#include"))
        rest = "".join(line + "\n" for line in block.splitlines() if not line.startswith("#include"))
        is_function = rest.startswith("static ")
        body = "" if is_function else textwrap.indent(rest, "    ")
        parts = {"top": includes + (rest if is_function else ""), "body": body}
        source.write_text(PRELUDE % parts, encoding="utf-8")
    run(
        "cc", *WARNINGS, "-Wno-unused-function", "-std=c99", "-pedantic", f"-I{INCLUDE}", "-c", source, "-o", tmp_path / "block.o"
    )  # fmt: skip


def test_the_manuals_program_runs_as_it_says(library, tmp_path):
    program = next(block for block in manual_blocks() if "int main" in block)
    (tmp_path / "shop.c").write_text(program, encoding="utf-8")
    library.compile(tmp_path / "shop", "-std=c99", "-pedantic", tmp_path / "shop.c")
    assert library.run(tmp_path / "shop", cwd=tmp_path).stdout == "1 applied, the database is at 1\n"
    assert library.run(tmp_path / "shop", cwd=tmp_path).stdout == "0 applied, the database is at 1\n"
    refused = library.run(tmp_path / "shop", "nosuch:thing", cwd=tmp_path, code=1)
    assert refused.stderr.startswith("shop: ")


def test_the_manual_names_every_call(library):
    text = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    quiet = {name for name in declared_functions() if name.endswith(("_free", "_name", "_clear"))}
    missing = {name for name in declared_functions() - quiet if name not in text}
    assert not missing


# ---- an installed prefix ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def prefix(library, tmp_path_factory):
    """The build, installed; its pkg-config file says where that is now."""
    if library.flags:
        pytest.skip("an instrumented library is not what is installed")
    top = tmp_path_factory.mktemp("installed")
    run("meson", "install", "-C", library.build, "--no-rebuild", "--quiet", "--destdir", top, timeout=600)
    (pc,) = top.rglob("whimbrel.pc")
    text = pc.read_text(encoding="utf-8")
    old = re.search(r"^prefix=(.*)$", text, re.MULTILINE).group(1)
    new = f"{top}{old}"
    pc.write_text(text.replace(f"prefix={old}\n", f"prefix={new}\n"), encoding="utf-8")
    libdir = run("pkg-config", "--variable=libdir", "whimbrel", env=dict(os.environ, PKG_CONFIG_PATH=str(pc.parent)))
    environment = dict(
        os.environ,
        PKG_CONFIG_PATH=str(pc.parent),
        LD_LIBRARY_PATH=libdir.strip(),
        PATH=f"{new}/bin:{os.environ['PATH']}",
    )
    return environment


def test_make_and_pkg_config_build_the_examples(library, prefix, tmp_path, pg):
    needs("make", "pkg-config")
    folder = copied("c-sqlite", tmp_path)
    run("make", cwd=folder, env=prefix)
    check_notes(library, folder / "notes", folder, prefix)
    folder = copied("c-libpq", tmp_path)
    run("make", cwd=folder, env=prefix)
    out = run(folder / "worker", worker_connection(pg), cwd=folder, env=prefix)
    assert out == "job 1\n"


def test_cmake_builds_the_examples(library, prefix, tmp_path):
    needs("cmake")
    folder = copied("c-sqlite", tmp_path)
    run("cmake", "-S", folder, "-B", folder / "build", env=prefix)
    run("cmake", "--build", folder / "build", env=prefix)
    check_notes(library, folder / "build/notes", folder, prefix)
    # A changed migration is seen.
    (folder / "migrations/20250412090000_note_tags.down.sql").write_text("DROP TABLE tags; -- gone\n")
    run("cmake", "--build", folder / "build", env=prefix)
    assert "gone" in (folder / "build/migrations.c").read_text()
    worker = copied("c-libpq", tmp_path)
    run("cmake", "-S", worker, "-B", worker / "build", env=prefix)
    run("cmake", "--build", worker / "build", env=prefix)


def test_meson_builds_the_examples(library, prefix, tmp_path):
    needs("meson", "ninja")
    folder = copied("c-sqlite", tmp_path)
    run("meson", "setup", folder / "build", folder, env=prefix)
    run("ninja", "-C", folder / "build", env=prefix)
    check_notes(library, folder / "build/notes", folder, prefix)
    worker = copied("c-libpq", tmp_path)
    run("meson", "setup", worker / "build", worker, env=prefix)
    run("ninja", "-C", worker / "build", env=prefix)


def test_cxx_builds_against_the_prefix(prefix, tmp_path):
    needs("c++", "pkg-config")
    flags = run("pkg-config", "--cflags", "--libs", "whimbrel", env=prefix).split()
    run("c++", *WARNINGS, "-x", "c++", ROOT / "tests/library/headers.c", "-x", "none", "-o", tmp_path / "headers", *flags)
    assert run(tmp_path / "headers", env=prefix).endswith("usage\n")


def test_the_static_library_of_the_prefix_links(prefix, tmp_path):
    needs("pkg-config")
    libdir = run("pkg-config", "--variable=libdir", "whimbrel", env=prefix).strip()
    flags = run("pkg-config", "--static", "--cflags", "--libs", "whimbrel", env=prefix).split()
    flags = [f"{libdir}/libwhimbrel.a" if flag == "-lwhimbrel" else flag for flag in flags]
    run("cc", *WARNINGS, ROOT / "tests/library/headers.c", "-o", tmp_path / "headers", *flags)
    assert run(tmp_path / "headers").endswith("usage\n")

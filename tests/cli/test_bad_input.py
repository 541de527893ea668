# SPDX-License-Identifier: Apache-2.0
"""What is wrong with files, databases and the world around: each with its own message, place, next step and exit code,
nothing half-done that is not told, and no secret shown."""

import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

ESC = "\x1b"
SLOW = {
    "postgres": "SELECT pg_sleep(30);",
    "mariadb": "SELECT sleep(30);",
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;",
}


def states(program, url):
    document = program.ok("status", "-d", url, "--output", "json").json
    return {row["version"] or row["name"]: row["state"] for row in document["migrations"]}


def refused(program, url, *args, code=1, says=(), env=None, command="migrate"):
    """One call that must fail: with this code, these words, no crash, and the next step where there is one to name."""
    result = program(command, "-d", url, *args, env=env)
    assert result.code == code, repr(result)
    for words in (says,) if isinstance(says, str) else says:
        assert words in result.err, repr(result)
    assert result.err.startswith("error: ") or "\nerror: " in result.err, repr(result)
    return result


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def as_nobody(program, *args):
    """The program under a user to whom permissions apply."""
    if os.geteuid() != 0:
        return program(*args)
    for folder in [program.cwd, *program.cwd.parents]:
        if folder != pathlib.Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o711)
    process = subprocess.run(
        [*program.command, *map(str, args)],
        cwd=program.cwd, env=program.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        user=65534, group=65534, extra_groups=[], timeout=60,
    )
    return process.returncode, process.stdout, process.stderr


def as_result(answer):
    return (answer.code, answer.out, answer.err) if hasattr(answer, "code") else answer


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, says",
    [
        ("1.sql", "1_name.sql"),
        ("12abc.sql", "12_abc.sql"),
        ("V__x.sql", "V1__x.sql"),
        ("V1_x.sql", "V1__x.sql"),
        ("V1__a.SQL", "V1__a.sql"),
        ("R__.sql", "R__name.sql"),
        ("U1__a.sql", "no up has version 1"),
    ],
)
def test_a_name_that_is_nearly_a_migrations(whimbrel, sqlite, name, says):
    whimbrel.write(f"migrations/{name}", "SELECT 1;")
    refused(whimbrel, sqlite.url, says=[f"migrations/{name}", says])
    assert not sqlite.path.exists()


def test_a_name_that_is_not_utf8(whimbrel, sqlite):
    (whimbrel.cwd / "migrations").mkdir()
    with open(os.fsencode(whimbrel.cwd) + b"/migrations/1_\xff.sql", "w") as file:
        file.write("SELECT 1;")
    refused(whimbrel, sqlite.url, says="is not UTF-8")
    document = whimbrel("status", "-d", sqlite.url, "--output", "json")
    document.out.encode("utf-8")  # a lone byte would have become a surrogate
    assert document.json["error"]["code"] == "bad-name"


@pytest.mark.parametrize(
    "text, code, place",
    [
        (b"SELECT 1;\nSELECT '\xff';\n", "not-utf8", "1_a.sql:2:9"),
        (b"SELECT 1;\nSEL\0ECT 2;\n", "nul-byte", "1_a.sql:2:4"),
        ("SELECT 1;".encode("utf-16"), "not-utf8", "1_a.sql:1:1"),
        (b"", "empty-migration", "1_a.sql:1"),
        (b"-- nothing yet\n/* nothing */\n", "empty-migration", "1_a.sql:1"),
        (b"SELECT 1;\nSELECT 'abc;\n", "unterminated", "1_a.sql:2:8"),
        (b"-- whimbrel: no-transacton\nSELECT 1;\n", "unknown-directive", "1_a.sql:1:14"),
        (b"-- whimbrel: lock-timeout=soon\nSELECT 1;\n", "bad-directive", "1_a.sql:1:14"),
        (b"-- whimbrel: requires=77\nSELECT 1;\n", "requires", "1_a.sql"),
        (b"CREATE TABLE a (x int);\nCOMMIT;\n", "transaction-control", "1_a.sql:2:1"),
        (b"CREATE TABLE a (x int);\nROLLBACK;\n", "transaction-control", "1_a.sql:2:1"),
        (b"CREATE TABLE a (x int);\nBEGIN;\n", "transaction-control", "1_a.sql:2:1"),
        (b"SELECT 1;\nDROP TABLE IF EXISTS b, main.WHIMBREL_history;\n", "history-table", "1_a.sql:2:1"),
        (b"ALTER TABLE whimbrel_history RENAME TO old;\n", "history-table", "1_a.sql:1:1"),
    ],
)
def test_a_text_that_cannot_be_run_is_refused_before_anything_is(whimbrel, sqlite, text, code, place):
    (whimbrel.write("migrations/1_a.sql", "")).write_bytes(text)
    result = refused(whimbrel, sqlite.url, "--output", "json", says=[f"--> migrations/{place}", f"explain {code}"])
    error = result.json["error"]
    assert error["code"] == code and error["path"] == "migrations/1_a.sql" and result.json["applied"] == []
    assert "\n   = " in result.err
    if sqlite.path.exists():
        assert sqlite.sql("SELECT name FROM sqlite_master") == []


def test_what_only_looks_like_dropping_the_history(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE my_whimbrel_history (x int);\nDROP TABLE my_whimbrel_history;\n")
    whimbrel.ok("migrate", "-d", sqlite.url)


def test_the_history_table_of_another_name_is_minded_too(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "DROP TABLE other;")
    refused(whimbrel, sqlite.url, "--table", "other", says="other is the table in which the history is kept")


@pytest.mark.parametrize(
    "names, code",
    [
        (["1_a.sql", "001_b.sql"], "duplicate-version"),
        (["1_a.sql", "sub/1_b.sql"], "duplicate-version"),
        (["R__a.sql", "sub/R__a.sql"], "duplicate-version"),
    ],
)
def test_two_files_of_one_identity_are_both_named(whimbrel, sqlite, names, code):
    for name in names:
        whimbrel.write(f"migrations/{name}", "SELECT 1;")
    refused(whimbrel, sqlite.url, says=[*(f"migrations/{name}" for name in names), code])
    assert not sqlite.path.exists()


def test_one_version_in_two_folders(whimbrel, sqlite):
    whimbrel.write("one/1_a.sql", "CREATE TABLE a (x int);")
    whimbrel.write("two/1_b.sql", "CREATE TABLE b (x int);")
    refused(whimbrel, sqlite.url, "-m", "one", "-m", "two", says=["one/1_a.sql", "two/1_b.sql"])
    whimbrel.ok("migrate", "-d", sqlite.url, "-m", "one", "-m", "one")


def test_what_is_no_regular_file(whimbrel, sqlite):
    folder = whimbrel.cwd / "migrations"
    (folder / "1_a.sql").mkdir(parents=True)
    refused(whimbrel, sqlite.url, says="is a folder, and its name is that of a file")
    (folder / "1_a.sql").rmdir()
    os.mkfifo(folder / "1_a.sql")
    refused(whimbrel, sqlite.url, says="migrations/1_a.sql is not a regular file")
    (folder / "1_a.sql").unlink()
    (folder / "1_a.sql").symlink_to("2_b.sql")
    refused(whimbrel, sqlite.url, says="migrations/1_a.sql is a symbolic link that leads nowhere")
    (folder / "2_b.sql").symlink_to("1_a.sql")
    refused(whimbrel, sqlite.url, says="migrations/1_a.sql is a symbolic link that leads nowhere")


def test_folders_that_lead_back_to_themselves_are_read_once(whimbrel, sqlite):
    whimbrel.write("migrations/sub/1_a.sql", "SELECT 1;")
    (whimbrel.cwd / "migrations/sub/up").symlink_to("..")
    (whimbrel.cwd / "migrations/here").symlink_to(".")
    assert states(whimbrel, sqlite.url) == {"1": "pending"}


def test_a_folder_that_is_none(whimbrel, sqlite):
    refused(whimbrel, sqlite.url, code=2, says=["there is no folder migrations", "whimbrel init"])
    assert not sqlite.path.exists(), "a call that is refused makes no database"
    whimbrel.write("migrations", "x")
    refused(whimbrel, sqlite.url, code=2, says=["migrations is not a folder", "-m DIR"])
    assert not sqlite.path.exists()


def test_what_may_not_be_read(whimbrel, sqlite):
    file = whimbrel.write("migrations/1_a.sql", "SELECT 1;")
    sqlite.sql("CREATE TABLE z (x)")
    whimbrel.cwd.chmod(0o777)
    for path, mode in ((file, 0o000), (file.parent, 0o000), (sqlite.path, 0o000)):
        before = path.stat().st_mode
        path.chmod(mode)
        code, out, err = as_result(as_nobody(whimbrel, "status", "-d", "sqlite:app.db"))
        path.chmod(before)
        assert code == 1 and path.name in err and "\n   = " in err, err


def test_what_may_not_be_written(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x int);")
    sqlite.sql("CREATE TABLE z (x)")
    refused(whimbrel, f"{sqlite.url}?mode=ro", says=["app.db is read-only", "mode= in the database URL"])
    sqlite.path.chmod(0o444)
    whimbrel.cwd.chmod(0o755)
    code, out, err = as_result(as_nobody(whimbrel, "migrate", "-d", "sqlite:app.db"))
    assert code == 1 and "app.db is read-only" in err
    code, out, err = as_result(as_nobody(whimbrel, "migrate", "-d", "sqlite:new.db"))
    assert code == 1 and "cannot create new.db" in err and "whimbrel migrate" not in err


def test_a_line_of_a_hundred_megabytes(whimbrel, sqlite):
    with open(whimbrel.write("migrations/1_a.sql", ""), "w") as file:
        file.write("CREATE TABLE a AS SELECT '" + "x" * 100_000_000 + "' AS t;\n")
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert sqlite.value("SELECT length(t) FROM a") == "100000000"
    with open(whimbrel.write("migrations/2_b.sql", ""), "w") as file:
        file.write("SELECT '" + "x" * 100_000_000 + "', nowhere;\n")
    result = refused(whimbrel, sqlite.url, says="no such column: nowhere")
    assert len(result.err) < 4000


@pytest.mark.parametrize("length", [240, 300])
def test_long_names_and_huge_versions(whimbrel, db, length):
    text = "CREATE TABLE a (x int);"
    if length > 255:  # no file can be called so; a folder of two parts can
        with pytest.raises(OSError):
            whimbrel.write(f"migrations/1_{'x' * length}.sql", text)
        result = whimbrel("new", "x" * length)
        assert result.code in (0, 1, 2) and (result.code == 0 or "error: " in result.err), repr(result)
        return
    whimbrel.write(f"migrations/1_{'x' * length}.sql", text)
    whimbrel.write(f"migrations/{'9' * length}_b.sql", "CREATE TABLE b (x int);")
    assert whimbrel.ok("migrate", "-d", db.url, "--output", "json").json["applied"] == ["1", "9" * length]
    whimbrel.ok("status", "--check", "-d", db.url)


def test_a_file_that_goes_or_changes_after_the_plan(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x int);")
    file = whimbrel.write("migrations/2_b.sql", "CREATE TABLE b (x int);")
    whimbrel.ok("plan", "-d", sqlite.url, "--save", "a.plan")
    file.write_text("CREATE TABLE c (x int);")
    refused(whimbrel, sqlite.url, "--plan", "a.plan", says="plan")
    file.unlink()
    refused(whimbrel, sqlite.url, "--plan", "a.plan", says="plan")
    assert states(whimbrel, sqlite.url) == {"1": "pending"}


def test_a_file_that_goes_while_the_run_is_at_it(whimbrel, pg):
    whimbrel.write("migrations/1_a.sql", "SELECT pg_sleep(1.5);\nCREATE INDEX CONCURRENTLY i ON t (x);")
    file = whimbrel.write("migrations/2_b.sql", "CREATE TABLE b (x int);" + "-" * 300_000)
    pg.sql("CREATE TABLE t (x int)")
    process = whimbrel.start("migrate", "-d", pg.url)
    time.sleep(0.7)
    file.write_text("CREATE TABLE changed (x int);")
    out, err = process.communicate(timeout=60)
    # Either the text that was planned ran, or none: never one that nobody has looked at.
    assert pg.value("SELECT count(*) FROM pg_class WHERE relname = 'changed'") == "0", err
    assert process.returncode in (0, 1)
    if process.returncode == 1:
        assert "2_b.sql" in err and states(whimbrel, pg.url)["2"] == "pending"


# ---- calls ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args, says",
    [
        (["migrate", "--to", "nonsense"], "nonsense"),
        (["migrate", "--to", ""], "--to"),
        (["migrate", "--steps", "99999999999999"], "--steps"),
        (["migrate", "--steps", "1x"], "--steps"),
        (["rollback", "--to", "nonsense"], "nonsense"),
        (["goto", "nonsense"], "nonsense"),
        (["goto", "+99999999999999999999"], "99999999999999999999"),
        (["stamp", "nonsense"], "nonsense"),
        (["new", "..."], "name"),
        (["new", "../.."], "name"),
        (["new", "/"], "name"),
        (["new", ""], "name"),
    ],
)
def test_nonsense_is_a_wrong_call(whimbrel, sqlite, args, says):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x int);")
    sqlite.sql("CREATE TABLE z (x)")
    result = whimbrel("-d", sqlite.url, *args)
    assert result.code == 2 and says in result.err.lower(), repr(result)
    assert [path.name for path in (whimbrel.cwd / "migrations").iterdir()] == ["1_a.sql"]


@pytest.mark.parametrize("name", ["a/b", "../up", "a\\b", "~/x", "x" + ESC + "[31m", "a\nb", "-- x"])
def test_new_stays_in_its_folder(whimbrel, name):
    (whimbrel.cwd / "migrations").mkdir()
    before = sorted(path.name for path in whimbrel.cwd.iterdir())
    result = whimbrel("new", "--sql-only", "--", name)
    assert result.code == 0, repr(result)
    assert sorted(path.name for path in whimbrel.cwd.iterdir()) == before
    for path in (whimbrel.cwd / "migrations").iterdir():
        assert path.name.isascii() and path.name.replace("_", "").replace(".", "").isalnum()
        assert ESC not in path.read_text()
    assert ESC not in result.out + result.err


URLS = [
    ("", "no database is named"),
    ("x", "does not begin with an engine"),
    ("app.db", "does not begin with an engine"),
    ("sqlite:", "names no file"),
    ("sqlite:a.db?mode=zz", "mode"),
    ("sqlite:a.db?nonsense=1", "nonsense"),
    ("oracle://u:geheim@h/d", "oracle"),
    ("u:geheim@h/d", "engine"),
    ("postgres:", "'//' is missing"),
    ("postgres:/u:geheim@h/d", "'//' is missing"),
    ("postgres//u:geheim@h/d", "engine"),
    ("postgres://u:geheim@h:abc/d", "port"),
    ("postgres://u:geheim@h:99999/d", "port"),
    ("postgres://u:geheim%zz@h/d", "hexadecimal"),
    ("postgres://u:geheim@[::1/d", "IPv6"),
    ("postgres://u:geheim@127.0.0.1:1/d?nonsense=1", "nonsense"),
    ("postgres://u:geheim@127.0.0.1:1/d?passwor=geheim", "password"),
    ("mysql://u:geheim@h:0/d", "port"),
    ("mysql://u:ge/heim@h/d", "%2F"),
    ("mysql://u:geheim@h/d?ssl-mode=zz", "ssl-mode"),
    ("mysql://u:geheim@h/d?nonsense=1", "nonsense"),
    ("postgres://u\x1b[31m:geheim@h/d", "control character"),
]


@pytest.mark.parametrize("url, says", URLS)
def test_a_wrong_url(whimbrel, url, says):
    whimbrel.write("migrations/1_a.sql", "SELECT 1;")
    result = refused(whimbrel, url, "-v", code=2, says=says)
    assert "geheim" not in result.err + result.out and ESC not in result.err
    assert not list(whimbrel.cwd.glob("*.db*"))


@pytest.mark.parametrize(
    "url",
    ["postgres://u:geheim@127.0.0.1:1/d", "mysql://u:geheim@127.0.0.1:1/d", "postgres://u:geheim@nowhere.invalid/d",
     "mysql://u:geheim@nowhere.invalid/d", "postgres://127.0.0.1:1/d?password=geheim"],
)
def test_nobody_answers(whimbrel, url):
    whimbrel.write("migrations/1_a.sql", "SELECT 1;")
    for extra in ([], ["--output", "json", "--log", "json", "-v"]):
        result = whimbrel("migrate", "-d", url, "--connect-timeout", "5s", *extra)
        assert result.code == 1 and "connect-refused" in result.err, repr(result)
        assert "geheim" not in result.err + result.out


def test_mysql_needs_the_name_of_a_database(whimbrel, mariadb):
    whimbrel.write("migrations/1_a.sql", "SELECT 1;")
    for path in ("", "/"):
        refused(
            whimbrel, f"mysql://root@127.0.0.1:{mariadb.port}{path}", code=2, says="the database URL names no database"
        )


@pytest.mark.parametrize(
    "text, says",
    [
        ("NO EQUALS\n", ".env:1"),
        ("A=1\nB='open\n", ".env:2"),
        ("A=1\n=x\n", ".env:2"),
    ],
)
def test_a_wrong_dotenv(whimbrel, sqlite, text, says):
    whimbrel.write("migrations/1_a.sql", "SELECT 1;")
    whimbrel.write(".env", text)
    refused(whimbrel, sqlite.url, code=2, says=says)

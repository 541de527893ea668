# SPDX-License-Identifier: Apache-2.0
"""What is wrong with files, databases and the world around: each with its own message, place, next step and exit code,
nothing half-done that is not told, and no secret shown."""

import os
import pathlib
import signal
import shutil
import subprocess
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
    # The tree itself may lie where others cannot reach the program.
    reachable = shutil.copy2(program.command[-1], program.cwd / "whimbrel-of-all")
    os.chmod(reachable, 0o755)
    process = subprocess.run(
        [*program.command[:-1], str(reachable), *map(str, args)],
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


def test_links_out_of_the_folder_are_followed(whimbrel, sqlite):
    """Who can write into the folder can write SQL there as well: a link is a way of laying out a project, and no danger more."""
    whimbrel.write("shared/sql/1_a.sql", "CREATE TABLE a (x int);")
    whimbrel.write("shared/2_b.sql", "CREATE TABLE b (x int);")
    (whimbrel.cwd / "migrations").mkdir()
    (whimbrel.cwd / "migrations/base").symlink_to("../shared/sql")
    (whimbrel.cwd / "migrations/2_b.sql").symlink_to("../shared/2_b.sql")
    (whimbrel.cwd / "migrations/3_zero.sql").symlink_to("/dev/zero")
    refused(whimbrel, sqlite.url, says="migrations/3_zero.sql is not a regular file")
    (whimbrel.cwd / "migrations/3_zero.sql").unlink()
    assert states(whimbrel, sqlite.url) == {"1": "pending", "2": "pending"}
    whimbrel.ok("migrate", "-d", sqlite.url, "-m", "migrations/../migrations")


def test_files_of_gigabytes_where_a_few_lines_belong(whimbrel, sqlite):
    def huge(path, size=2**30):
        with open(whimbrel.write(path, ""), "r+b") as file:
            file.truncate(size)  # sparse: it takes no room
        return whimbrel.cwd / path

    (whimbrel.cwd / "migrations").mkdir()
    for path, args in (
        ("whimbrel.toml", []),
        (".env", []),
        ("password", ["--password-file", "password", "-d", "mysql://app@127.0.0.1:1/x"]),
        ("plan.json", ["migrate", "--plan", "plan.json"]),
    ):
        file = huge(path)
        result = whimbrel(*(args if "migrate" in args else [*args, "status"]), env={"WHIMBREL_DATABASE_URL": sqlite.url})
        assert result.code == 2 and f"{path}: it is larger than" in result.err, repr(result)
        file.unlink()
    huge("migrations/1_a.sql", 2**36)
    refused(whimbrel, sqlite.url, says=["migrations/1_a.sql:1:1", "a NUL byte"])
    result = whimbrel("status", "-c", "/dev/zero")
    assert result.code == 2 and "/dev/zero" in result.err


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


def test_a_configuration_that_is_no_file(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "SELECT 1;")
    path = whimbrel.cwd / "whimbrel.toml"
    path.mkdir()
    refused(whimbrel, sqlite.url, code=2, says="whimbrel.toml is not a regular file")
    path.rmdir()
    path.symlink_to("whimbrel.toml")
    refused(whimbrel, sqlite.url, code=2, says="whimbrel.toml is a symbolic link that leads nowhere")
    assert not sqlite.path.exists()


# ---- databases ------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(whimbrel):
    whimbrel.write("migrations/1_a.up.sql", "CREATE TABLE a (x int);")
    whimbrel.write("migrations/1_a.down.sql", "DROP TABLE a;")
    return whimbrel


def every_way(program, url, secret, codes):
    """Calls that show as much as they can; none may show the secret. What the last of them said."""
    for line in (
        ["status"], ["status", "-v", "--output", "json"], ["plan", "-v"], ["migrate", "-v", "--log", "json"],
        ["migrate", "-v", "--output", "json"], ["doctor", "-v"], ["config"], ["config", "--output", "json"],
        ["check"], ["history"], ["lock", "list"], ["validate", "-v"], ["current"], ["scratch", "--", "true"],
        ["migrate", "--nonsense"], ["goto", "nowhere"], ["rollback", "--to", "nowhere"],
    ):
        result = program("-d", url, "--connect-timeout", "5s", *line)
        assert secret not in result.out + result.err, repr(result)
        assert result.code in codes, repr(result)
    return program("migrate", "-d", url)


def test_wrong_passwords_are_said_and_not_shown(project, postgres, pg):
    postgres.execute(
        "DO $$ BEGIN CREATE ROLE guarded LOGIN PASSWORD 'hunter2-geheim';"
        " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    url = pg.url.replace("postgres://postgres@", "postgres://guarded:falsch-wrong@")
    result = every_way(project, url, "falsch-wrong", (0, 1, 2, 3))
    assert result.code == 1 and "explain wrong-password" in result.err


def test_wrong_passwords_on_mariadb(project, mariadb, maria):
    mariadb.execute("CREATE USER IF NOT EXISTS guarded@'127.0.0.1' IDENTIFIED BY 'hunter2-geheim'")
    url = maria.url.replace("//root@", "//guarded:falsch-wrong@")
    result = every_way(project, url, "falsch-wrong", (0, 1, 2, 3))
    assert result.code == 1 and "explain wrong-password" in result.err
    mariadb.execute(f"GRANT ALL ON {maria.name}.* TO guarded@'127.0.0.1'")
    project.write("migrations/2_bad.sql", "SELECT * FROM nowhere;")
    good = maria.url.replace("//root@", "//guarded:hunter2-geheim@")
    result = every_way(project, good, "hunter2-geheim", (0, 1, 2, 3))
    assert result.code == 1 and "nowhere" in result.err
    for table in ("whimbrel_history", "whimbrel_run"):
        assert "hunter2" not in str(maria.sql(f"SELECT * FROM {table}"))


def test_an_absent_database(project, postgres, mariadb):
    for url in (f"postgres://postgres@127.0.0.1:{postgres.port}/absent", f"mysql://root@127.0.0.1:{mariadb.port}/absent"):
        refused(project, url, says=["absent", "whimbrel database create", "explain database-absent"])
    refused(project, f"postgres://stranger@127.0.0.1:{postgres.port}/postgres", says="explain access-refused")


def test_a_user_without_rights(project, postgres, pg, mariadb, maria):
    postgres.execute("DO $$ BEGIN CREATE ROLE poor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    pg.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    refused(project, pg.url.replace("//postgres@", "//poor@"), says=["permission denied", "explain no-privilege"])
    mariadb.execute("CREATE USER IF NOT EXISTS poor@'127.0.0.1'")
    url = maria.url.replace("//root@", "//poor@")
    refused(project, url, says=["Access denied", "Grant"])
    mariadb.execute(f"GRANT SELECT ON {maria.name}.* TO poor@'127.0.0.1'")
    refused(project, url, says=["denied", "explain no-privilege"])
    assert maria.sql("SHOW TABLES") == [] and states(project, url) == {"1": "pending"}


def test_a_server_that_takes_no_writes(project, pg, mariadb, maria):
    pg.server.execute(f"ALTER DATABASE {pg.name} SET default_transaction_read_only = on")
    refused(project, pg.url, says=[f"{pg.name} is read-only", "primary"])
    assert states(project, pg.url) == {"1": "pending"}
    mariadb.execute("CREATE USER IF NOT EXISTS writer@'127.0.0.1'")
    mariadb.execute(f"GRANT ALL ON {maria.name}.* TO writer@'127.0.0.1'")
    mariadb.execute("SET GLOBAL read_only = 1")
    try:
        refused(project, maria.url.replace("//root@", "//writer@"), says=[f"{maria.name} is read-only", "primary"])
    finally:
        mariadb.execute("SET GLOBAL read_only = 0")


def test_a_history_that_is_none_or_newer_or_edited(project, db):
    db.sql("CREATE TABLE whimbrel_history (x int)")
    refused(project, db.url, says=["whimbrel_history is not a history of whimbrel's", "--table"])
    db.sql("DROP TABLE whimbrel_history")
    project.ok("migrate", "-d", db.url)
    db.sql("UPDATE whimbrel_meta SET format = 99")
    refused(project, db.url, says=["format 99", "upgrade"])
    refused(project, db.url, command="status", says="format 99")
    db.sql("UPDATE whimbrel_meta SET format = 1")
    db.sql("UPDATE whimbrel_history SET outcome = 'nonsense'")
    refused(project, db.url, says="a row holds values that whimbrel does not write")
    db.sql("UPDATE whimbrel_history SET outcome = 'applied', version = 'zzz'")
    refused(project, db.url, says=["zzz", "whimbrel repair"])
    db.sql("UPDATE whimbrel_history SET version = '1', tokens = 'x', checksum = 'x'")
    refused(project, db.url, says=["1 a", "changed"])
    assert project("validate", "-d", db.url).code == 3


@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_file_that_another_process_holds(project, sqlite, mode):
    sqlite.sql("CREATE TABLE z (x)")
    holder = subprocess.Popen(
        ["python3", "-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
         f"c.execute('BEGIN {mode}'); print('held', flush=True); sys.stdin.read()", str(sqlite.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        for wait, longest in (("1s", 3), ("0", 1)):
            began = time.monotonic()
            result = refused(project, sqlite.url, "--lock-wait", wait, "--output", "json", code=4, says="--lock-wait")
            assert time.monotonic() - began < longest
            assert result.json["error"]["kind"] == "locked"
        waiting = project.start("migrate", "-d", sqlite.url, "--lock-wait", "20s")
        time.sleep(0.5)
        holder.communicate("", timeout=10)
        out, err = waiting.communicate(timeout=20)
        assert waiting.returncode == 0, err
    finally:
        holder.kill()
        holder.communicate()


def test_a_full_disk(whimbrel, sqlite):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    whimbrel.write(
        "migrations/1_a.sql",
        "CREATE TABLE a (x);\nINSERT INTO a WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)"
        " SELECT randomblob(1000) FROM c;",
    )
    disk = whimbrel.cwd / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        refused(whimbrel, f"sqlite:{disk}/x.db", says=["disk is full", "explain disk-full", "Nothing of 1 was kept", "once there is room"])
        assert states(whimbrel, f"sqlite:{disk}/x.db") == {"1": "pending"}
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_limit_of_file_sizes_is_a_full_disk(project, sqlite):
    limited = f"ulimit -f 8; exec {' '.join(project.command)} migrate -d {sqlite.url}"
    process = subprocess.run(
        ["bash", "-c", limited], cwd=project.cwd, env=project.environment(), capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 1 and "disk is full" in process.stderr, process
    assert states(project, sqlite.url) == {"1": "pending"}


# ---- migrations that take the ground away ---------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["BEGIN", "COMMIT", "ROLLBACK", "END"])
def test_a_stray_word_of_transactions(whimbrel, db, word):
    whimbrel.write("migrations/1_a.sql", f"CREATE TABLE a (x int);\n{word};\nCREATE TABLE b (x int);\n")
    refused(whimbrel, db.url, says=["migrations/1_a.sql:2:1", "explain transaction-control"])
    assert states(whimbrel, db.url) == {"1": "pending"}


def test_a_pair_of_them_is_taken_over(whimbrel, db):
    whimbrel.write("migrations/1_a.sql", "BEGIN;\nCREATE TABLE a (x int);\nCOMMIT;\n")
    whimbrel.ok("migrate", "-d", db.url)
    whimbrel.ok("status", "--check", "-d", db.url)


def test_autocommit_and_table_locks_on_mariadb(whimbrel, maria):
    whimbrel.write(
        "migrations/1_dump.sql",
        "SET autocommit=0;\nCREATE TABLE a (x int);\nLOCK TABLES `a` WRITE;\n/*!40000 ALTER TABLE `a` DISABLE KEYS */;\n"
        "INSERT INTO `a` VALUES (1),(2);\n/*!40000 ALTER TABLE `a` ENABLE KEYS */;\nUNLOCK TABLES;\nINSERT INTO a VALUES (3);\n",
    )
    assert "LOCK TABLES" in whimbrel.ok("plan", "-d", maria.url).out
    whimbrel.ok("migrate", "-d", maria.url)
    assert maria.value("SELECT count(*) FROM a") == "3"
    whimbrel.ok("status", "--check", "-d", maria.url)


@pytest.mark.parametrize("text", ["DROP TABLE whimbrel_history;", "TRUNCATE TABLE whimbrel_history;"])
def test_no_migration_drops_the_history(whimbrel, db, text):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x int);")
    whimbrel.ok("migrate", "-d", db.url)
    if db.engine == "sqlite" and text.startswith("TRUNCATE"):
        pytest.skip("SQLite has no such statement")
    whimbrel.write("migrations/2_b.sql", f"CREATE TABLE b (x int);\n{text}\n")
    refused(whimbrel, db.url, says=["migrations/2_b.sql:2:1", "explain history-table"])
    assert db.value("SELECT count(*) FROM whimbrel_history") == "1"


def test_a_migration_that_ends_its_own_connection(whimbrel, pg, maria):
    for db, text in ((pg, "SELECT pg_terminate_backend(pg_backend_pid());"), (maria, "KILL CONNECTION_ID();")):
        whimbrel.write("migrations/1_a.sql", f"CREATE TABLE a (x int);\n{text}\nCREATE TABLE b (x int);\n")
        refused(whimbrel, db.url, says=["connection to the database was lost", "migrations/1_a.sql:2:1", "Next: "])
        assert states(whimbrel, db.url)["1"] == ("pending" if db is pg else "partial")


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_on_the_server_within_a_second(whimbrel, db, number, code):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x int);")
    whimbrel.write("migrations/2_b.sql", f"CREATE TABLE b (x int);\n{SLOW[db.engine]}\n")
    process = whimbrel.start("migrate", "-d", db.url)
    time.sleep(1)
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code and time.monotonic() - began < 2, err
    assert "cancelled" in err and "migrations/2_b.sql:2:1" in err and "Next: " in err and " of 2 " in err or "Statement 1" in err
    if db.engine == "postgres":
        running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()"
    else:
        running = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%sleep(30)%' AND id <> connection_id()"
    if db.engine != "sqlite":
        assert db.value(running) == "0"
    assert states(whimbrel, db.url)["1"] == "applied"


def test_killed_in_the_middle(whimbrel, db):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x int);")
    whimbrel.write("migrations/2_b.sql", f"CREATE TABLE b (x int);\n{SLOW[db.engine]}\nCREATE TABLE c (x int);\n")
    process = whimbrel.start("migrate", "-d", db.url)
    time.sleep(1.2)
    process.kill()
    process.communicate()
    found = states(whimbrel, db.url)
    assert found["2"] in (("partial",) if db.engine == "mariadb" else ("pending",)), found
    assert found["1"] == ("pending" if db.engine == "sqlite" else "applied")
    if db.engine != "sqlite":
        whimbrel("lock", "release", "-y", "-d", db.url)
    whimbrel.write("migrations/2_b.sql", "CREATE TABLE b (x int);\nSELECT 1;\nCREATE TABLE c (x int);\n")
    result = whimbrel("migrate", "-d", db.url, "--lock-wait", "40s")
    if result.code != 0:  # a file that changed meanwhile, or a statement whose fate is not known: said, and then resumed
        assert "2" in result.err and "error: " in result.err
        result = whimbrel("resume", "--skip", "-d", db.url)
    assert result.code == 0, repr(result)
    assert db.value("SELECT count(*) FROM c") == "0"


def test_two_runs_at_once(whimbrel, db):
    for number in range(1, 6):
        whimbrel.write(f"migrations/{number}_t.sql", f"CREATE TABLE t{number} (x int);\nINSERT INTO t{number} VALUES (1);\n")
    runs = [whimbrel.start("migrate", "-d", db.url, "--output", "json") for _ in range(4)]
    answers = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, answers
    assert sum('"applied":["1"' in out for out, err in answers) == 1, answers
    assert db.value("SELECT count(*) FROM t5") == "1"
    whimbrel.ok("status", "--check", "-d", db.url)


def test_a_stored_down_that_is_broken(whimbrel, sqlite):
    up = whimbrel.write("migrations/1_a.up.sql", "CREATE TABLE a (x int);")
    down = whimbrel.write("migrations/1_a.down.sql", "DROP TABLE nowhere;")
    whimbrel.ok("migrate", "-d", sqlite.url)
    up.unlink(), down.unlink()
    result = refused(whimbrel, sqlite.url, command="rollback", says=["stored in the history:1:1", "Nothing of 1 was kept"])
    assert "once the file is mended" not in result.err
    assert states(whimbrel, sqlite.url) == {"1": "missing"}


@pytest.mark.parametrize("command, code", [(["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137)])
def test_a_command_on_a_scratch_database_that_fails(project, pg, command, code):
    before = pg.value("SELECT count(*) FROM pg_database")
    assert project("scratch", "-d", pg.url, "--", *command).code == code
    assert pg.value("SELECT count(*) FROM pg_database") == before


def test_what_a_server_says_writes_no_escape_sequences(whimbrel, pg):
    whimbrel.write("migrations/1_a.sql", "DO $$ BEGIN RAISE NOTICE E'\\x1b]0;owned\\x07'; RAISE EXCEPTION E'\\x1b[2Jgone'; END $$;")
    for extra in ([], ["-v"], ["--output", "json", "--log", "json"]):
        result = refused(whimbrel, pg.url, *extra, says="") if not extra[:1] == ["--output"] else whimbrel("migrate", "-d", pg.url, *extra)
        assert result.code == 1 and ESC not in result.out + result.err and "\x07" not in result.err


@pytest.mark.parametrize("columns", ["20", "1", "0", "-5", "99999999999999999999", "x"])
def test_narrow_and_nonsensical_terminals(project, sqlite, columns):
    for line in (["--help"], ["status"], ["plan"], ["migrate", "--progress", "bar"], ["rollback"], ["config"]):
        result = project("-d", sqlite.url, *line, env={"COLUMNS": columns})
        assert result.code == 0, repr(result)

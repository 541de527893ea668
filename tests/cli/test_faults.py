# SPDX-License-Identifier: Apache-2.0
"""Everything fails once: memory, files, network, programs, clocks. A stride of it here; each call in ./dev faults."""

import os
import pathlib
import re
import socket
import sqlite3

import pytest

import faulty

EACH = os.environ.get("WHIMBREL_FAULTS") == "each"


@pytest.fixture(scope="session")
def shim_library(program_command):
    library = pathlib.Path(program_command[-1]).parent / "tests" / "shim" / "libfaulty.so"
    if not library.exists():
        pytest.skip("the shim is not built")
    if program_command[0].endswith("valgrind"):
        pytest.skip("Valgrind has its own memory")
    return library


@pytest.fixture
def sweep(whimbrel, shim_library, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    shim = faulty.Shim(whimbrel, shim_library)
    if not EACH:
        return faulty.Sweep(shim, folder, 4)
    ledger = faulty.Ledger(os.environ.get("WHIMBREL_FAULTS_DONE"), os.environ.get("WHIMBREL_FAULTS_PART", "1/1"))
    return faulty.Sweep(shim, folder, None, ledger)


@pytest.fixture
def project(whimbrel, tmp_path):
    """Folders to start from: project(applied=True, ...) makes one."""

    def make(name, convention="whimbrel", applied=0):
        folder = tmp_path / name
        if convention == "sqlx":
            files = {
                "1_one.up.sql": "CREATE TABLE one (id integer primary key);",
                "1_one.down.sql": "DROP TABLE one;",
                "2_two.up.sql": "CREATE TABLE two (id integer primary key);\nINSERT INTO two VALUES (1);",
                "2_two.down.sql": "DROP TABLE two;",
            }
        else:
            files = {
                "1_one.up.sql": "CREATE TABLE one (id integer primary key);\nINSERT INTO one VALUES (1), (2);",
                "1_one.down.sql": "DROP TABLE one;",
                "2_two.up.sql": "CREATE TABLE two (id integer primary key);\nVACUUM;\nINSERT INTO two VALUES (1);",
                "2_two.down.sql": "DROP TABLE two;",
                "3_three.up.sql": "CREATE INDEX three ON one (id);",
                "3_three.down.sql": "DROP INDEX three;",
                "R__view.sql": "DROP VIEW IF EXISTS view; CREATE VIEW view AS SELECT id FROM one;",
                "seeds/development.sql": "INSERT OR REPLACE INTO one VALUES (9);",
            }
        for path, text in files.items():
            target = folder / "migrations" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text + "\n")
        if applied is None:
            whimbrel.ok("database", "create", *SQLITE, cwd=folder)
        elif applied:
            whimbrel.ok("migrate", "--to", applied, "-d", "sqlite:app.db", "--convention", convention, cwd=folder)
        return folder

    return make


SQLITE = ["-d", "sqlite:app.db"]
NEAR = [*SQLITE, "--convention", "whimbrel"]

# Command, how far the project has come, whether it may run again after it was done.
COMMANDS = {
    "migrate": (["migrate", *NEAR], 0, True),
    "migrate-rest": (["migrate", *NEAR], 1, True),
    "migrate-whole": (["migrate", "--to", "1", "--single-transaction", *NEAR], 0, True),
    "rollback": (["rollback", "--to", "1", *NEAR], 3, True),
    "goto": (["goto", "1", *NEAR], 3, True),
    "redo": (["redo", *NEAR], 3, False),
    "sync": (["sync", *NEAR], 1, True),
    "seed": (["seed", "development", *NEAR], 1, True),
    "stamp": (["stamp", "3", *NEAR, "-y"], 1, True),
    "baseline": (["baseline", "1", *NEAR, "-y"], None, False),
    "status": (["status", *NEAR], 1, True),
    "status-json": (["status", "--output", "json", *NEAR], 1, True),
    "plan": (["plan", *NEAR], 1, True),
    "plan-save": (["plan", "--save", "saved.plan", *NEAR], 1, True),
    "history": (["history", *NEAR], 3, True),
    "validate": (["validate", *NEAR], 3, True),
    "current": (["current", *NEAR], 3, True),
    "lock": (["lock", "list", *NEAR], 3, True),
    "repair": (["repair", "-y", *NEAR], 3, True),
    "config": (["config", *NEAR], 1, True),
    "embed": (["embed", "migrations", "-o", "embedded.h"], 0, True),
    "new": (["new", "another thing"], 0, False),
    "init": (["init"], 0, False),
    "convert": (["convert", "--to", "dbmate", "--yes", "--lossy", *NEAR], 1, True),
    "help": (["help"], 0, True),
}

def test_a_lock_that_cannot_be_given_back(sweep, project):
    """SQLite then calls a commit failed that is there for good."""
    sweep.points = 60
    scene = faulty.Scene("migrate-rest", project("start", applied=1), COMMANDS["migrate-rest"][0])
    sweep.sweep(scene, [("lock", "", "EIO")])


HOOK = "#!/bin/sh\necho called\n"


def with_hooks(folder, whimbrel):
    for name in ("before-migrate", "after-each"):
        path = folder / "migrations" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(HOOK)
        path.chmod(0o755)


def with_dotenv(folder, whimbrel):
    (folder / ".env").write_text("DATABASE_URL=sqlite:app.db\n")
    (folder / ".env").chmod(0o600)


def stopped_half_way(folder, whimbrel):
    """Its first part is committed, and the statement outside a transaction is the next."""
    killed = whimbrel("migrate", *NEAR, cwd=folder, env={"WHIMBREL_FAULT": "run.before-lone:1:kill"})
    assert killed.code == -9, repr(killed)


# What a project has besides: a file that is read, a program that is started, a run that was left half-way.
FURTHER = {
    "hooks": (with_hooks, ["migrate", *NEAR], 0),
    "dotenv": (with_dotenv, ["migrate", "--convention", "whimbrel"], 0),
    "resumed": (stopped_half_way, ["migrate", *NEAR], 1),
    "resume": (stopped_half_way, ["resume", *NEAR], 1),
}

# These write and read what nothing else does: all kinds of failure in the short version too.
THOROUGH = ["migrate", "plan-save", "new", "init", "rollback"]


@pytest.mark.parametrize("name", COMMANDS)
def test_memory_that_runs_out(sweep, project, name):
    args, applied, repeats = COMMANDS[name]
    scene = faulty.Scene(name, project("start", applied=applied), args, repeats=repeats)
    sweep.sweep(scene, [failure for failure in faulty.FAILURES if failure[0] == "malloc"])


@pytest.mark.parametrize("name", COMMANDS if EACH else THOROUGH)
def test_files_that_fail(sweep, project, name):
    args, applied, repeats = COMMANDS[name]
    scene = faulty.Scene(name, project("start", applied=applied), args, repeats=repeats)
    if not EACH:
        sweep.points = 2
    sweep.sweep(
        scene, [failure for failure in faulty.FAILURES if failure[0] != "malloc"], must_work=faulty.MUST_WORK
    )


@pytest.mark.parametrize("name", FURTHER)
def test_what_a_project_has_besides(sweep, whimbrel, project, name):
    prepare, args, applied = FURTHER[name]
    folder = project("start", applied=applied)
    prepare(folder, whimbrel)
    if not EACH:
        sweep.points = 1
    sweep.sweep(faulty.Scene(name, folder, args))


@pytest.mark.parametrize("name, applied", [("migrate", 0), ("rollback", 2), ("status", 1)])
def test_sqlx_when_things_fail(sweep, project, name, applied):
    args = [name, *(["--to", "1"] if name == "rollback" else []), *SQLITE, "--convention", "sqlx"]
    sweep.sweep(faulty.Scene(name, project("start", "sqlx", applied), args))


# ---- servers ------------------------------------------------------------------------------------------------------

NETWORK = ["connect", "socket", "send", "recv", "poll", "open", "read", "stat", "write"]


@pytest.fixture(params=["pg", "maria"])
def served(request):
    return request.getfixturevalue(request.param)


def without_kerberos(served, url):
    """The library behind libpq does not survive a failed allocation of its own, and is not wanted here."""
    return url + "?gssencmode=disable" if served.engine == "postgres" else url


ON_SERVERS = [("migrate", 0), ("status", 1), ("rollback", 3)]


@pytest.mark.parametrize("name, applied", ON_SERVERS if EACH else ON_SERVERS[:1])
def test_servers_when_things_fail(sweep, whimbrel, served, tmp_path, name, applied):
    start = tmp_path / "start"
    for number in (1, 2, 3):
        up = f"CREATE TABLE t{number} (id int);\nINSERT INTO t{number} VALUES ({number});\n"
        (start / "migrations").mkdir(parents=True, exist_ok=True)
        (start / "migrations" / f"{number}_m.up.sql").write_text(up)
        (start / "migrations" / f"{number}_m.down.sql").write_text(f"DROP TABLE t{number};\n")

    def prepare(folder):
        if applied:
            whimbrel.ok("migrate", "--to", applied, "-d", served.url, cwd=folder)

    url = without_kerberos(served, served.url)
    args = [name, *(["--to", "1"] if name == "rollback" else []), "-d", url, "--reconnect", "5s"]
    scene = faulty.Scene(name, start, args, database=faulty.ServerState(served, prepare))
    if not EACH:
        sweep.points = 1
    failures = [failure for failure in faulty.FAILURES if failure[0] in NETWORK and failure[1] == ""]
    sweep.sweep(
        scene,
        [("malloc", "", "ENOMEM"), *failures],
        must_work=[fault for fault in faulty.MUST_WORK if fault.split(":")[0] in NETWORK and (EACH or name == "migrate")],
    )


PASSWORDS = {
    "file": ["--password-file", "password"],
    "command": [],
}


@pytest.mark.parametrize("source", PASSWORDS)
def test_passwords_when_things_fail(sweep, whimbrel, served, tmp_path, source):
    """Only a server is asked with one, also where it would take none."""
    start = tmp_path / "start"
    (start / "migrations").mkdir(parents=True)
    (start / "migrations" / "1_m.sql").write_text("CREATE TABLE t (id int);\n")
    who, _, place = served.url.partition("@")
    if source == "command":
        (start / "whimbrel.toml").write_text('password_command = ["cat", "password"]\n')
    if served.engine == "mariadb":
        served.server.execute("CREATE USER IF NOT EXISTS asked@'127.0.0.1' IDENTIFIED BY 'password'")
        served.server.execute("GRANT ALL ON *.* TO asked@'127.0.0.1'")
        who = "mysql://asked"
    (start / "password").write_text("password\n")
    (start / "password").chmod(0o600)
    args = ["status", *PASSWORDS[source], "-d", without_kerberos(served, f"{who}@{place}")]
    scene = faulty.Scene(source, start, args, database=faulty.ServerState(served, lambda folder: None))
    if not EACH:
        sweep.points = 2
    calls = ["malloc", "open", "read", "stat", *(["pipe", "fork", "waitpid"] if source == "command" else [])]
    sweep.sweep(scene, [failure for failure in faulty.FAILURES if failure[0] in calls and failure[1] == ""])


# ---- clocks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", ["clock:%2:-86400", "clock:%2:86400", "clock:3+:-31536000", "clock:1+:-4102444800"])
def test_no_duration_is_negative_when_the_clock_jumps(sweep, whimbrel, project, jump):
    folder = project("start")
    shim = sweep.shim
    result = shim.run(["migrate", *NEAR], jump, folder)
    assert result.code == 0 and "-" not in re.sub(r"[a-z]-[a-z]", "", result.out + result.err), repr(result)
    told = shim.run(["history", "--output", "json", *NEAR], jump, folder)
    durations = re.findall(r'"duration_ms": ?(-?[0-9.]+)', told.out)
    assert told.code == 0 and durations and all(float(duration) >= 0 for duration in durations), repr(told)
    shim.run(["rollback", "--all", *NEAR], jump, folder)
    assert shim.run(["status", *NEAR], jump, folder).code == 0


def test_new_versions_never_collide_when_the_clock_jumps(sweep, whimbrel, tmp_path):
    names = []
    for jump in ("0", "0", "-86400", "86400", "-31536000", "0"):
        made = sweep.shim.run(["new", "again"], f"clock:1+:{jump}", tmp_path)
        assert made.code == 0, repr(made)
        names += [path.name for path in (tmp_path / "migrations").iterdir() if path.name not in names]
    versions = [name[:14] for name in names if name.endswith("up.sql") or "down" not in name]
    assert len(versions) == len(set(versions)) == 6, versions


def test_a_clock_that_stands_still_does_not_wait_for_ever(sweep, whimbrel, project, sqlite):
    folder = project("start", applied=1)
    holder = sqlite3.connect(folder / "app.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    result = sweep.shim.run(["migrate", *NEAR, "--lock-wait", "1s"], "clock:1+:stall", folder)
    holder.close()
    assert result.code == 4, repr(result)


@pytest.mark.parametrize("scheme", ["postgres", "mariadb"])
def test_a_clock_that_stands_still_does_not_connect_for_ever(sweep, tmp_path, scheme):
    """Somebody takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"{scheme}://who@127.0.0.1:{mute.getsockname()[1]}/where"
        (tmp_path / "migrations").mkdir()
        result = sweep.shim.run(["status", "-d", url, "--connect-timeout", "2s"], "clock:1+:stall", tmp_path)
    assert result.code == 1 and "connect-refused" in result.err, repr(result)


def test_a_clock_that_stands_still_does_not_seek_a_server_for_ever(sweep, tmp_path):
    """A server that ends the session and takes no other."""
    with socket.create_server(("127.0.0.1", 0)) as absent:
        port = absent.getsockname()[1]
    (tmp_path / "migrations").mkdir()
    args = ["check", "--wait", "2s", "-d", f"postgres://who@127.0.0.1:{port}/where"]
    result = sweep.shim.run(args, "clock:1+:stall", tmp_path)
    assert result.code == 1 and "connect-refused" in result.err, repr(result)

# SPDX-License-Identifier: Apache-2.0
"""A password is where it was put and in the URL that hooks are given, and nowhere else: not in what is printed, not in files, not in
the history, not where other users of the machine can read; and of the memory in one place as long as it may be needed, in none
when it is not."""

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time

import pytest

SECRET = "gEheim-7f3a"

HOOK = r"""#!/bin/sh
env > seen-environment
tr '\0' '\n' < /proc/$PPID/cmdline > seen-command
ls -l /proc/self/fd > seen-descriptors
"""

SOURCES = ["url", "variable", "dotenv", "configuration", "password-file", "password-command", "client-variable"]

# In this order on one database; what comes of each does not matter here.
COMMANDS = [
    "status", "plan", "plan --save saved.json", "migrate --plan saved.json", "migrate", "migrate -v", "rollback --dry-run",
    "rollback", "redo", "goto 1", "sync", "seed development", "history -v", "current", "heads", "lock", "check", "doctor",
    "validate --diff", "repair --yes", "stamp 1", "baseline 1", "config", "config -v", "conventions", "resume", "explain tls",
    "embed migrations -o out.c", "new another", "migrate --nonsense", "goto nowhere", "migrate --lock-wait 0",
    "migrate --table whimbrel.is.too.many", "database create", "reset --yes", "drop --yes",
]  # fmt: skip


@pytest.fixture(params=["pg", "maria"])
def guarded(request):
    """A database that somebody may use who needs a password: (database, URL without one)."""
    database = request.getfixturevalue(request.param)
    who = f"keeper_{database.name}"
    if request.param == "pg":
        database.server.execute(f"CREATE ROLE {who} LOGIN SUPERUSER PASSWORD '{SECRET}'")
        # No server here asks root or everybody for a password by itself.
        hba = database.server.data / "pg_hba.conf"
        hba.write_text(f"host all {who} 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
        database.server.execute("SELECT pg_reload_conf(), pg_sleep(0.2)")
        yield database, database.url.replace("//postgres@", f"//{who}@")
        database.sql(f"DROP OWNED BY {who}")
        database.server.execute(f"DROP ROLE {who}")
    else:
        database.server.execute(f"CREATE USER {who}@'127.0.0.1' IDENTIFIED BY '{SECRET}'")
        database.server.execute(f"GRANT ALL ON *.* TO {who}@'127.0.0.1'")
        yield database, database.url.replace("//root@", f"//{who}@")
        database.server.execute(f"DROP USER {who}@'127.0.0.1'")


def give(whimbrel, source, url):
    """Puts the password there. Gives arguments, environment and the files that hold it."""
    holder, _, rest = url.partition("@")
    full = f"{holder}:{SECRET}@{rest}"
    if source == "url":
        return ["-d", full], {}, set()
    if source == "variable":
        return [], {"WHIMBREL_DATABASE_URL": full}, set()
    if source == "dotenv":
        whimbrel.write(".env", f'DATABASE_URL="{full}"\n').chmod(0o600)
        return [], {}, {".env"}
    if source == "configuration":
        whimbrel.write("whimbrel.toml", f'database = "{full}"\n').chmod(0o600)
        return [], {}, {"whimbrel.toml"}
    if source == "password-file":
        whimbrel.write("password", f"{SECRET}\n").chmod(0o600)
        return ["-d", url, "--password-file", "password"], {}, {"password"}
    if source == "password-command":
        whimbrel.write("tell", f"#!/bin/sh\necho {SECRET}\n").chmod(0o700)
        whimbrel.write("whimbrel.toml", f'database = "{url}"\npassword_command = ["./tell"]\n')
        return [], {}, {"tell"}
    return ["-d", url], {"PGPASSWORD": SECRET, "MYSQL_PWD": SECRET}, set()


def written(whimbrel, but):
    """Path and bytes of all files below the project and the home."""
    for top in (whimbrel.cwd, whimbrel.home):
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.relpath(path, whimbrel.cwd) not in but:
                    with open(path, "rb") as file:
                        yield path, file.read()


def histories(database):
    for table in ("whimbrel_history", "whimbrel_run", "whimbrel_meta"):
        with_text = database.sql(f"SELECT * FROM {table}")
        yield table, str(with_text)


@pytest.fixture
def project_with_hook(whimbrel):
    whimbrel.write("migrations/1_a.up.sql", "CREATE TABLE a (id int);")
    whimbrel.write("migrations/1_a.down.sql", "DROP TABLE a;")
    whimbrel.write("migrations/2_b.up.sql", "CREATE TABLE b (id int);")
    whimbrel.write("migrations/2_b.down.sql", "DROP TABLE b;")
    whimbrel.write("migrations/hooks/before-migrate", HOOK).chmod(0o755)
    whimbrel.write("migrations/seeds/development.sql", "SELECT 1;")
    return whimbrel


@pytest.mark.parametrize("source", SOURCES)
def test_a_password_stays_where_it_is(project_with_hook, guarded, source):
    whimbrel = project_with_hook
    database, url = guarded
    args, env, but = give(whimbrel, source, url)
    env = {"AWS_SECRET_ACCESS_KEY": "decoy", "API_TOKEN": "decoy", **env}
    commands = COMMANDS if source == "url" else ["status", "migrate", "config", "rollback", "doctor", "goto nowhere"]
    for number, command in enumerate(commands):
        result = whimbrel(*args, *command.split(), env=env)
        assert SECRET not in result.out + result.err, repr(result)
        if number % 3 == 0:
            result = whimbrel(*args, *command.split(), "--output", "json", "--log", "json", env=env)
            assert SECRET not in result.out + result.err, repr(result)
        if command == "migrate":
            assert result.code == 0, repr(result)
            for table, text in histories(database):
                assert SECRET not in text, table
    # A statement that fails, and a server that does not know us.
    whimbrel.write("migrations/3_c.sql", "CREATE TABLE a (id int);\nSELECT * FROM nowhere;")
    result = whimbrel(*args, "migrate", env=env)
    assert result.code != 0 and SECRET not in result.out + result.err, repr(result)
    for table, text in histories(database):
        assert SECRET not in text, table

    seen = {name: (whimbrel.cwd / f"seen-{name}").read_text() for name in ("environment", "command", "descriptors")}
    assert SECRET not in seen["command"], "what every user of the machine can read"
    variables = dict(line.split("=", 1) for line in seen["environment"].splitlines() if "=" in line)
    holding = {name for name, value in variables.items() if SECRET in value}
    assert holding <= {"WHIMBREL_DATABASE_URL"}, "the URL is for the hook; nothing else is"
    assert "decoy" not in seen["environment"]
    allowed = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "PWD", "_", "SHLVL", "OLDPWD"}
    assert {name for name in variables if not name.startswith("WHIMBREL_")} <= allowed
    # 0 to 2, and the one by which ls reads the folder.
    assert sum(" -> " in line for line in seen["descriptors"].splitlines()) <= 4, seen["descriptors"]

    for path, content in written(whimbrel, but | {"seen-environment"}):
        assert SECRET.encode() not in content, path


def test_a_saved_plan_is_for_its_owner(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id int);")
    plan = whimbrel.cwd / "saved.json"
    old = os.umask(0)
    try:
        whimbrel.ok("-d", sqlite.url, "plan", "--save", "saved.json")
        assert stat.S_IMODE(plan.stat().st_mode) == 0o600
        plan.chmod(0o666)  # say, it was there before
        whimbrel.ok("-d", sqlite.url, "plan", "--save", "saved.json")
        assert stat.S_IMODE(plan.stat().st_mode) == 0o600
    finally:
        os.umask(old)
    whimbrel.ok("-d", sqlite.url, "migrate", "--plan", "saved.json")


def test_borrowed_rights_are_refused(whimbrel, program_command, tmp_path):
    if os.geteuid() != 0 or len(program_command) > 1:
        pytest.skip("only root can lend rights")
    lent = tmp_path / "lent"
    shutil.copy(program_command[-1], lent)
    lent.chmod(0o4755)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    done = subprocess.run(
        [lent, "--version"], user=65534, group=65534, extra_groups=[], cwd="/", capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    if done.returncode == 0 and os.statvfs(tmp_path).f_flag & os.ST_NOSUID:
        pytest.skip("this file system lends no rights")
    assert done.returncode == 2 and "rights that its caller does not have" in done.stderr


# ---- the password file --------------------------------------------------------------------------------------------

LIMIT = 64 * 1024


@pytest.mark.parametrize(
    "content",
    [f"{SECRET}\n", SECRET, f"{SECRET}\r\n", f"{SECRET}\nsecond line\n", SECRET + "\n" * (LIMIT - len(SECRET))],
    ids=["newline", "none", "crlf", "lines", "limit"],
)
def test_the_first_line_of_the_file_is_the_password(project_with_hook, guarded, content):
    whimbrel = project_with_hook
    _, url = guarded
    whimbrel.write("password", content).chmod(0o600)
    # It stands above the URL's own.
    holder, _, rest = url.partition("@")
    whimbrel.ok("status", "-d", f"{holder}:other@{rest}", "--password-file", "password")


@pytest.mark.parametrize(
    "content", [f" {SECRET}\n", f"{SECRET} \n", f"{SECRET}\t\n", f"\n{SECRET}\n", "", SECRET[:-1], "p\xe9\n"],
    ids=["blank", "blank-behind", "tab", "second-line", "empty", "short", "bytes"],
)  # fmt: skip
def test_and_nothing_else_is(project_with_hook, guarded, content):
    whimbrel = project_with_hook
    _, url = guarded
    (whimbrel.cwd / "password").write_bytes(content.encode("latin-1"))
    (whimbrel.cwd / "password").chmod(0o600)
    result = whimbrel("status", "-d", url, "--password-file", "password")
    assert result.code == 1 and "wrong-password" in result.err, repr(result)
    assert SECRET not in result.err


SERVER_URLS = ["postgres://who@127.0.0.1:1/where", "mysql://who@127.0.0.1:1/where"]


@pytest.mark.parametrize("url", SERVER_URLS)
def test_a_password_file_that_is_none(whimbrel, url):
    """Told before any server is asked."""
    (whimbrel.cwd / "migrations").mkdir()
    (whimbrel.cwd / "folder").mkdir()
    (whimbrel.cwd / "loop").symlink_to("loop")
    (whimbrel.cwd / "nul").write_bytes(SECRET.encode() + b"\0more\n")
    (whimbrel.cwd / "long").write_text("x" * (LIMIT + 1))
    for name, reason in (
        ("absent", "No such file"),
        ("folder", "it is a folder"),
        ("loop", "Too many levels of symbolic links"),
        ("/dev/zero", "it is not a regular file"),
        ("nul/below", "Not a directory"),
        ("nul", "the password holds a NUL byte"),
        ("long", "larger than 66 kB"),
        ("", "no such file"),
    ):
        result = whimbrel("status", "-d", url, "--password-file", name)
        told = result.err.lower()
        if name == "":  # as if it were not said
            assert result.code == 1 and "connect-refused" in told, repr(result)
        else:
            assert result.code == 2 and reason.lower() in told, repr(result)
        assert SECRET not in result.err and "Next:" not in result.out


@pytest.mark.parametrize("url", SERVER_URLS)
def test_a_password_file_that_may_not_be_read(whimbrel, program_command, url):
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may read everything, and setpriv is not here to be less")
    (whimbrel.cwd / "migrations").mkdir()
    whimbrel.write("password", SECRET).chmod(0)
    if os.geteuid() == 0:
        whimbrel.command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *program_command]
    result = whimbrel("status", "-d", url, "--password-file", "password")
    assert result.code == 2 and "Permission denied" in result.err and "Check the permissions" in result.err, repr(result)


# ---- memory -------------------------------------------------------------------------------------------------------

# The client library's own copies, as long as it is connected: libpq has the password of the connection and of its host.
THEIRS = {"pg": 2, "maria": 1}
SLEEP = {"pg": "SELECT pg_sleep(60)", "maria": "SELECT SLEEP(60)"}
SLEEPS = {
    "pg": "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
    "maria": "SELECT count(*) FROM information_schema.processlist WHERE state = 'User sleep'",
}


def places(process):
    """Where in the writable memory of a stopped process the secret stands; the client libraries' variables aside, which stay theirs to
    read again."""
    found = []
    with open(f"/proc/{process.pid}/maps") as maps, open(f"/proc/{process.pid}/mem", "rb", 0) as memory:
        for line in maps:
            addresses, rights, _, _, _, *name = line.split()
            if "w" not in rights:
                continue
            start, end = (int(address, 16) for address in addresses.split("-"))
            memory.seek(start)
            content = memory.read(end - start)
            at = content.find(SECRET.encode())
            while at >= 0:
                before = content[max(at - 24, 0) : at]
                if not before.endswith((b"PGPASSWORD=", b"MYSQL_PWD=")):
                    found.append((*name, hex(start + at), before))
                at = content.find(SECRET.encode(), at + 1)
    return found


def wait_until(what, is_so):
    for _ in range(1000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError(f"waited for 10 s: {what}")


def is_stopped(process):
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture
def observed(whimbrel, program_command, tmp_path):
    """Starts the program so that it says what it gives back with the secret in it, and stops when all is over."""
    library = pathlib.Path(program_command[-1]).parent / "tests" / "shim" / "libleftover.so"
    needed = subprocess.run(["ldd", program_command[-1]], capture_output=True, text=True).stdout
    if len(program_command) > 1 or "libasan" in needed or not library.exists():
        pytest.skip("what checks the memory here has a memory of its own")
    notes = tmp_path.parent / f"{tmp_path.name}-given-back"
    turned = bytes(byte ^ 0x5A for byte in SECRET.encode()).hex()

    def start(*args, env):
        return whimbrel.start(
            *args, env={**env, "LD_PRELOAD": library, "LEFTOVER": turned, "LEFTOVER_FILE": notes}
        )

    def ours():
        lines = notes.read_text().splitlines() if notes.exists() else []
        return [line for line in lines if pathlib.Path(line.split()[0]).name == "whimbrel"]

    start.ours = ours
    yield start
    whimbrel.end_all()  # before its database is taken away


def end_of(process, observed):
    """At the end of main(): nothing is left, and nothing was given back as it was. Lets it go."""
    wait_until("the end of main()", lambda: is_stopped(process))
    left = places(process)
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=30)
    assert left == [], out + err
    assert observed.ours() == [], out + err
    return process.returncode, out + err


@pytest.mark.parametrize("source", SOURCES)
def test_one_copy_in_memory(whimbrel, guarded, request, observed, source):
    database, url = guarded
    engine = request.node.callspec.params["guarded"]
    whimbrel.write("migrations/1_a.sql", f"CREATE TABLE a (id int);\n{SLEEP[engine]};")
    args, env, _ = give(whimbrel, source, url)
    process = observed(*args, "migrate", env=env)
    wait_until("the sleep", lambda: is_stopped(process) or str(database.value(SLEEPS[engine])) == "1")
    if is_stopped(process):
        raise AssertionError(end_of(process, observed))
    process.send_signal(signal.SIGSTOP)
    wait_until("standstill", lambda: is_stopped(process))
    found = places(process)
    assert len(found) <= THEIRS[engine] + 1, found
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    end_of(process, observed)


# What opens other connections, hands the URL on, fails, or needs no database.
ENDS = [
    "status", "migrate -v", "migrate --lock lease", "rollback --all", "doctor", "config -v", "config --output json",
    "scratch -- true", "init", "new another", "goto nowhere", "migrate --nonsense", "lock list", "database drop",
]  # fmt: skip


def test_nothing_is_left_at_the_end(project_with_hook, guarded, observed):
    whimbrel = project_with_hook
    _, url = guarded
    args, _, _ = give(whimbrel, "url", url)
    for command in ENDS:
        words, there, behind = command.partition(" -- ")
        end_of(observed(*words.split(), *args, *([there.strip(), behind] if there else []), env={}), observed)
    elsewhere = args[1].rpartition("/")[0] + "/nowhere"
    code, said = end_of(observed("status", "-d", elsewhere, env={}), observed)
    assert code == 1 and "database-absent" in said


def test_nothing_is_left_of_a_tool_s_configuration(whimbrel, guarded, observed):
    database, url = guarded
    who, place = url.partition("//")[2].split("@")
    host, port = place.partition("/")[0].split(":")
    kind = "Postgres" if database.server.engine == "postgres" else "Mysql"
    whimbrel.write("migrations/V1__a.sql", "CREATE TABLE a (id int);")
    whimbrel.write(
        "refinery.toml",
        f'[main]\ndb_type = "{kind}"\ndb_host = "{host}"\ndb_port = "{port}"\ndb_user = "{who}"\n'
        f'db_pass = "{SECRET}"\ndb_name = "{database.name}"\n',
    )
    code, said = end_of(observed("migrate", "--convention", "refinery", env={}), observed)
    assert code == 0 and "1 applied" in said, said

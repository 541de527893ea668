# SPDX-License-Identifier: Apache-2.0
"""A password is where it was put and in the URL that hooks are given, and nowhere else: not in what is printed, not in files, not in
the history, not where other users of the machine can read."""

import os
import shutil
import stat
import subprocess

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
    # No server here asks root or everybody for a password by itself.
    database, url = guarded
    if database.server.engine == "postgres":
        hba = database.server.data / "pg_hba.conf"
        line = f"host all keeper_{database.name} 127.0.0.1/32 scram-sha-256\n"
        hba.write_text(line + hba.read_text())
        database.server.execute("SELECT pg_reload_conf(), pg_sleep(0.2)")
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

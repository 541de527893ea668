# SPDX-License-Identifier: Apache-2.0
"""Where settings come from, and what `whimbrel config` says of it."""

import os

import pytest


def setting(whimbrel, key, *args, **kwargs):
    document = whimbrel.ok("config", "--output", "json", *args, **kwargs).json
    return next(row for row in document["settings"] if row["key"] == key)


def test_precedence(whimbrel):
    """Command line, environment, .env, [env.NAME], the top of the file, built-in default."""

    def table(*args, **env):
        row = setting(whimbrel, "table", *args, env=env)
        return row["value"], row["origin"]

    assert table() == (None, "default")
    whimbrel.write("whimbrel.toml", 'table = "top"\n')
    assert table() == ("top", "file")
    whimbrel.write("whimbrel.toml", 'table = "top"\nenvironment = "one"\n[env.one]\ntable = "inner"\n')
    assert table() == ("inner", "env-table")
    whimbrel.write(".env", "WHIMBREL_TABLE=dotenv\n")
    assert table() == ("dotenv", "dotenv")
    assert table(WHIMBREL_TABLE="real") == ("real", "environment")
    assert table("--table", "line", WHIMBREL_TABLE="real") == ("line", "command-line")


def test_origins_name_file_and_line(whimbrel):
    whimbrel.write("whimbrel.toml", '\n\nlock_wait = "5s"\n[env.a]\nlock_timeout = "1s"\n')
    whimbrel.write(".env", "\nWHIMBREL_ENV=a\n")
    assert setting(whimbrel, "lock_wait")["where"] == "whimbrel.toml:3"
    assert setting(whimbrel, "lock_timeout")["where"] == "whimbrel.toml:5"
    assert setting(whimbrel, "environment")["where"] == ".env:2"
    assert setting(whimbrel, "table", "--table", "x")["where"] == "--table"
    assert setting(whimbrel, "table", env={"WHIMBREL_TABLE": "x"})["where"] == "WHIMBREL_TABLE"


def test_whimbrels_own_variable_wins_over_database_url(whimbrel):
    env = {"WHIMBREL_DATABASE_URL": "sqlite:own.db", "DATABASE_URL": "sqlite:common.db"}
    assert setting(whimbrel, "database", env=env)["value"] == "sqlite:own.db"
    del env["WHIMBREL_DATABASE_URL"]
    assert setting(whimbrel, "database", env=env)["value"] == "sqlite:common.db"


def test_the_nearest_file_above_holds_and_its_paths_are_relative_to_it(whimbrel):
    whimbrel.write("whimbrel.toml", 'database = "sqlite:data/app.db"\nmigrations = "sql"\n')
    whimbrel.write("sql/1_a.sql", "CREATE TABLE a (x integer);")
    whimbrel.write("data/keep", "")
    deep = whimbrel.cwd / "one" / "two"
    deep.mkdir(parents=True)
    result = whimbrel.ok("migrate", "--output", "json", cwd=deep)
    assert result.json["applied"] == ["1"]
    assert (whimbrel.cwd / "data" / "app.db").exists()
    assert whimbrel.ok("status", "--output", "json", cwd=deep).json["migrations"][0]["path"] == "../../sql/1_a.sql"
    whimbrel.write("one/whimbrel.toml", 'migrations = "other"\n')
    assert setting(whimbrel, "migrations", cwd=deep)["value"] == ["../other"]


def test_a_file_above_that_another_user_put_there_is_not_obeyed(whimbrel):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    planted = whimbrel.write("whimbrel.toml", 'database = "postgres://me@nowhere/x"\npassword_command = ["touch", "/tmp/no"]\n')
    deep = whimbrel.cwd / "mine"
    (deep / "migrations").mkdir(parents=True)
    nobody = 65534
    os.chown(planted, nobody, nobody)
    result = whimbrel("status", cwd=deep)
    assert result.code == 2 and "../whimbrel.toml belongs to another user" in result.err and "-c ../" in result.err
    assert setting(whimbrel, "database", "-c", "../whimbrel.toml", cwd=deep)["value"] == "postgres://me@nowhere/x"
    planted.rename(whimbrel.cwd / "kept.toml")
    planted.symlink_to("kept.toml")
    os.chown(whimbrel.cwd / "kept.toml", 0, 0)
    os.chown(planted, nobody, nobody, follow_symlinks=False)
    assert whimbrel("status", cwd=deep).code == 2, "the link is another's, too"
    # Who stands in somebody's folder has chosen to.
    os.chown(deep, nobody, nobody)
    assert setting(whimbrel, "database", cwd=deep)["value"] == "postgres://me@nowhere/x"


def test_several_folders(whimbrel, sqlite):
    whimbrel.write("a/1_one.sql", "CREATE TABLE one (x integer);")
    whimbrel.write("b/2_two.sql", "CREATE TABLE two (x integer);")
    assert whimbrel.ok("-d", sqlite.url, "-m", "a", "-m", "b", "migrate", "--output", "json").json["applied"] == ["1", "2"]
    assert setting(whimbrel, "migrations", env={"WHIMBREL_MIGRATIONS": "a:b"})["value"] == ["a", "b"]
    whimbrel.write("whimbrel.toml", 'migrations = ["a", "b"]\n')
    assert setting(whimbrel, "migrations")["value"] == ["a", "b"]


def test_variables_in_the_file(whimbrel):
    whimbrel.write("whimbrel.toml", 'database = "sqlite:${NAME}.db"\ntable = "$${x}"\n')
    whimbrel.write(".env", "NAME=fromdotenv\n")
    assert setting(whimbrel, "database")["value"] == "sqlite:fromdotenv.db"
    assert setting(whimbrel, "database", env={"NAME": "real"})["value"] == "sqlite:real.db"
    assert setting(whimbrel, "table")["value"] == "${x}"
    whimbrel.write(".env", "")
    result = whimbrel("config")
    assert result.code == 2
    assert "${NAME} is set neither in the environment nor in .env" in result.err
    assert "--> whimbrel.toml:1:12" in result.err


@pytest.mark.parametrize(
    "text, place, message",
    [
        ('databse = "x"\n', "whimbrel.toml:1:1", "Did you mean 'database'?"),
        ('[env.a]\nconvetion = "x"\n', "whimbrel.toml:2:1", "convention'?"),
        ('[env.a.placeholder]\nx = "1"\n[env.b]\nenvironment = "c"\n', "whimbrel.toml:4", "environment stands at the top"),
        ("lock_wait = true\n", "whimbrel.toml:1:13", "lock_wait takes a string, not a boolean"),
        ('lock_wait = "soon"\n', "whimbrel.toml:1:13", "lock_wait takes a duration"),
        ('allow_reset = "yes"\n', "whimbrel.toml:1:15", "allow_reset takes true or false, not a string"),
        ('migrations = ["a", 1]\n', "whimbrel.toml:1:20", "migrations takes strings"),
        ('table = ["a"]\n', "whimbrel.toml:1:9", "table takes one value"),
        ('password_command = "pass show db"\n', "whimbrel.toml:1:20", "password_command takes an array"),
        ('placeholder = "x"\n', "whimbrel.toml:1:15", "placeholder takes a table"),
        ('store_limit = "much"\n', "whimbrel.toml:1:15", "store_limit takes a size"),
        ("table = \n", "whimbrel.toml:1:", ""),
        ('table = "a"\ntable = "b"\n', "whimbrel.toml:2:1", ""),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(whimbrel, text, place, message):
    whimbrel.write("whimbrel.toml", text)
    result = whimbrel("status", "-d", "sqlite:app.db")
    assert result.code == 2
    assert f"--> {place}" in result.err
    assert message in result.err
    assert not (whimbrel.cwd / "app.db").exists()


def test_an_unknown_environment_is_a_slip_where_the_file_has_environments(whimbrel):
    whimbrel.write("whimbrel.toml", "[env.staging]\n[env.production]\n")
    result = whimbrel("--env", "stagign", "config")
    assert result.code == 2
    assert "whimbrel.toml has no [env.stagign]. Did you mean 'staging'?" in result.err
    whimbrel.ok("--env", "staging", "config")
    whimbrel.write("whimbrel.toml", "")
    whimbrel.ok("--env", "anything", "config")


def test_a_named_file_has_to_be_there(whimbrel):
    for args, env in ((["-c", "x.toml"], {}), ([], {"WHIMBREL_CONFIG": "x.toml"})):
        result = whimbrel("config", *args, env=env)
        assert result.code == 2
        assert "there is no configuration file x.toml" in result.err


def test_a_wrong_value_in_the_environment_is_named(whimbrel):
    result = whimbrel("config", env={"WHIMBREL_LOCK_WAIT": "x"})
    assert result.code == 2
    assert "WHIMBREL_LOCK_WAIT takes a duration" in result.err


def test_a_broken_dotenv_is_refused_and_not_shown(whimbrel):
    whimbrel.write(".env", "A=1\nDATABASE_URL='postgres://u:hunter2@h/d\n")
    result = whimbrel("config")
    assert result.code == 2
    assert ".env:2" in result.err
    assert "hunter2" not in result.err + result.out


def test_the_text_form_lists_every_key(whimbrel):
    whimbrel.write("whimbrel.toml", 'placeholders = true\n[placeholder]\nowner = "app"\napi_token = "hunter2"\n')
    out = whimbrel.ok("config", "--set", "owner=other").out
    for key in """database migrations environment convention table namespace lock_wait lock_timeout lock_retries
        cache statement_timeout store_limit allow_reset schemas password_file password_command out_of_order placeholders
        templates""".split():
        assert f"\n{key} " in out, key
    assert "${owner}" in out and "other" in out and "--set" in out
    assert "hunter2" not in out


def test_placeholders(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE ${prefix}_a (x integer DEFAULT ${n});")
    whimbrel.write(
        "whimbrel.toml",
        'placeholders = true\n[placeholder]\nprefix = "top"\nn = 7\n[env.dev.placeholder]\nprefix = "dev"\n',
    )
    result = whimbrel.ok("migrate", "-d", sqlite.url, "-e", "dev")
    assert result.code == 0
    assert sqlite.value("SELECT count(*) FROM dev_a") in (0, "0")
    whimbrel.write("migrations/2_b.sql", "CREATE TABLE ${prfix}_b (x integer);")
    result = whimbrel("migrate", "-d", sqlite.url, "-e", "dev")
    assert result.code == 2
    assert "prfix" in result.err and "prefix" in result.err


@pytest.mark.parametrize("where", ["file", "command", "mysql_pwd", "url"])
def test_passwords_come_from_everywhere_and_are_shown_nowhere(whimbrel, where):
    secret = "hunter2"
    url, args, env = "mysql://app@127.0.0.1:1/shop", [], {}
    whimbrel.write("migrations/1_a.sql", "SELECT 1;")
    if where == "url":
        url = f"mysql://app:{secret}@127.0.0.1:1/shop"
    elif where == "mysql_pwd":
        env["MYSQL_PWD"] = secret
    elif where == "file":
        file = whimbrel.write("secret.txt", f"{secret}\n")
        file.chmod(0o600)
        args = ["--password-file", "secret.txt"]
    else:
        whimbrel.write("whimbrel.toml", f'password_command = ["printf", "{secret}\\n"]\n')
    for command in (["status"], ["migrate"], ["check"], ["doctor"], ["status", "--output", "json", "--log", "json"]):
        result = whimbrel("-d", url, *args, *command, env=env)
        assert result.code in (1, 3), repr(result)
        assert secret not in result.out + result.err
    result = whimbrel("-d", url, *args, "config", env=env)
    shown = result.out + result.err
    if where != "command":  # the command itself is no secret, what it prints is
        assert secret not in shown
    if where == "url":
        assert "mysql://app:***@127.0.0.1:1/shop" in shown


def test_a_password_file_that_others_can_read_is_mentioned(whimbrel):
    whimbrel.write("secret.txt", "x\n").chmod(0o644)
    (whimbrel.cwd / "migrations").mkdir()
    result = whimbrel("-d", "mysql://app@127.0.0.1:1/shop", "--password-file", "secret.txt", "status")
    assert "secret.txt may be read by others" in result.err


@pytest.mark.parametrize(
    "command, message",
    [('["/nowhere/pass"]', "cannot run /nowhere/pass"), ('["sh", "-c", "exit 3"]', "sh ended with exit code 3")],
)
def test_a_password_command_that_fails_is_an_error_of_configuration(whimbrel, command, message):
    whimbrel.write("whimbrel.toml", f"password_command = {command}\n")
    (whimbrel.cwd / "migrations").mkdir()
    result = whimbrel("-d", "mysql://app@127.0.0.1:1/shop", "status")
    assert result.code == 2
    assert message in result.err


def test_a_namespace_keeps_histories_apart(whimbrel, sqlite):
    whimbrel.write("a/1_a.sql", "CREATE TABLE a (x integer);")
    whimbrel.write("b/1_b.sql", "CREATE TABLE b (x integer);")
    whimbrel.ok("-d", sqlite.url, "-m", "a", "--namespace", "one", "migrate")
    whimbrel.ok("-d", sqlite.url, "-m", "b", "--namespace", "two", "migrate")
    for folder, name in (("a", "one"), ("b", "two")):
        state = whimbrel.ok("-d", sqlite.url, "-m", folder, "--namespace", name, "status", "--output", "json").json
        assert [row["state"] for row in state["migrations"]] == ["applied"]


def test_the_history_table_can_have_another_name(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x integer);")
    whimbrel.ok("-d", sqlite.url, "--table", "other_history", "migrate")
    assert sqlite.value("SELECT count(*) FROM other_history") in (1, "1")


def test_an_empty_variable_counts_as_unset(whimbrel):
    assert setting(whimbrel, "table", env={"WHIMBREL_TABLE": ""})["origin"] == "default"


def test_values_for_placeholders_that_are_not_turned_on_are_mentioned(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x integer);")
    result = whimbrel.ok("migrate", "-d", sqlite.url, "--set", "k=v")
    assert "--set has no effect" in result.err


def test_the_files_own_environment_needs_no_table(whimbrel):
    whimbrel.write("whimbrel.toml", 'environment = "development"\n[env.production]\ntable = "x"\n')
    assert setting(whimbrel, "environment")["value"] == "development"

# SPDX-License-Identifier: Apache-2.0
"""Words and options of other tools that lead to the same commands."""

import re

import pytest


@pytest.fixture
def project(whimbrel, sqlite):
    for n in range(1, 5):
        whimbrel.write(f"migrations/{n}_make_t{n}.up.sql", f"CREATE TABLE t{n} (id int);")
        whimbrel.write(f"migrations/{n}_make_t{n}.down.sql", f"DROP TABLE t{n};")
    whimbrel.ok("migrate", "--to", "2", "-d", sqlite.url)
    return whimbrel


def current(project, sqlite):
    return project.ok("status", "--output", "json", "-d", sqlite.url).json["current"]


# From version 2 of 4.
MOVES = {
    "up": "4",
    "up 1": "3",
    "run": "4",
    "upgrade": "4",
    "upgrade head": "4",
    "upgrade heads": "4",
    "upgrade +1": "3",
    "upgrade 3": "3",
    "apply 1": "3",
    "deploy": "4",
    "update": "4",
    "update-count 1": "3",
    "up-to 3": "3",
    "up-by-one": "3",
    "migrate up": "4",
    "migrate up 1": "3",
    "migrate run": "4",
    "migrate deploy": "4",
    "migrate apply 1": "3",
    "migration run": "4",
    "db migrate": "4",
    "db:migrate": "4",
    "db:migrate VERSION=3": "3",
    "db:migrate VERSION=1": "1",
    "db:migrate:up": "4",
    "db:forward": "3",
    "migrate -target=3": "3",
    "migrate --target-version 3": "3",
    "down": "1",
    "down 2": None,
    "down -all": None,
    "down-to 1": "1",
    "revert": "1",
    "migrate revert": "1",
    "migration revert": "1",
    "migrate:rollback": "1",
    "migrate:rollback --step=2": None,
    "db:rollback": "1",
    "db:rollback STEP=2": None,
    "rollback-count 2": None,
    "downgrade -1": "1",
    "downgrade base": None,
    "downgrade 1": "1",
    "migration revert --number 2": None,
    "redo": "2",
    "migration redo": "2",
    "db:migrate:redo STEP=2": "2",
    "goto 3": "3",
    "migrate goto 3": "3",
    "stamp head": "4",
    "force 1": "1",
    "force -1": None,
    "migrate force 3": "3",
    "migrate set 3": "3",
    "migrate resolve --applied 3": "3",
    "migrate override skip": "4",
    "changelog-sync": "4",
    "info": "2",
    "migrate info": "2",
    "migrate status": "2",
    "migration list": "2",
    "db status": "2",
    "migrate:status": "2",
    "db:migrate:status": "2",
    "showmigrations": "2",
    "version": "2",
    "db:version": "2",
    "verify": "2",
    "migrate validate": "2",
    "log": "2",
    "release-locks": "2",
    "list-locks": "2",
    "clear-checksums": "2",
    "-database {url} -path file://migrations up 1": "3",
    "-url=jdbc:{url} -locations=filesystem:migrations migrate": "4",
    "up 1 --database-url {url} --source migrations": "3",
    "up --migrations-dir migrations": "4",
}


@pytest.mark.parametrize("words", MOVES)
def test_words_lead_where_their_tool_would(project, sqlite, words):
    own = "{url}" in words
    project.ok(*words.format(url=sqlite.url).split(), *([] if own else ["-d", sqlite.url]))
    assert current(project, sqlite) == MOVES[words]


def test_down_alone_takes_back_one_and_says_so(project, sqlite):
    result = project.ok("migrate", "down", "-d", sqlite.url)
    assert "note: without a number golang-migrate takes back everything" in result.err
    assert current(project, sqlite) == "1"
    assert "note:" not in project.ok("migrate", "down", "1", "-d", sqlite.url).err


@pytest.mark.parametrize("words", ["clean", "migrate clean", "drop-all", "migrate reset", "migrate:fresh", "db:reset"])
def test_what_destroys_is_as_guarded_as_ever(project, sqlite, words):
    result = project(*words.split(), "-d", sqlite.url, "--yes")
    assert result.code == 2
    assert "is not allowed here" in result.err
    assert current(project, sqlite) == "2"


@pytest.mark.parametrize(
    "words", ["create add users", "add add_users", "generate add_users", "revision -m add_users", "make:migration add_users",
              "create add_users sql", "migrate add add_users", "migration generate add_users", "create -seq add_users"]
)
def test_new_files(project, words):
    words = words.replace("add users", "add_users")
    out = project.ok(*words.split()).out
    assert re.fullmatch(r"(migrations/\d+_add_users\.(up|down)\.sql\n){2}", out), out


def test_a_version_is_no_count(project, sqlite):
    for words in (["up", "20240101000000"], ["up", "make_t3"], ["down", "all"]):
        result = project(*words, "-d", sqlite.url)
        assert result.code == 2
        assert "takes how many migrations" in result.err and "goto" in result.err
    assert current(project, sqlite) == "2"


def test_slips_in_them_are_met_with_a_suggestion(whimbrel):
    assert "Did you mean 'upgrade'?" in whimbrel("upgrad").err
    assert "Did you mean '--database-url'?" in whimbrel("status", "--databse-url", "x").err
    assert whimbrel("migrate", "sttus").code == 2
    assert "there is no command 'db:migrat'" in whimbrel("db:migrat").err or "migrat" in whimbrel("db:migrat").err


def test_help_and_manual_list_them(whimbrel):
    for command, words in {
        "migrate": ["up [N]", "upgrade [head|+N|V]", "up-to V"],
        "rollback": ["downgrade [-N|base|V]", "migrate down [N]"],
        "stamp": ["force V", "migrate resolve --applied V"],
        "drop": ["clean"],
    }.items():
        text = " ".join(whimbrel.ok(command, "--help").out.split())
        whimbrel.ok("__generate", "man", "man")
        page = (whimbrel.cwd / "man" / f"whimbrel-{command}.1").read_text().replace("\\-", "-")
        for word in words:
            assert word in text and word in page, (command, word)
    listing = " ".join(whimbrel.ok("--help").out.split())
    assert "also --database-url, --url" in listing and "also --source, --path, --dir" in listing
    for shell in ("bash", "zsh", "fish"):
        assert "upgrade" in whimbrel.ok("completion", shell).out

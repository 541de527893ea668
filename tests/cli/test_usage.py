# SPDX-License-Identifier: Apache-2.0
"""How the program is called: help, slips of the fingers, options before and after the command, exit code 2."""

import re
import subprocess

import pytest

COMMANDS = """new status plan migrate rollback goto redo sync seed init conventions baseline stamp tag repair resume validate
history current heads lock rebase check doctor scratch explain config completion reset drop database""".split()
ALIASES = {
    "info": "status",
    "up": "migrate",
    "run": "migrate",
    "upgrade": "migrate",
    "down": "rollback",
    "revert": "rollback",
    "undo": "rollback",
    "downgrade": "rollback",
}
LATER = "lint test drift dump diff erd batch squash".split()
GLOBAL = """--database --migrations --env --config --convention --table --set --output --log --color --progress --yes
--quiet --verbose --help --version --lock-wait --lock-timeout --statement-timeout --password-file --namespace""".split()


def test_version(whimbrel):
    result = whimbrel.ok("--version")
    assert re.fullmatch(r"whimbrel \d+\.\d+\.\d+\n", result.out)
    assert result.err == ""


def test_help_lists_every_command_and_global_option(whimbrel):
    result = whimbrel.ok("--help")
    assert result.err == ""
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", result.out, re.MULTILINE), command
    for option in GLOBAL:
        assert option in result.out
    for command in LATER:
        assert not re.search(rf"^  {command} ", result.out, re.MULTILINE), command
    assert max(map(len, result.out.splitlines())) <= 100
    assert whimbrel.ok("-h").out == result.out == whimbrel.ok("help").out


def test_without_a_command_the_short_help_is_printed(whimbrel):
    result = whimbrel.ok()
    assert "usage: whimbrel" in result.out and "migrate" in result.out and "rebase" not in result.out


@pytest.mark.parametrize("command", [*COMMANDS, "help"])
def test_each_command_has_help_with_examples_and_exit_codes(whimbrel, command):
    result = whimbrel.ok(command, "--help")
    assert result.err == ""
    assert result.out.startswith(f"{command}: ")
    for part in [f"usage: whimbrel {command}", "Examples", "Exit codes", "  0    "]:
        assert part in result.out
    assert result.out == whimbrel.ok("help", command).out
    assert result.out == whimbrel.ok("--help", command).out
    assert max(map(len, result.out.splitlines())) <= 80 or command in ("init", "history", "completion")


@pytest.mark.parametrize("alias, command", ALIASES.items())
def test_other_spellings_of_commands(whimbrel, alias, command):
    assert whimbrel.ok(alias, "--help").out == whimbrel.ok(command, "--help").out
    also = re.search(r"^also: .*?\n\n", whimbrel.ok(command, "--help").out, re.MULTILINE | re.DOTALL)
    assert re.search(rf"\b{alias}\b", also[0])


def test_db_before_a_command_is_passed_over(whimbrel):
    assert whimbrel.ok("db", "migrate", "--help").out == whimbrel.ok("migrate", "--help").out


@pytest.mark.parametrize("command", LATER)
def test_commands_of_later_releases_say_so(whimbrel, command):
    result = whimbrel(command)
    assert result.code == 2
    assert f"this version does not have 'whimbrel {command}' yet" in result.err


@pytest.mark.parametrize("option", ["--from-diff", "--autogenerate", "--auto-down"])
def test_options_of_later_releases_say_so(whimbrel, option):
    result = whimbrel("new", "x", option)
    assert result.code == 2
    assert f"does not have 'new {option}' yet" in result.err


@pytest.mark.parametrize(
    "line, message",
    [
        (["migrat"], "error: there is no command 'migrat'. Did you mean 'migrate'?"),
        (["stauts"], "error: there is no command 'stauts'. Did you mean 'status'?"),
        (["xyzzy"], "error: there is no command 'xyzzy'\n"),
        (["migrate", "--dryrun"], "error: migrate has no option '--dryrun'. Did you mean '--dry-run'?"),
        (["migrate", "--databse", "x"], "error: migrate has no option '--databse'. Did you mean '--database'?"),
        (["--databse=x", "migrate"], "error: whimbrel has no option '--databse'. Did you mean '--database'?"),
        (["migrate", "--zzz"], "error: migrate has no option '--zzz'\n"),
        (["migrate", "-Z"], "error: migrate has no option '-Z'"),
        (["migrate", "--dry"], "error: migrate has no option '--dry'"),
        (["migrate", "--dry-run=yes"], "error: --dry-run takes no value"),
        (["migrate", "--to"], "error: --to needs a value"),
        (["migrate", "--steps", "0"], "error: migrate: --steps takes a number from 1 on, not '0'"),
        (["migrate", "--steps", "-1"], "error: migrate: --steps takes a number from 1 on, not '-1'"),
        (["migrate", "--steps", "99999999999"], "--steps takes a number"),
        (["migrate", "--phase", "expnd"], "--phase takes expand or contract, not 'expnd'. Did you mean 'expand'?"),
        (["migrate", "one"], "error: migrate takes no arguments, and 'one' is one too many"),
        (["goto"], "error: goto needs V"),
        (["goto", "1", "2"], "error: goto takes one argument, and '2' is one too many"),
        (["new"], "error: new needs NAME"),
        (["lock", "lits"], "list or release, not 'lits'. Did you mean 'list'?"),
        (["status", "--output", "xml"], "--output takes text or json, not 'xml'"),
        (["status", "--lock-wait", "soon"], "--lock-wait takes a duration"),
        (["status", "--set", "novalue"], "--set takes KEY=VALUE, not 'novalue'"),
        (["help", "migrat"], "error: there is no command 'migrat'. Did you mean 'migrate'?"),
        (["rollback", "--all", "--steps", "2"], "exclude each other"),
        (["new", "x", "--sql-only", "--dir"], "exclude each other"),
        (["status"], "error: no database is named"),
        (["-d", "oracle://x/y", "status"], "oracle"),
        (["-d", "sqllite:x.db", "status"], "sqlite"),
    ],
)
def test_a_wrong_call_is_answered_on_standard_error_with_exit_code_2(whimbrel, line, message):
    (whimbrel.cwd / "migrations").mkdir()
    result = whimbrel(*line)
    assert result.code == 2
    assert result.out == ""
    assert message in result.err
    assert result.err.startswith("error: ")
    assert list((whimbrel.cwd / "migrations").iterdir()) == []


def test_a_wrong_call_with_json_output_prints_a_document_too(whimbrel):
    result = whimbrel("migrate", "--dryrun", "--output", "json")
    assert result.code == 2
    assert result.json["error"]["kind"] == "usage"
    assert "Did you mean '--dry-run'?" in result.json["error"]["message"]
    assert "error: migrate has no option" in result.err
    result = whimbrel("--output=json", "--log=json", "migrat")
    assert result.code == 2
    assert result.json["error"]["code"] == "unknown-command"
    assert result.events[0]["event"] == "error"


def test_global_options_stand_before_or_after_the_command(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x integer);")
    first = whimbrel.ok("-d", sqlite.url, "status").out
    assert first == whimbrel.ok("status", "-d", sqlite.url).out
    assert first == whimbrel.ok("status", f"-d{sqlite.url}").out
    assert first == whimbrel.ok(f"--database={sqlite.url}", "status").out
    assert first == whimbrel.ok("-qv", "-d", sqlite.url, "db", "info").out


def test_the_last_of_a_repeated_option_counts(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x integer);")
    whimbrel.ok("-d", "sqlite:/nowhere/x.db", "-d", sqlite.url, "migrate")
    assert sqlite.value("SELECT count(*) FROM a") in (0, "0")


def test_negative_steps_are_arguments_not_options(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.up.sql", "CREATE TABLE a (x integer);")
    whimbrel.write("migrations/1_a.down.sql", "DROP TABLE a;")
    whimbrel.ok("-d", sqlite.url, "goto", "+1")
    assert whimbrel.ok("-d", sqlite.url, "goto", "-1", "--output", "json").json["rolled_back"] == ["1"]


def test_after_two_hyphens_nothing_is_an_option(whimbrel):
    result = whimbrel("goto", "--", "--help")
    assert result.code == 2 and result.out == ""
    assert "there is no folder migrations" in result.err


def test_nothing_is_loaded_for_the_version(whimbrel, program_command):
    if len(program_command) > 1:
        pytest.skip("runs under a wrapper")
    strace = subprocess.run(["sh", "-c", "command -v strace"], capture_output=True)
    if strace.returncode != 0:
        pytest.skip("strace is not installed")
    for line in (["--version"], ["--help"]):
        trace = subprocess.run(
            ["strace", "-f", "-e", "trace=openat", *program_command, *line],
            capture_output=True,
            text=True,
            cwd=whimbrel.cwd,
        )
        assert "libpq" not in trace.stderr and "libmariadb" not in trace.stderr
        assert "whimbrel.toml" not in trace.stderr and ".env" not in trace.stderr

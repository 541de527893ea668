# SPDX-License-Identifier: Apache-2.0
"""What is written where: colours, signs, the live line, questions, closed pipes, and what foreign text may not do."""

import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import termios
import time

import pytest

ESC = "\x1b"


def on_terminal(whimbrel, *args, answer=None, env=None, until="] "):
    """Runs the program on a pseudo-terminal; what it writes, and its exit code."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*whimbrel.command, *args],
        cwd=whimbrel.cwd,
        env=whimbrel.environment({"TERM": "xterm", "COLUMNS": "100", **(env or {})}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        close_fds=True,
    )
    os.close(follower)
    whimbrel.running.append(process)
    seen, answered, deadline = b"", answer is None, time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([leader], [], [], 0.1)
        if ready:
            try:
                data = os.read(leader, 65536)
            except OSError:
                break
            if not data:
                break
            seen += data
        if not answered and until.encode() in seen:
            os.write(leader, answer.encode())
            answered = True
    process.wait(timeout=10)
    os.close(leader)
    return seen.decode("utf-8", "replace"), process.returncode


@pytest.fixture
def project(whimbrel, sqlite):
    whimbrel.write("whimbrel.toml", f'database = "{sqlite.url}"\nallow_reset = true\n')
    whimbrel.write("migrations/1_a.up.sql", "CREATE TABLE a (x integer);\n")
    whimbrel.write("migrations/1_a.down.sql", "DROP TABLE a;\n")
    return whimbrel


def test_colour_on_a_terminal_only_and_never_against_no_color(project):
    assert ESC not in project.ok("status").out
    assert ESC in project.ok("status", "--color", "always").out
    assert ESC in on_terminal(project, "status")[0]
    assert ESC not in on_terminal(project, "status", env={"NO_COLOR": "1"})[0]
    assert ESC not in on_terminal(project, "status", env={"TERM": "dumb"})[0]
    assert ESC not in on_terminal(project, "status", "--color", "never")[0]
    assert ESC in on_terminal(project, "status", "--color=always", env={"NO_COLOR": "1"})[0]


def test_signs_are_ascii_where_the_locale_is_not_utf8(project):
    assert "·" in project.ok("status").out
    out = project.ok("status", env={"LC_ALL": "C"}).out
    assert out.isascii() and "app.db - SQLite" in out


def test_progress_is_a_live_line_on_a_terminal_and_plain_lines_elsewhere(project):
    seen, code = on_terminal(project, "migrate")
    assert code == 0 and f"\r{ESC}[K" in seen and "ok" in seen
    project.ok("rollback")
    result = project.ok("migrate")
    assert "\r" not in result.err and result.err.startswith("ok   1 a ")
    project.ok("rollback")
    assert f"{ESC}[K" in project.ok("migrate", "--progress", "bar").err
    assert project.ok("rollback", "--progress", "none").err == ""
    assert project.ok("migrate", "--quiet").err == ""
    assert "\r" not in on_terminal(project, "redo", "--progress", "plain")[0].replace("\r\n", "")


def test_log_json_is_one_event_a_line(project):
    result = project.ok("migrate", "--log", "json")
    events = [event["event"] for event in result.events]
    assert events[0] == "run-begin" and events[-1] == "run-end" and "step-end" in events
    assert all(re.fullmatch(r"\d{4}-.*Z", event["time"]) for event in result.events)
    step = next(event for event in result.events if event["event"] == "step-end")
    assert step["version"] == "1" and step["name"] == "a" and step["duration_ms"] >= 0


def test_a_question_on_a_terminal(project):
    project.ok("migrate")
    project.write("migrations/1_a.up.sql", "CREATE TABLE a (x bigint);\n")
    seen, code = on_terminal(project, "repair", answer="n\n")
    assert code == 0 and "Nothing was changed" in seen
    assert project("validate").code == 3
    seen, code = on_terminal(project, "repair", answer="y\n")
    assert code == 0 and "1 change made" in seen
    project.ok("validate")


def test_drop_asks_for_the_databases_name(project, sqlite):
    project.ok("migrate")
    seen, code = on_terminal(project, "drop", answer="wrong\n", until="go on")
    assert code == 2 and "nothing was changed" in seen
    assert "a" in str(sqlite.sql("SELECT name FROM sqlite_master"))
    seen, code = on_terminal(project, "drop", answer="app.db\n", until="go on")
    assert code == 0 and "dropped" in seen


@pytest.mark.parametrize("end", ["\x04", "\n", "signal", "hang-up"])
def test_a_question_that_gets_no_answer(project, sqlite, end):
    """Nothing is done, and the terminal is as it was: no question is put by switching its echo off."""
    project.ok("migrate")
    leader, follower = pty.openpty()
    before = termios.tcgetattr(follower)
    process = project.start("drop", stdin=follower, stdout=follower, stderr=follower)
    seen = b""
    while b"go on" not in seen:
        assert select.select([leader], [], [], 60)[0], seen
        seen += os.read(leader, 65536)
    assert termios.tcgetattr(follower) == before
    if end == "signal":
        process.send_signal(signal.SIGINT)
    elif end != "hang-up":
        os.write(leader, end.encode())
    else:
        os.close(follower)
        os.close(leader)
    assert process.wait(timeout=20) == (130 if end == "signal" else 2)
    if end != "hang-up":
        seen += os.read(leader, 65536)
        assert (b"interrupted; nothing was done" if end == "signal" else b"nothing was changed") in seen
        assert termios.tcgetattr(follower) == before
        os.close(follower)
        os.close(leader)
    assert "('a',)" in str(sqlite.sql("SELECT name FROM sqlite_master"))


def test_a_reader_that_has_gone_is_no_error(project):
    for number in range(2, 2000):
        project.write(f"migrations/{number}_{'x' * 40}.sql", "SELECT 1;")
    command = " ".join(project.command)
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} status | head -1; echo ${{PIPESTATUS[0]}}"],
        cwd=project.cwd, env=project.environment(), capture_output=True, text=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0" and len(done.stdout.splitlines()) == 2


def test_a_full_disk_at_standard_output_is_an_error(project):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    with open("/dev/full", "w") as full:
        process = project.start("status", stdout=full)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "cannot write standard output: No space left on device" in err


def test_closed_streams_do_no_harm(project, sqlite):
    command = " ".join(project.command)
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(["sh", "-c", f"{command} migrate {closed}"], cwd=project.cwd, env=project.environment())
        assert done.returncode == 0
    with open(project.cwd / "app.db", "rb") as file:
        assert file.read(16) == b"SQLite format 3\0"
    project.ok("status", "--check")


def test_foreign_text_cannot_write_escape_sequences(project):
    evil = f"{ESC}]0;owned\x07{ESC}[2J"
    project.write("migrations/2_b.sql", f"SELECT * FROM \"no{evil}table\u202e\";\n")
    result = project("migrate", "--color", "never")
    assert result.code == 1
    assert ESC not in result.err + result.out and "\x07" not in result.err and "\u202e" not in result.err
    assert "\\x1b" in result.err and "\\u202e" in result.err
    result = project("goto", f"a{ESC}[31m")
    assert ESC not in result.err
    assert ESC not in project("plan").out
    project.write(f"migrations/R__v{ESC}[31m.sql", "SELECT 1;")
    for line in (["status"], ["plan"], ["validate"], ["status", "-v"]):
        result = project(*line)
        assert ESC not in result.out + result.err


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 38), reason="this SQLite does not say where an error is")
def test_the_caret_stands_under_the_place_with_tabs_and_wide_characters(project):
    project.write("migrations/2_b.sql", "SELECT\t'größe 日本', nowhere FROM a;\n")
    result = project("migrate")
    lines = result.err.splitlines()
    at = next(i for i, line in enumerate(lines) if line.lstrip().startswith("1 |"))

    def columns(text):
        return sum(2 if ord(c) > 0x2E80 else 1 for c in text)

    caret = lines[at + 1].index("^")
    before = lines[at][: lines[at].index("nowhere")]
    assert columns(before) == caret, result.err


def test_quiet_and_verbose(project):
    project.write("migrations/notes.txt", "not a migration")
    assert "notes.txt" in project.ok("status", "--verbose").err
    assert project.ok("status").err == ""
    assert project.ok("migrate", "-q").out != ""


def test_the_second_signal_ends_at_once(project, sqlite):
    project.write(
        "migrations/2_slow.sql",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;",
    )
    process = project.start("migrate")
    time.sleep(0.8)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130

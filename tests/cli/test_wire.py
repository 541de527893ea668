# SPDX-License-Identifier: Apache-2.0
"""What saves time on the wire, and must not be seen elsewhere: rows of the history that bring their number with them, and
a client that is not woken for each small answer."""

import os
import re
import shutil
import subprocess

import pytest

HISTORY = "whimbrel_history"
MANY = 300
LARGEST_MARK = 1024


def add(whimbrel, folder, *versions):
    for version in versions:
        whimbrel.write(f"{folder}/{version}_t.up.sql", f"CREATE TABLE {folder}_{version} (id int);\n")
        whimbrel.write(f"{folder}/{version}_t.down.sql", f"DROP TABLE {folder}_{version};\n")


def rows(db):
    found = db.sql(f"SELECT namespace, version, ordinal FROM {HISTORY} ORDER BY ordinal")
    return [(space, version, int(ordinal)) for space, version, ordinal in found]


def test_each_new_row_is_the_last_one_of_all_namespaces(whimbrel, db):
    def call(space, *args):
        whimbrel.ok(*args, "-d", db.url, "-m", space, "--namespace", space)

    add(whimbrel, "one", 1, 2)
    add(whimbrel, "two", 1)
    call("one", "migrate")
    call("two", "migrate")
    add(whimbrel, "one", 3)
    call("one", "migrate")
    assert rows(db) == [("one", "1", 1), ("one", "2", 2), ("two", "1", 3), ("one", "3", 4)]
    # What is gone leaves its number to the next if it was the last, and to nobody if it was not.
    call("one", "rollback")
    call("one", "migrate")
    call("two", "rollback")
    add(whimbrel, "one", 4)
    call("one", "migrate")
    call("two", "migrate")
    assert rows(db) == [("one", "1", 1), ("one", "2", 2), ("one", "3", 4), ("one", "4", 5), ("two", "1", 6)]
    call("one", "redo", "--steps", "2")
    assert [(space, version) for space, version, _ in rows(db)][-2:] == [("one", "3"), ("one", "4")]
    assert len({ordinal for _, _, ordinal in rows(db)}) == 5


@pytest.mark.parametrize("remote", ["pg", "maria"])
def test_the_last_number_is_asked_for_once_and_not_for_each_row(whimbrel, proxy, request, remote):
    add(whimbrel, "migrations", *range(1, 11))
    via = proxy(request.getfixturevalue(remote), keep_bytes=1 << 20)
    whimbrel.ok("migrate", "-d", via.url)
    via.wait()
    sent = b"".join(message.payload for message in via.messages if message.side == "client").decode(errors="replace")
    # MariaDB prepares the INSERT once.
    added = re.findall(rf"INSERT INTO .?{HISTORY}.? [^;?]*;|EXECUTE whimbrel_insert [^;]*;", sent)
    assert len(added) == 10
    assert not [one for one in added if "max(" in one.lower()]


def marks(whimbrel, program_command, maria, code):
    """The low-water marks that one run gives its socket."""
    if len(program_command) > 1:
        pytest.skip("runs under a wrapper")
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("strace is not installed")
    env = whimbrel.environment()
    env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    done = subprocess.run(
        [strace, "-f", "-qq", "-o", whimbrel.cwd / "trace", "-e", "trace=setsockopt", *program_command, "migrate", "-d", maria.url],
        capture_output=True,
        text=True,
        cwd=whimbrel.cwd,
        env=env,
    )
    assert done.returncode == code, done.stderr
    trace = (whimbrel.cwd / "trace").read_text()
    return [int(mark) for mark in re.findall(r"SO_RCVLOWAT, \[(\d+)\]", trace)], done.stderr


def inserts(count, bad=None):
    return "".join(f"INSERT INTO {'nowhere' if i == bad else 't'} VALUES ({i});\n" for i in range(count))


def test_many_small_answers_wake_the_client_together(whimbrel, program_command, maria):
    whimbrel.write("migrations/1_t.sql", "CREATE TABLE t (id int);\n" + inserts(MANY))
    set_to, _ = marks(whimbrel, program_command, maria, 0)
    assert LARGEST_MARK in set_to and max(set_to) == LARGEST_MARK
    assert set_to[-1] == 1  # whoever speaks next is heard at the first byte
    assert maria.value("SELECT count(*) FROM t") in (MANY, str(MANY))


def test_an_error_amid_many_answers_is_heard(whimbrel, program_command, maria):
    """What was still expected never comes."""
    whimbrel.write("migrations/1_t.sql", "CREATE TABLE t (id int);\n")
    whimbrel.write("migrations/2_rows.sql", inserts(MANY, bad=20))
    set_to, told = marks(whimbrel, program_command, maria, 1)
    assert max(set_to) == LARGEST_MARK and set_to[-1] == 1
    assert "nowhere" in told and "2_rows.sql:21" in told, told


def said_by(whimbrel, proxy, db, *args):
    via = proxy(db, keep_bytes=1 << 20)
    whimbrel.ok(*args, "-d", via.url)
    via.wait()
    return b"\n".join(message.payload for message in via.messages if message.side == "client").decode(errors="replace")


def test_the_timeouts_are_said_also_where_the_run_itself_leaves_no_row(whimbrel, proxy, maria):
    whimbrel.write("migrations/1_t.up.sql", "CREATE TABLE t (id int);\n")
    whimbrel.ok("migrate", "-d", maria.url, "--convention", "golang-migrate")
    whimbrel.write("migrations/2_u.up.sql", "CREATE TABLE u (id int);\n")
    said = said_by(whimbrel, proxy, maria, "migrate", "--convention", "golang-migrate")
    assert said.rindex("lock_wait_timeout = 3") < said.index("CREATE TABLE u")


def test_no_table_is_made_amid_a_transaction_that_it_would_end(whimbrel, proxy, maria):
    """A node of a cluster may answer such a statement well and pass it over."""
    whimbrel.write("migrations/1_t.sql", "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\nCREATE TABLE u (id int);\n")
    said = said_by(whimbrel, proxy, maria, "migrate", "--lock", "lease")
    assert said.count("CREATE TABLE") == 6
    is_open = False
    for word in re.findall(r"START TRANSACTION|COMMIT|CREATE TABLE", said):
        assert not (word == "CREATE TABLE" and is_open), said
        is_open = word == "START TRANSACTION"

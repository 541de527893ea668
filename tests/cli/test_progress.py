# SPDX-License-Identifier: Apache-2.0
"""What is seen of work under way: which migration and statement it is, and how far the server has come."""

import json
import subprocess
import time

import pytest


class Holder:
    """A session beside the program's that holds a lock of its own until it is told to let go."""

    TAKE = {"postgres": "SELECT pg_advisory_lock(4711)", "mariadb": "DO GET_LOCK('gate', 1)"}
    GIVE = {"postgres": "SELECT pg_advisory_unlock(4711)", "mariadb": "DO RELEASE_LOCK('gate')"}
    WAIT = {"postgres": "SELECT pg_advisory_xact_lock(4711)", "mariadb": "SELECT GET_LOCK('gate', 600) FROM seq_1_to_2"}
    ASK = {
        "postgres": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND granted",
        "mariadb": "SELECT IS_USED_LOCK('gate') IS NOT NULL",
    }

    def __init__(self, db):
        self.give, self.sql = self.GIVE[db.engine], self.WAIT[db.engine]
        self.process = subprocess.Popen(
            db.client(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=db.client_environment()
        )
        self.process.stdin.write(f"{self.TAKE[db.engine]};\n")
        self.process.stdin.flush()
        wait_until(lambda: db.value(self.ASK[db.engine]) == "1")

    def let_go(self):
        self.process.communicate(f"{self.give};\n", timeout=60)


def wait_until(is_so):
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.02)


@pytest.fixture
def gate():
    """gate(db): makes migrations that wait until somebody lets go; .sql is the statement that waits."""
    holders = []

    def make(db):
        holders.append(Holder(db))
        return holders[-1]

    yield make
    for holder in holders:
        holder.process.kill()
        holder.process.communicate()


def events_until(process, is_last):
    """The events of --log json as they come, up to the first that is_last() is true of."""
    events = []
    for line in process.stderr:
        events.append(json.loads(line))
        if is_last(events[-1]):
            return events
    raise AssertionError(f"the program ended before that: {events[-3:]}")


@pytest.mark.parametrize("engine", ["pg", "maria"])
def test_confirmations_are_told_as_they_come_and_not_when_the_message_is_over(whimbrel, engine, request, gate):
    db = request.getfixturevalue(engine)
    holder = gate(db)
    for number in range(1, 41):
        whimbrel.write(f"migrations/{number:02}_m.sql", f"CREATE TABLE t{number} (x integer);")
    whimbrel.write("migrations/20_m.sql", f"CREATE TABLE t20 (x integer);\n{holder.sql};\nCREATE TABLE t20b (x integer);")
    process = whimbrel.start("migrate", "-d", db.url, "--log", "json")
    events = events_until(process, lambda e: e["event"] == "statement" and e["version"] == "20" and e["statement"] == 1)
    # All that stands in front of the statement that waits is told, and nothing behind it.
    ended = [e["version"] for e in events if e["event"] == "step-end"]
    assert ended == [f"{number:02}" for number in range(1, 20)]
    assert [e["version"] for e in events if e["event"] == "step-begin"][-1] == "20"
    assert process.poll() is None
    holder.let_go()
    rest = [json.loads(line) for line in process.stderr]
    assert process.wait(timeout=60) == 0
    assert [e["version"] for e in rest if e["event"] == "step-end"] == [f"{n:02}" for n in range(20, 41)]
    # What makes the server speak up is not shown.
    assert not [e for e in events + rest if e["event"] == "notice"]


def test_a_notice_of_the_migrations_own_is_told_beside_those_that_are_ours(whimbrel, pg):
    whimbrel.write(
        "migrations/1_a.sql",
        "CREATE TABLE a (x integer);\nUPDATE a SET x = 1;\nSELECT to_tsquery('simple', '');\n"
        "DO $$ BEGIN RAISE NOTICE 'mine'; END $$;\nDROP TABLE IF EXISTS nothing;\n",
    )
    result = whimbrel.ok("migrate", "-d", pg.url, "--log", "json")
    told = [e["message"] for e in result.events if e["event"] == "notice"]
    assert sum("lexemes" in message for message in told) == 1
    assert [message for message in told if "lexemes" not in message] == ["mine", 'table "nothing" does not exist, skipping']

# SPDX-License-Identifier: Apache-2.0
"""How often a command waits for an answer from the server, connecting apart: the same for ten migrations and for a
thousand, counted by the proxy. docs/postgresql.md and docs/mariadb-mysql.md state these numbers."""

import threading

import pytest

FEW, MANY = 10, 1000
FIRST = 20250101000000


@pytest.fixture(params=["pg", "maria"])
def remote(request):
    return request.getfixturevalue(request.param)


def version(number):
    return str(FIRST + number)


def write_migrations(whimbrel, count):
    for number in range(1, count + 1):
        name = f"migrations/{version(number)}_t{number}"
        whimbrel.write(f"{name}.up.sql", f"CREATE TABLE t{number} (id int PRIMARY KEY, name varchar(100) NOT NULL);\n")
        whimbrel.write(f"{name}.down.sql", f"DROP TABLE t{number};\n")


class Counter:
    """Calls the program by way of the proxy and gives the round trips of that one call."""

    def __init__(self, whimbrel, via, *options):
        self.whimbrel, self.via, self.options = whimbrel, via, options

    def __call__(self, *args, code=0):
        self.via.reset()
        result = self.whimbrel(*args, *self.options, "-d", self.via.url)
        assert result.code == code, repr(result)
        self.via.wait()
        count, messages = self.via.count(), list(self.via.messages)
        if count.connections == 1:
            return count.trips
        # On a slow machine a second connection looks after the first: it is not waited for.
        first = min(message.connection for message in messages)
        questions = ("Q", "query")
        return sum(message.connection == first and message.kind in questions for message in messages)


@pytest.fixture
def trips(whimbrel, proxy, remote):
    return lambda *options: Counter(whimbrel, proxy(remote, keep_bytes=1), *options)


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("convention", ["whimbrel", "sqlx"])
def test_a_run_takes_as_many_for_a_thousand_migrations_as_for_ten(whimbrel, trips, remote, count, convention):
    write_migrations(whimbrel, count)
    # What is recognised is recognised by the history from the second call on.
    # SQLx's settings of a session are said where something is to run.
    run = 4 if convention == "sqlx" else 3
    assert trips("--convention", convention)("migrate") == run
    here = trips()
    assert remote.value(f"SELECT count(*) FROM t{count}") == "0"
    assert here("migrate") == 2
    assert here("status") == 2
    assert here("check") == 2
    assert here("current") == 2
    assert here("rollback") == run
    assert here("migrate") == run
    assert here("goto", version(count - 5)) == run
    document = whimbrel.ok("status", "-d", remote.url, "--output", "json").json
    assert document["convention"] == convention
    assert [row["state"] for row in document["migrations"]].count("applied") == count - 5


def test_a_long_run_sends_shorter_messages(whimbrel, trips, pg):
    """Its plan takes room enough: 2,000 migrations are some 4 MiB, with what is said around them."""
    for number in range(1, 2 * MANY + 1):
        whimbrel.write(f"migrations/{version(number)}_t{number}.sql", "SELECT 1;\n")
    assert 8 < trips()("migrate") < 40


def test_the_first_run_asks_no_more_than_the_later_ones(whimbrel, trips, remote):
    write_migrations(whimbrel, FEW)
    here = trips()
    assert here("status") == 2
    assert here("plan") == 2
    assert here("check", code=3) == 2
    assert here("migrate", "--to", version(5)) == 3
    assert here("status") == 2
    assert here("migrate", "--dry-run") <= 5


def test_seeds_and_marks_of_the_history(whimbrel, trips, remote):
    write_migrations(whimbrel, FEW)
    whimbrel.write("migrations/seeds/dev.sql", "INSERT INTO t1 (id, name) VALUES (1, 'a');\n")
    here = trips()
    assert here("migrate", "--to", version(8)) == 3
    assert here("seed", "dev") == 3
    assert here("stamp", "head", "--yes") == 4
    assert remote.value("SELECT count(*) FROM t1") == "1"


def test_no_lock_is_left_behind(whimbrel, trips, remote):
    """Whether there was something to do, nothing, or a failure: the next run need not wait."""
    write_migrations(whimbrel, FEW)
    whimbrel.write(f"migrations/{version(90)}_bad.sql", "INSERT INTO nowhere VALUES (1);\n")
    here = trips("--lock-wait", "0")
    here("migrate", "--to", version(FEW))
    here("migrate", "--to", version(FEW))
    here("migrate", code=1)
    here("migrate", code=1)
    assert here("rollback") == 3


def test_who_finds_nothing_to_do_does_not_wait_for_the_lock(whimbrel, proxy, remote):
    """Another run holds it while one that has nothing to do comes by: that one goes its way."""
    write_migrations(whimbrel, FEW)
    whimbrel.ok("migrate", "-d", remote.url)
    whimbrel.write(f"other/{version(99)}_late.sql", "CREATE TABLE late (id int);\n")
    for number in range(1, FEW + 1):
        for way in ("up", "down"):
            source = whimbrel.cwd / "migrations" / f"{version(number)}_t{number}.{way}.sql"
            whimbrel.write(f"other/{source.name}", source.read_text())
    via = proxy(remote, keep_bytes=1 << 16)
    holds, go_on = threading.Event(), threading.Event()

    def stop_here():
        holds.set()
        go_on.wait(60)

    # The third message of the session is the run itself; the lock came with the second.
    first = whimbrel.start("migrate", "-d", via.url, "-m", "other")
    rule = via.at(3, stop_here, side="client", phase="session")
    assert holds.wait(60)
    del rule
    try:
        here = whimbrel.ok("migrate", "-d", remote.url, "--lock-wait", "0")
        assert "up to date" in here.out.lower() or "nothing" in here.out.lower()
        waits = whimbrel("migrate", "-d", remote.url, "-m", "other", "--lock-wait", "0")
        assert waits.code == 4, repr(waits)
    finally:
        go_on.set()
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, out + err
    assert remote.value("SELECT count(*) FROM late") == "0"


@pytest.mark.parametrize("round", range(3))
def test_what_the_last_holder_committed_is_seen_whatever_the_isolation(whimbrel, pg, round):
    """Sessions that keep one snapshot for a transaction would read a history older than the lock."""
    pg.sql(f"ALTER DATABASE {pg.name} SET default_transaction_isolation = 'repeatable read'")
    write_migrations(whimbrel, FEW)
    runs = [whimbrel.start("migrate", "-d", pg.url, "--lock-wait", "60s") for _ in range(4)]
    for run in runs:
        out, err = run.communicate(timeout=120)
        assert run.returncode == 0, out + err
    assert pg.value("SELECT count(*) FROM whimbrel_history") == str(FEW)

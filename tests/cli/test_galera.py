# SPDX-License-Identifier: Apache-2.0
"""Three nodes of a Galera cluster: the lock, the fence, and nodes that go. Skipped where galera-4 is not installed."""

import signal
import subprocess
import threading
import time

import galera
import pytest
import servers


@pytest.fixture(scope="module")
def cluster():
    try:
        one = galera.Galera()
    except servers.NotInstalled as missing:
        pytest.skip(str(missing))
    try:
        one.start()
        yield one
    finally:
        one.remove()


@pytest.fixture
def database(cluster, whimbrel):
    cluster.restart()
    one = cluster.create_database()
    whimbrel.write("whimbrel.toml", f'database = "{one.url}"\nlease = "4s"\nlock_retries = 100\n')
    yield one
    cluster.drop_database(one)


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def lock(whimbrel, *options):
    locks = whimbrel.ok("lock", "list", "--output", "json", *options).json["locks"]
    return locks[0] if locks else None


def test_it_is_recognised_and_served(database, cluster, whimbrel):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\nINSERT INTO a VALUES (1);\n")
    assert "a lease of 4 s in whimbrel_lock" in whimbrel.ok("doctor").out
    whimbrel.ok("migrate", "-d", database.urls[0])
    # What one node has done is known to the next at once.
    for url in database.urls[1:]:
        assert whimbrel.ok("check", "-d", url).code == 0
        assert "Nothing" in whimbrel.ok("migrate", "-d", url).out
    assert [database.on(node).value("SELECT count(*) FROM a") for node in cluster.nodes] == ["1", "1", "1"]
    assert database.sql("SELECT holder, expires FROM whimbrel_lock") == [("", None)]


def test_runners_on_all_nodes(database, whimbrel):
    whimbrel.write("migrations/01_a.sql", "CREATE TABLE a (id integer);\nINSERT INTO a VALUES (1);\n")
    for i in range(2, 9):
        whimbrel.write(f"migrations/{i:02}_b.sql", f"INSERT INTO a VALUES ({i});\nCREATE TABLE t{i} (id integer);\n")
    runners = [whimbrel.start("migrate", "-d", url, "--lock-wait", "100s") for url in database.urls * 2]
    for runner in runners:
        _, err = runner.communicate(timeout=120)
        assert runner.returncode == 0, err
    assert database.sql("SELECT id FROM a ORDER BY id") == [(str(i),) for i in range(1, 9)]


def test_a_row_that_another_node_changes(database, cluster, whimbrel):
    """What certification refuses is done again, without the statement that had committed by itself."""
    whimbrel.write("migrations/01_a.sql", "CREATE TABLE a (id integer);\n")
    whimbrel.ok("migrate")
    for i in range(2, 12):
        whimbrel.write(f"migrations/{i:02}_b.sql", f"INSERT INTO a VALUES ({i});\nCREATE TABLE t{i} (id integer);\n")
    node, ends = cluster.nodes[2], threading.Event()
    client = subprocess.Popen(
        database.on(node).client("--force"), stdin=subprocess.PIPE, env=node.environment(), text=True, stderr=subprocess.DEVNULL
    )

    def disturb():
        while not ends.wait(0.01):
            client.stdin.write("UPDATE whimbrel_lock SET program = CONCAT('x', RAND());\n")
            client.stdin.flush()

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        whimbrel.ok("migrate", "-d", database.urls[0], "--lock-wait", "60s")
    finally:
        ends.set()
        disturber.join()
        client.stdin.close()
        client.wait()
    assert database.sql("SELECT id FROM a ORDER BY id") == [(str(i),) for i in range(2, 12)]
    assert database.value("SELECT count(*) FROM whimbrel_history") == "11"


def test_ddl_that_takes_longer_than_the_lease(database, cluster, whimbrel):
    """It keeps the renewals on every node waiting: the lease begins anew behind it."""
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\nINSERT INTO a SELECT seq FROM seq_1_to_300;\n")
    whimbrel.write("migrations/2_b.sql", "ALTER TABLE a ADD c text AS (SHA2(CONCAT(id, REPEAT('x', 1000000)), 512)) STORED;\n")
    whimbrel.write("migrations/3_c.sql", "CREATE TABLE c (id integer);\n")
    whimbrel.ok("migrate", "-d", database.urls[0], "--lease", "1s")
    assert database.value("SELECT count(*) FROM whimbrel_history") == "3"
    # Still held at the end, and given back then.
    assert database.sql("SELECT holder, expires FROM whimbrel_lock") == [("", None)]


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_runner_that_was_stopped_for_too_long_writes_nothing(database, whimbrel, is_taken):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\n")
    whimbrel.ok("migrate")
    whimbrel.write("migrations/2_b.sql", "INSERT INTO a VALUES (1);\n")
    whimbrel.write("migrations/3_c.sql", "CREATE TABLE c (id integer);\n")
    stopped = whimbrel.start("migrate", "-d", database.urls[0], "--lease", "1s", env={"WHIMBREL_FAULT": "run.before-chunk:1:stop"})
    wait_for(lambda: lock(whimbrel))
    wait_for(lambda: lock(whimbrel, "-d", database.urls[1]) is None)
    if is_taken:
        whimbrel.ok("migrate", "-d", database.urls[1])
    stopped.send_signal(signal.SIGCONT)
    _, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 1 and "lease-lost" in err, err
    assert database.value("SELECT count(*) FROM a") == ("1" if is_taken else "0")
    assert database.value("SELECT count(*) FROM whimbrel_history") == ("3" if is_taken else "1")


def test_a_node_dies_under_a_run(database, cluster, whimbrel):
    """The URL names all nodes: the run goes on at the next."""
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\n")
    whimbrel.write("migrations/2_b.sql", "INSERT INTO a VALUES (1);\nSELECT SLEEP(3);\n")
    whimbrel.write("migrations/3_c.sql", "CREATE TABLE c (id integer);\n")
    runner = whimbrel.start("migrate", "--lease", "10s", "--reconnect", "60s")
    wait_for(lambda: lock(whimbrel, "-d", database.urls[1]))
    time.sleep(1)
    cluster.nodes[0].kill()
    _, err = runner.communicate(timeout=90)
    assert runner.returncode == 0, err
    assert database.value("SELECT count(*) FROM a") == "1"
    assert database.value("SELECT count(*) FROM whimbrel_history") == "3"


def test_a_node_that_is_cut_off(database, cluster, whimbrel):
    """It says so, and another node is taken where one is named."""
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\n")
    node = cluster.nodes[0]
    node.execute("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")
    try:
        wait_for(lambda: node.status("ready") == "OFF")
        refused = whimbrel.run("migrate", "-d", database.urls[0])
        assert refused.code == 1 and "node-not-ready" in refused.err, refused.err
        wait_for(lambda: cluster.nodes[1].status("ready") == "ON")
        whimbrel.ok("migrate")
    finally:
        node.execute("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'")
        cluster.wait_until_whole()
    assert database.on(node).value("SELECT count(*) FROM whimbrel_history") == "1"

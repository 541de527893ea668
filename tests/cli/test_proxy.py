# SPDX-License-Identifier: Apache-2.0
"""The proxy between client and server, tried with the servers' own clients: what it counts, delays and cuts."""

import subprocess
import tempfile
import threading
import time

import pytest

from proxy import AFTER, BEFORE, CLIENT, SERVER, SESSION


@pytest.fixture(params=["pg", "maria"])
def remote(request):
    return request.getfixturevalue(request.param)


def client(database, proxy, *statements):
    """The vendor's client by way of the proxy: a statement a round trip."""
    if database.engine == "postgres":
        command = ["psql", "-X", "-q", "-A", "-t", "-d", proxy.url + "?sslmode=disable&gssencmode=disable"]
        for statement in statements:
            command += ["-c", statement]
        text = None
    else:
        command = [database.client()[0], "--no-defaults", "-h127.0.0.1", f"-P{proxy.port}", "-uroot", "--batch"]
        command += ["--skip-column-names", "--skip-reconnect", "--disable-auto-rehash", database.name]
        text = ";\n".join(statements)
    done = subprocess.run(
        command, input=text, env=database.client_environment(), capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout.split(), done.stderr


def test_trips_and_messages_are_counted_and_logging_in_apart(remote, proxy):
    via = proxy(remote, keep_bytes=100)
    code, out, err = client(remote, via, "SELECT 1")
    via.wait()
    assert (code, out) == (0, ["1"]), err
    one = via.count()
    assert one.connections == 1 and one.connect_trips >= 1 and one.bytes > 0
    assert [message.payload for message in via.messages if b"SELECT 1" in message.payload] != []
    assert [message.number for message in via.messages] == list(range(1, len(via.messages) + 1))
    via.reset()
    code, out, err = client(remote, via, *["SELECT 1"] * 6)
    via.wait()
    assert (code, out) == (0, ["1"] * 6), err
    six = via.count()
    assert six.trips - one.trips == 5
    assert six.client_messages - one.client_messages == 5
    assert six.connect_trips == one.connect_trips


def test_a_large_answer_comes_whole_in_one_trip(remote, proxy):
    via = proxy(remote)
    statement = "SELECT repeat('x', 7000000), repeat('y', 7000000)"
    code, out, err = client(remote, via, statement)
    via.wait()
    assert code == 0, err
    assert sum(len(part) for part in out) >= 14000000
    assert via.count().bytes > 14000000


def test_a_delay_lies_on_the_way_there_and_back(remote, proxy):
    via = proxy(remote, delay_s=0.03)
    began = time.monotonic()
    code, _, err = client(remote, via, *["SELECT 1"] * 5)
    took = time.monotonic() - began
    via.wait()
    assert code == 0, err
    count = via.count()
    # Never less than what it says, however busy the machine is.
    assert took >= (count.trips + count.connect_trips) * 0.06


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_a_cut_before_and_after_a_message(remote, proxy, how):
    remote.sql("CREATE TABLE t (a integer)")
    via = proxy(remote, keep_bytes=100)
    assert client(remote, via, "INSERT INTO t VALUES (1)")[0] == 0
    via.wait()
    (insert,) = [message for message in via.messages if b"INSERT INTO" in message.payload]
    for when, rows in [(BEFORE, "1"), (AFTER, "2")]:
        via.reset()
        rule = via.at(insert.of_side, how, side=CLIENT, when=when)
        code, _, err = client(remote, via, "INSERT INTO t VALUES (1)")
        via.wait()
        assert code != 0 and err, (when, code)
        assert b"INSERT" in rule.message.payload
        end = time.monotonic() + 10
        while remote.value("SELECT count(*) FROM t") != rows and time.monotonic() < end:
            time.sleep(0.01)  # the server is still at it
        assert remote.value("SELECT count(*) FROM t") == rows, when
    assert client(remote, via, "INSERT INTO t VALUES (1)")[0] == 0
    assert remote.value("SELECT count(*) FROM t") == "3"


def test_a_stall_holds_until_it_flows_and_a_call_comes_in_between(remote, proxy):
    via = proxy(remote)
    seen, answer = [], []
    via.at(1, lambda: seen.append(remote.value("SELECT 2")), side=CLIENT, phase=SESSION)
    rule = via.at(1, "stall", side=SERVER, when=AFTER, phase=SESSION)
    thread = threading.Thread(target=lambda: answer.append(client(remote, via, "SELECT 1")))
    thread.start()
    assert rule.struck.wait(30)
    assert not answer and seen == ["2"]
    via.flow()
    thread.join(60)
    assert answer[0][:2] == (0, ["1"]), answer


def test_a_refusing_proxy_lets_nobody_in(remote, proxy):
    via = proxy(remote)
    via.refuse()
    assert client(remote, via, "SELECT 1")[0] != 0
    via.refuse(False)
    assert client(remote, via, "SELECT 1")[0] == 0


def test_a_local_socket_can_be_on_either_side(pg, proxy):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        listen = f"{folder}/.s.PGSQL.{pg.server.port}"
        via = proxy(pg, listen=listen, target=f"{pg.server.folder}/.s.PGSQL.{pg.server.port}")
        done = subprocess.run(
            ["psql", "-X", "-A", "-t", "-h", folder, "-p", str(pg.server.port), "-U", "postgres", pg.name]
            + ["-c", "SELECT 7"],
            env=pg.client_environment(),
            capture_output=True,
            text=True,
        )
        via.wait()
        assert done.stdout.strip() == "7", done.stderr
        assert via.count().trips == 1


def test_the_program_works_through_it(whimbrel, remote, proxy):
    via = proxy(remote)
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);")
    whimbrel.ok("migrate", "-d", via.url)
    via.wait()
    assert via.count().trips > 0
    assert whimbrel.ok("status", "-d", remote.url, "--output", "json").json["state"] == "up-to-date"

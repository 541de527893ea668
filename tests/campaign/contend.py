#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many runners at once, with random kills and stops among them: each migration runs exactly once.

    contend.py [ENGINE] [RUNNERS] [ROUNDS] [SEED]

ENGINE is postgres, pooled (through PgBouncer), mariadb, lease (MariaDB, with a lease for a lock), sqlite, all of these, or
galera: three nodes, the runners spread over them, and one node killed amid each round and started again after it. Every
migration inserts its number into a table without a unique key; at the end each number is there once. What is drawn at
random hangs on the round's seed, which is printed: to do a round again, give its engine, runners, 1 and the seed.
"""

import collections
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))

import galera  # noqa: E402
import servers  # noqa: E402

ENGINES = ["postgres", "pooled", "mariadb", "lease", "sqlite"]
LEASE_S = 2
CLUSTER_LEASE_S = 6  # longer than the nodes need to notice that one is gone: until then nothing can be committed
ROUND_S = 240
MIGRATIONS = 14


class Failed(Exception):
    pass


# ---- the project ---------------------------------------------------------------------------------------------------


def migration(engine, number, draw):
    """SQL that leaves its number in the table proof, and takes a while."""
    proof = f"INSERT INTO proof VALUES ({number});\n"
    table = f"CREATE TABLE t{number} (id integer, other integer);\n"
    pause = round(draw.uniform(0.01, 0.25), 2)
    sleep = {"postgres": f"SELECT pg_sleep({pause});\n", "mariadb": f"SELECT SLEEP({pause});\n", "sqlite": ""}[engine]
    if number == 1:
        return "CREATE TABLE proof (migration integer);\n" + proof
    kinds = ["ddl", "data", "both", "many"] + {"postgres": ["concurrently"] * 2, "sqlite": ["vacuum"]}.get(engine, [])
    kind = draw.choice(kinds)
    if kind == "ddl":
        return table + proof + sleep
    if kind == "data":
        return sleep + proof + "UPDATE proof SET migration = migration;\n"
    if kind == "both":
        return proof + table + f"INSERT INTO t{number} VALUES (1, 2);\n" + sleep + f"CREATE INDEX i{number} ON t{number} (id);\n"
    if kind == "many":
        return table + "".join(f"INSERT INTO t{number} VALUES ({i}, {i});\n" for i in range(300)) + proof
    if kind == "vacuum":
        return table + "VACUUM;\n" + proof
    return table + f"CREATE INDEX CONCURRENTLY c{number} ON proof (migration);\n" + proof + sleep


def make_project(folder, engine, url, draw, is_leased, lease_s=LEASE_S):
    (folder / "migrations").mkdir(parents=True)
    (folder / "seeds").mkdir()
    lock = 'lock = "lease"\n' if is_leased else ""
    (folder / "whimbrel.toml").write_text(f'database = "{url}"\nlease = "{lease_s}s"\nlock_retries = 200\n{lock}')
    for number in range(1, MIGRATIONS + 1):
        path = folder / "migrations" / f"{number:03d}_m.sql"
        path.write_text(migration(engine, number, draw))
    seed = folder / "migrations" / "seeds"
    seed.mkdir()
    (seed / "here.sql").write_text("INSERT INTO proof VALUES (-1);\n")


# ---- runners -------------------------------------------------------------------------------------------------------


class Runner:
    def __init__(self, program, folder, draw, is_first, urls=(), lease_s=LEASE_S):
        self.is_seed = not is_first and draw.random() < 0.1
        self.fate = "runs" if is_first else draw.choices(["runs", "killed", "stopped"], [6, 2, 2])[0]
        # Most are struck while they hold the lock; their time counts from then.
        self.waits = draw.random() < 0.7
        self.at = draw.uniform(0, 0.6) if self.waits else draw.uniform(0, 3)
        self.until = self.at + draw.uniform(0.2, 2.2) * lease_s
        self.began = 0
        command = ["seed", "here"] if self.is_seed else ["migrate"]
        url_options = ["-d", draw.choice(urls)] if urls and not is_first else []
        self.log = open(folder / f"log-{draw.random()}", "w+")
        self.process = subprocess.Popen(
            [*program, *command, *url_options, "--lock-wait", f"{ROUND_S}s", "--log", "json"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        )
        # One that knows its own node only may lose it, and a seed is not taken up again; the first knows all.
        self.may_lose_node = len(url_options) > 0 and (self.is_seed or "," not in url_options[-1])

    def tick(self, elapsed):
        """Does to it what is due; whether it is over."""
        if self.process.poll() is not None:
            return True
        if self.waits and '"step-begin"' in self.said():
            self.waits, self.began = False, elapsed
        since = elapsed - self.began
        if self.waits or self.fate == "runs" or since < self.at:
            return False
        if self.fate == "killed":
            self.process.kill()
        else:
            self.process.send_signal(signal.SIGSTOP if since < self.until else signal.SIGCONT)
        return False

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


def run_all(program, folder, draw, count, urls=(), strike=None, lease_s=LEASE_S):
    began = time.monotonic()
    runners = [Runner(program, folder, draw, i == 0, urls, lease_s) for i in range(count)]
    try:
        while not all([runner.tick(time.monotonic() - began) for runner in runners]):
            if time.monotonic() - began > ROUND_S:
                raise Failed("the runners do not come to an end")
            if strike and strike(runners, time.monotonic() - began):
                strike = None
            time.sleep(0.02)
        return check_runners(runners)
    finally:
        for runner in runners:
            runner.end()


def check_runners(runners):
    """How they ended; an undisturbed one must have ended well, a stopped one well or without its lease."""
    ends = collections.Counter()
    for runner in runners:
        code, said = runner.process.returncode, runner.said()
        gone = ("connection-lost", "connect-refused", "node-not-ready", "access-refused")
        lost = "lease-lost" in said or "connection-lost" in said
        # Sought again, what it had left was done by another meanwhile.
        overtaken = '"plan-outdated"' in said and "seeking a new one" in said
        lost = lost or overtaken or (runner.may_lose_node and any(f'"{word}"' in said for word in gone))
        told = "lease lost" if "lease-lost" in said else "overtaken" if overtaken else "connection lost"
        end = "ok" if code == 0 else "killed" if code == -signal.SIGKILL else told if lost else f"exit {code}"
        ends[f"{runner.fate}: {end}"] += 1
        # Seeds may come before the table.
        if end.startswith("exit") and not runner.is_seed or (runner.fate == "runs" and lost and not overtaken and not runner.may_lose_node):
            raise Failed(f"a runner that {runner.fate} ended with {code}:\n{said[-3000:]}")
    seeded = [runner for runner in runners if runner.is_seed]
    sure = sum(runner.process.returncode == 0 for runner in seeded)
    # A seed that had been sent cannot know when it was killed, or its node was, while it committed. One that had not, has not run.
    maybe = sum(
        runner.process.returncode != 0
        and '"event":"seed"' in runner.said()
        and (runner.process.returncode == -signal.SIGKILL or runner.fate == "stopped" or runner.may_lose_node)
        for runner in seeded
    )
    return ends, sure, sure + maybe


# ---- a round -------------------------------------------------------------------------------------------------------


def check_database(database, least_seeds, most_seeds):
    found = collections.Counter(int(row[0]) for row in database.sql("SELECT migration FROM proof"))
    seeds = found.pop(-1, 0)
    wanted = collections.Counter(range(1, MIGRATIONS + 1))
    if found != wanted:
        raise Failed(f"migrations did not run once each: {dict(found)}")
    if not least_seeds <= seeds <= most_seeds:
        raise Failed(f"{seeds} seeds where {least_seeds} to {most_seeds} are possible")
    rows = database.value("SELECT count(*) FROM whimbrel_history WHERE outcome = 'applied'")
    if int(rows) != MIGRATIONS:
        raise Failed(f"the history has {rows} applied rows")
    if database.engine != "postgres":
        return
    if database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") != "0":
        raise Failed("an index is invalid")
    if database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != "0":
        raise Failed("an advisory lock was left behind")
    log = database.server.log.read_text(errors="replace")
    if "deadlock detected" in log:
        raise Failed("the server found a deadlock:\n" + log[-3000:])


def play_round(program, engine, database, url, runners, seed, is_leased=False):
    """One round on a fresh database; raises Failed. What came of the runners, as a line."""
    draw = random.Random(f"{engine} {runners} {seed}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="contend-", dir="/tmp"))
    began = time.monotonic()
    try:
        make_project(folder, database.engine, url, draw, is_leased)
        ends, least, most = run_all(program, folder, draw, runners)
        last = subprocess.run(
            [*program, "migrate", "--lock-wait", "90s"], cwd=folder, capture_output=True, text=True, timeout=120
        )
        if last.returncode != 0:
            raise Failed(f"the last run ended with {last.returncode}:\n{last.stderr[-3000:]}")
        check_database(database, least, most)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    return f"{engine}: {runners} runners, seed {seed}, {time.monotonic() - began:.0f} s: {told}"


# ---- a cluster -----------------------------------------------------------------------------------------------------


def play_cluster_round(program, cluster, runners, seed):
    """A round in which a node is killed; each node that is left, and the killed one when it is back, holds the same."""
    draw = random.Random(f"galera {runners} {seed}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="contend-", dir="/tmp"))
    database = cluster.create_database()
    victim, at, began = draw.choice(cluster.nodes), draw.uniform(0.05, 2), time.monotonic()
    struck = []

    def strike(all_runners, elapsed):
        if not struck and any('"step-begin"' in runner.said() for runner in all_runners):
            struck.append(elapsed)
        if not struck or elapsed - struck[0] < at:
            return False
        victim.kill()
        return True

    try:
        make_project(folder, database.engine, database.url, draw, False, CLUSTER_LEASE_S)
        ends, least, most = run_all(program, folder, draw, runners, [database.url, *database.urls], strike, CLUSTER_LEASE_S)
        last = subprocess.run(
            [*program, "migrate", "--lock-wait", "90s"], cwd=folder, capture_output=True, text=True, timeout=120
        )
        if last.returncode != 0:
            raise Failed(f"the last run ended with {last.returncode}:\n{last.stderr[-3000:]}")
        cluster.restart()
        for node in cluster.nodes:
            check_database(database.on(node), least, most)
        schemas = [database.on(node).sql(SCHEMA) for node in cluster.nodes]
        if schemas[1:] != schemas[:-1]:
            raise Failed(f"the nodes' schemas differ: {schemas}")
        locks = database.on(cluster.nodes[-1]).sql("SELECT holder, expires FROM whimbrel_lock")
        if locks != [("", None)]:
            raise Failed(f"the lock is not free: {locks}")
        for node in cluster.nodes:
            log = node.log.read_text(errors="replace")
            if "Inconsistency" in log or "inconsistent" in log:
                raise Failed(f"node {node.number + 1} has left the others")
        cluster.drop_database(database)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    return (
        f"galera: {runners} runners, node {victim.number + 1} killed {at:.1f} s after the first migration began, seed {seed}, "
        f"{time.monotonic() - began:.0f} s: {told}"
    )


SCHEMA = (
    "SELECT table_name, column_name, column_type, column_key FROM information_schema.columns "
    "WHERE table_schema = DATABASE() ORDER BY 1, 2"
)


def play_cluster(program, runners, rounds, seed):
    cluster = galera.Galera()
    try:
        cluster.start()
        for number in range(rounds):
            print(f"galera: round {number + 1} of {rounds}, seed {seed + number}", flush=True)
            print(play_cluster_round(program, cluster, runners, seed + number), flush=True)
    finally:
        cluster.remove()


def play(program, engine, runners, rounds, seed):
    if engine == "galera":
        play_cluster(program, runners, rounds, seed)
        return
    kind = {"postgres": servers.Postgres, "pooled": servers.Postgres}.get(engine, servers.MariaDb)
    server = None if engine == "sqlite" else kind()
    pool = None
    try:
        if server:
            server.start()
        if engine == "pooled":
            pool = servers.PgBouncer(server)
        for number in range(rounds):
            one = seed + number
            print(f"{engine}: round {number + 1} of {rounds}, seed {one}", flush=True)
            if engine == "sqlite":
                with tempfile.TemporaryDirectory() as folder:
                    database = servers.SqliteDatabase(pathlib.Path(folder) / "app.db")
                    print(play_round(program, engine, database, database.url, runners, one), flush=True)
                continue
            database = server.create_database()
            url = pool.url(database) if pool else database.url
            print(play_round(program, engine, database, url, runners, one, engine == "lease"), flush=True)
            server.drop_database(database)
    finally:
        if pool:
            pool.remove()
        if server:
            server.remove()


def main(arguments):
    engine = arguments[0] if arguments else "all"
    runners, rounds = (int(word) for word in [*arguments[1:3], *["50", "3"][len(arguments[1:3]) :]])
    seed = int(arguments[3]) if len(arguments) > 3 else random.SystemRandom().randrange(1 << 30)
    if engine not in [*ENGINES, "galera", "all"]:
        sys.exit(f"there is no engine {engine}; there are: all galera {' '.join(ENGINES)}")
    program = [os.environ.get("WHIMBREL_PROGRAM", str(ROOT / "build" / "whimbrel"))]
    for one in ENGINES if engine == "all" else [engine]:
        try:
            play(program, one, runners, rounds, seed)
        except Failed as failure:
            sys.exit(f"FAILED {one}, {runners} runners, seeds from {seed}: {failure}")
    print("each migration ran exactly once")


if __name__ == "__main__":
    main(sys.argv[1:])

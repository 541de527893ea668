#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast whimbrel is, beside the vendors' clients and other tools: ./dev bench [WHAT ...]

Every figure is the median of interleaved runs: in each round each tool runs once, in an order that turns. A ratio is the
median of the ratios within the rounds, so that a slow minute of the machine hits both sides. Processor time and peak
memory are the kernel's own count for the tool and its children (bench/measure.c), never the server's.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "cli"))

import peers  # noqa: E402
import proxy  # noqa: E402
import servers  # noqa: E402
from peers import ALL, MARIADB, POSTGRES, SERVERS, SQLITE, Call, Migration, Target  # noqa: E402

WORDS = ("start", "apply", "status", "nothing", "rollback", "inserts", "latency", "large")
TITLES = {
    "start": "Cold start: `--version`",
    "apply": "Apply all",
    "status": "Status",
    "nothing": "Nothing pending",
    "rollback": "Roll back the last 100",
    "inserts": "One migration of 100,000 INSERTs",
    "latency": "Through 5 ms each way",
    "large": "One migration of 1 GB",
}
DELAY_US = 5000
INSERTS = 100_000
LARGE_ROWS, LARGE_ROW_BYTES = 100_000, 10_000
VENDOR, OURS, EMPTY = "vendor's client", "whimbrel", "empty C program"
TABLE_COUNT = {
    POSTGRES: "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'bench\\_t%'",
    MARIADB: "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'bench\\_t%'",
    SQLITE: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name LIKE 'bench@_t%' ESCAPE '@'",
}


class Failed(Exception):
    """A tool did not do what was asked; it is left out of what follows, and said so."""


# ---- the migrations ----------------------------------------------------------------------------------------------


def migration(number, engine):
    """Five in turn: a table, an index, rows, a column, a change of rows."""
    kind, table = (number - 1) % 5, f"bench_t{(number - 1) // 5 + 1}"
    on = f" ON {table}" if engine == MARIADB else ""
    up, down = (
        (
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, email VARCHAR(200) NOT NULL, amount INTEGER NOT NULL DEFAULT 0);\n",
            f"DROP TABLE {table};\n",
        ),
        (f"CREATE INDEX {table}_email ON {table} (email);\n", f"DROP INDEX {table}_email{on};\n"),
        (
            "".join(f"INSERT INTO {table} (id, email) VALUES ({i}, 'user{i}@example.org');\n" for i in range(1, 4)),
            f"DELETE FROM {table};\n",
        ),
        (f"ALTER TABLE {table} ADD COLUMN note VARCHAR(50);\n", f"ALTER TABLE {table} DROP COLUMN note;\n"),
        (f"UPDATE {table} SET amount = amount + id;\n", f"UPDATE {table} SET amount = amount - id;\n"),
    )[kind]
    return Migration(number, up, down)


def migrations_of(count, engine):
    return [migration(number, engine) for number in range(1, count + 1)]


def inserts_migration(engine):
    rows = "".join(
        f"INSERT INTO bench_t1 (id, email, amount) VALUES ({i}, 'user{i}@example.org', {i % 97});\n"
        for i in range(1, INSERTS + 1)
    )
    first = migration(1, engine)
    return Migration(1, first.up + rows, first.down)


def write_large(path):
    row = "abcdefghi " * (LARGE_ROW_BYTES // 10)
    with open(path, "w", encoding="utf-8") as file:
        file.write("CREATE TABLE bench_t1 (id INTEGER PRIMARY KEY, body TEXT NOT NULL);\n")
        for i in range(1, LARGE_ROWS + 1):
            file.write(f"INSERT INTO bench_t1 VALUES ({i}, '{row}');\n")


# ---- measuring ---------------------------------------------------------------------------------------------------


class Place:
    """The temporary folder, with what is compiled on the spot, and how a call is made and measured."""

    def __init__(self, folder, limit_s):
        self.folder, self.limit_s = folder, limit_s
        self.home = folder / "home"
        self.home.mkdir()
        (folder / "empty.c").write_text("int main(void)\n{\n    return 0;\n}\n")
        self.measure = self.compile(ROOT / "bench" / "measure.c", "measure")
        self.relay = self.compile(ROOT / "bench" / "relay.c", "relay")
        self.empty = self.compile(folder / "empty.c", "empty")

    def compile(self, source, name):
        program = self.folder / name
        subprocess.run(["cc", "-O2", "-o", program, source], check=True)
        return program

    def run(self, call, limit_s=None):
        """What the call took, as measure.c says it. Raises Failed unless it ends with 0 within the limit."""
        result, errors = self.folder / "result", self.folder / "errors"
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8", **call.env}
        with contextlib.ExitStack() as stack:
            stdin = stack.enter_context(open(call.stdin or os.devnull, "rb"))
            stderr = stack.enter_context(open(errors, "wb"))
            process = subprocess.Popen(
                [self.measure, result, *call.argv],
                cwd=call.cwd or self.folder,
                env=env,
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
            try:
                process.wait(limit_s or self.limit_s)
            except subprocess.TimeoutExpired:
                raise Failed(f"took longer than {limit_s or self.limit_s:g} s") from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        took = json.loads(result.read_text() or "{}")
        if took.get("code") != 0:
            lines = errors.read_text(errors="replace").strip().splitlines()
            raise Failed(f"exit code {took.get('code')}: {' '.join(lines[-3:])[:300]}")
        return took

    @contextlib.contextmanager
    def far(self, port, delay_us):
        """The port by which the server at `port` is that far away."""
        process = subprocess.Popen([self.relay, str(port), str(delay_us)], stdout=subprocess.PIPE, text=True)
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()
            process.wait()


class Results:
    """The runs of one tool in one case on one engine at one size are a cell."""

    def __init__(self):
        self.cells, self.remarks, self.loads = {}, [], []
        self.has_failed = False  # whimbrel itself

    def add(self, what, engine, size, tool, took):
        took["load"] = os.getloadavg()[0]
        self.loads.append(took["load"])
        self.cells.setdefault((what, engine, size, tool), []).append(took)

    def remark(self, text):
        if text not in self.remarks:
            self.remarks.append(text)
            print(f"bench: {text}", file=sys.stderr, flush=True)

    def median(self, key, field="wall_s"):
        runs = self.cells.get(key)
        return statistics.median(run[field] for run in runs) if runs else None

    def ratio(self, key, other):
        """The median of the rounds' ratios; both have been in each round that counts."""
        ours = {run["round"]: run["wall_s"] for run in self.cells.get(key, ())}
        theirs = {run["round"]: run["wall_s"] for run in self.cells.get(other, ())}
        both = [ours[number] / theirs[number] for number in ours if number in theirs]
        return statistics.median(both) if both else None

    def rows(self):
        for key, runs in self.cells.items():
            what, engine, size, tool = key
            walls = [run["wall_s"] * 1000 for run in runs]
            row = {"case": what, "engine": engine, "size": size, "tool": tool, "runs": len(runs)}
            row["wall_ms"] = statistics.median(walls)
            row["wall_ms_least"], row["wall_ms_most"] = min(walls), max(walls)
            row["cpu_ms"] = statistics.median((run["user_s"] + run["system_s"]) * 1000 for run in runs)
            row["peak_mb"] = max(run["peak_kb"] for run in runs) / 1024
            row["load"] = statistics.median(run["load"] for run in runs)
            row["ratio"] = self.ratio(key, (what, engine, size, EMPTY if what == "start" else VENDOR))
            trips = [run["trips"] for run in runs if "trips" in run]
            if trips:
                row["trips"] = trips[0]
            if what == "latency":
                near = (what + "-near", engine, size, tool)
                row["near_ms"] = (self.median(near) or 0) * 1000
            if what in WORDS:
                yield row


# ---- the cases ---------------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, options, place):
        self.options, self.place = options, place
        self.results = Results()
        self.servers = {}
        self.folders = peers.peers_folders()
        self.ours = peers.Whimbrel(options.program)
        self.uncached = peers.Uncached(options.program)
        self.peers = []
        for kind in peers.PEERS:
            tool = kind(self.folders)
            wanted = options.what != ["large"] and ("all" in options.peers or tool.name.lower() in options.peers)
            if wanted and tool.missing:
                self.results.remark(f"{tool.name} is not installed: skipped")
            elif wanted:
                self.peers.append(tool)

    def server(self, engine):
        if engine not in self.servers:
            self.servers[engine] = {POSTGRES: servers.Postgres, MARIADB: servers.MariaDb}[engine]()
            self.servers[engine].start()
        return self.servers[engine]

    def close(self):
        for server in self.servers.values():
            server.remove()

    def vendor(self):
        clients = {}
        for engine in self.options.engines:
            if engine == SQLITE:
                clients[engine] = shutil.which("sqlite3")
            else:
                server = self.server(engine)
                clients[engine] = server.client_program if engine == MARIADB else self.psql(server)
        return peers.Vendor(clients)

    @staticmethod
    def psql(server):
        """The program itself: Debian's /usr/bin/psql is a script that looks for it, which takes longer than psql does."""
        beside = os.path.join(server.folder_of_programs, "psql")
        return beside if os.access(beside, os.X_OK) else server.psql

    def tools(self, engine, with_peers):
        chosen = [self.ours, self.vendor()]
        return chosen + [tool for tool in self.peers if with_peers and engine in tool.engines]

    @contextlib.contextmanager
    def database(self, engine):
        """A new, empty one; gone afterwards."""
        if engine == SQLITE:
            folder = self.place.folder / f"db-{secrets.token_hex(3)}"
            folder.mkdir()
            try:
                yield Target(SQLITE, "bench", path=folder / "bench.db")
            finally:
                shutil.rmtree(folder)
            return
        server = self.server(engine)
        database = server.create_database()
        try:
            yield Target(engine, database.name, server.port)
        finally:
            server.drop_database(database)
            if engine == MARIADB:
                server.execute(f"DROP DATABASE IF EXISTS {database.name}_registry")

    def value(self, target, text):
        if target.engine == SQLITE:
            return servers.SqliteDatabase(target.path).value(text)
        return self.server(target.engine).query(text, target.name)[0][0]

    def check(self, target, tables, rows=None):
        """A tool that did not do the work is not fast."""
        found = int(self.value(target, TABLE_COUNT[target.engine]))
        if found != tables:
            raise Failed(f"it said that all went well, but made {found} of {tables} tables")
        if rows is not None:
            found = int(self.value(target, "SELECT count(*) FROM bench_t1"))
            if found != rows:
                raise Failed(f"it said that all went well, but wrote {found} of {rows} rows")

    def guarded(self, tools, tool, what, engine, size, act):
        """Runs act(); a tool that fails is taken out of `tools`. Whether it succeeded."""
        try:
            act()
            return True
        except Failed as problem:
            tools.remove(tool)
            self.results.remark(f"{tool.name}, {what}, {engine}, {size}: {problem}")
            if tool is self.ours:
                self.results.has_failed = True
            return False

    def turn(self, tools, number):
        """The tools in this round's order."""
        at = number % len(tools) if tools else 0
        return tools[at:] + tools[:at]

    def measured(self, what, engine, size, tool, number, call):
        took = self.place.run(call, self.options.limit * 10 if what == "large" else None)
        took["round"] = number
        self.results.add(what, engine, size, tool.name, took)
        return took

    # -- one each

    def start(self):
        calls = {EMPTY: Call(self.place.empty), OURS: self.ours.start()}
        calls.update({tool.name: tool.start() for tool in self.peers})
        names = list(calls)
        for number in range(self.options.rounds * 20):
            for name in self.turn(names, number):
                if number >= self.options.rounds and name not in (EMPTY, OURS):
                    continue  # for what takes a second, fewer will do
                try:
                    took = self.place.run(calls[name])
                except Failed as problem:
                    self.results.remark(f"{name}, start: {problem}")
                    continue
                took["round"] = number
                self.results.add("start", "", 0, name, took)

    def sized(self, engine, size, wanted):
        """apply, status, nothing and rollback, which share their databases."""
        migrations = migrations_of(size, engine)
        tools = self.tools(engine, size <= self.options.peers_up_to)
        tables = (size + 4) // 5
        folders = {tool: self.place.folder / f"{engine}-{size}" / tool.name.replace("'", "").replace(" ", "-") for tool in tools}
        for tool in tools:
            folders[tool].mkdir(parents=True)
            tool.layout(folders[tool], migrations, engine)
        try:
            with contextlib.ExitStack() as stack:
                kept = self.apply(stack, engine, size, tools, folders, tables, "apply" in wanted)
                if "status" in wanted:
                    self.ask(engine, size, "status", tools, folders, kept)
                if "nothing" in wanted:
                    self.ask(engine, size, "nothing", tools, folders, kept)
                if "rollback" in wanted:
                    self.rollback(engine, size, tools, folders, kept, migrations)
        finally:
            shutil.rmtree(self.place.folder / f"{engine}-{size}")

    def apply(self, stack, engine, size, tools, folders, tables, is_measured):
        """A new database each time. Those of the last round stay, for what comes next: tool -> database."""
        rounds = self.options.rounds if is_measured else 1
        kept = {}
        for number in range(rounds):
            for tool in self.turn(tools, number):
                with contextlib.ExitStack() as own:
                    target = own.enter_context(self.database(engine))

                    def act():
                        call = tool.apply(folders[tool], target)
                        if is_measured:
                            self.measured("apply", engine, size, tool, number, call)
                        else:
                            self.place.run(call)
                        self.check(target, tables)
                        if number == rounds - 1:
                            before = tool.prepare(folders[tool], target)
                            if before:
                                self.place.run(before)

                    if self.guarded(tools, tool, "apply", engine, size, act) and number == rounds - 1:
                        kept[tool] = target
                        stack.enter_context(own.pop_all())
        return kept

    def ask(self, engine, size, what, tools, folders, kept):
        able = [tool for tool in tools if tool in kept]
        if self.ours in kept:
            kept, folders = {**kept, self.uncached: kept[self.ours]}, {**folders, self.uncached: folders[self.ours]}
            able.append(self.uncached)
        for number in range(self.options.rounds * 2):
            for tool in self.turn(able, number):
                call = getattr(tool, what)(folders[tool], kept[tool])
                if call:
                    self.guarded(able, tool, what, engine, size, lambda: self.measured(what, engine, size, tool, number, call))

    def rollback(self, engine, size, tools, folders, kept, migrations):
        count = min(100, size)
        able = [tool for tool in tools if tool in kept]
        for number in range(self.options.rounds):
            for tool in self.turn(able, number):
                folder, target = folders[tool], kept[tool]
                call = tool.rollback(folder, target, migrations, count)
                if not call:
                    continue

                def act():
                    self.measured("rollback", engine, size, tool, number, call)
                    self.check(target, (size - count + 4) // 5)
                    again = getattr(tool, "reapply", None)
                    self.place.run(again(folder, target, migrations, count) if again else tool.apply(folder, target))

                self.guarded(able, tool, "rollback", engine, size, act)

    def one_file(self, what, engine, with_peers, rows, lay_out):
        tools = self.tools(engine, with_peers)
        parent = self.place.folder / f"{engine}-{what}"
        folders = {tool: parent / tool.name.replace("'", "").replace(" ", "-") for tool in tools}
        try:
            for tool in tools:
                folders[tool].mkdir(parents=True)
                lay_out(tool, folders[tool])
            for number in range(self.options.rounds if what == "inserts" else min(3, self.options.rounds)):
                for tool in self.turn(tools, number):
                    with self.database(engine) as target:

                        def act():
                            self.measured(what, engine, rows, tool, number, tool.apply(folders[tool], target))
                            self.check(target, 1, rows)

                        self.guarded(tools, tool, what, engine, rows, act)
        finally:
            shutil.rmtree(parent, ignore_errors=True)

    def inserts(self, engine):
        one = inserts_migration(engine)
        self.one_file("inserts", engine, True, INSERTS, lambda tool, folder: tool.layout(folder, [one], engine))

    def large(self, engine):
        shared = self.place.folder / "large.sql"
        if not shared.exists():
            write_large(shared)

        def lay_out(tool, folder):
            # The same file under the name that each wants: nothing stands around it.
            tool.layout(folder, [Migration(1, "", "")], engine)
            for path in folder.iterdir():
                if path.name in ("00001.sql", "all") or path.name.endswith(".up.sql"):
                    path.unlink()
                    os.link(shared, path)

        self.one_file("large", engine, False, LARGE_ROWS, lay_out)

    def latency(self, engine):
        """100 migrations on a server that is far away, and on the same one near by, in turn."""
        size = 100
        server = self.server(engine)
        tools = self.tools(engine, True)
        migrations = migrations_of(size, engine)
        parent = self.place.folder / f"{engine}-latency"
        folders = {tool: parent / tool.name.replace("'", "").replace(" ", "-") for tool in tools}
        for tool in tools:
            folders[tool].mkdir(parents=True)
            tool.layout(folders[tool], migrations, engine)
        trips = {}
        with self.place.far(server.port, DELAY_US) as port, self.place.far(server.port, 0) as relayed:
            for number in range(self.options.rounds):
                for tool in self.turn(tools, number):

                    def act():
                        for what, by in (("latency-near", server.port), ("latency", port)):
                            with self.database(engine) as target:
                                by_way = Target(engine, target.name, by)
                                took = self.measured(what, engine, size, tool, number, tool.apply(folders[tool], by_way))
                                self.check(target, size // 5)
                        if tool not in trips:
                            trips[tool] = self.trips(engine, tool, folders[tool])
                        took["trips"] = trips[tool]

                    self.guarded(tools, tool, "latency", engine, size, act)
                self.relay_cost(engine, server.port, relayed, number)
        shutil.rmtree(parent)

    def trips(self, engine, tool, folder):
        """How often it waits for an answer, connecting aside; None when the proxy does not understand it."""
        with self.database(engine) as target:
            database = servers.Database(self.server(engine), target.name, target.url(), None)
            with proxy.Proxy(database) as counting:
                with contextlib.suppress(Failed, AssertionError):
                    self.place.run(tool.apply(folder, Target(engine, target.name, counting.port)))
                    return counting.count().trips
        return None

    def relay_cost(self, engine, near, relayed, number):
        """What the relay itself costs, without a delay: the vendor's client asks one thing by both ways."""
        vendor = self.vendor()
        ask = self.place.folder / "compare"
        ask.write_text("SELECT 1;\n")
        with self.database(engine) as target:
            for again in range(10):
                for what, port in (("relay-near", near), ("relay", relayed)):
                    call = vendor.feed(self.place.folder, Target(engine, target.name, port), "compare")
                    self.measured(what, engine, 0, vendor, number * 10 + again, call)

    def run(self):
        words, options = self.options.what, self.options
        if "start" in words:
            self.say("start")
            self.start()
        sized = [word for word in words if word in ("apply", "status", "nothing", "rollback")]
        for engine in options.engines:
            for size in options.sizes if sized else ():
                self.say(f"{engine}, {size} migrations: {', '.join(sized)}")
                self.sized(engine, size, sized)
            for word in ("inserts", "large"):
                if word in words:
                    self.say(f"{engine}: {word}")
                    getattr(self, word)(engine)
            if "latency" in words and engine in SERVERS:
                self.say(f"{engine}: latency")
                self.latency(engine)

    def say(self, text):
        print(f"bench: {text}", file=sys.stderr, flush=True)


# ---- saying it ---------------------------------------------------------------------------------------------------


def goals(results):
    """(what is wanted, what was found, met?) for those goals of which there are figures."""
    peak_at = {}

    def goal(text, found, unit, limit):
        if found is not None:
            found_text = f"{found:.2f}{unit}"
            return [(text, found_text, found < limit)]
        return []

    def times(seconds):
        return None if seconds is None else seconds * 1000

    rows = []
    ours, empty = (results.median(("start", "", 0, name)) for name in (OURS, EMPTY))
    if ours and empty:
        rows += goal("`--version` within 1 ms of an empty C program", times(ours - empty), " ms more", 1)
    rows += goal("nothing pending among 10,000 on PostgreSQL under 50 ms", times(results.median(("nothing", POSTGRES, 10000, OURS))), " ms", 50)
    for engine in ALL:
        key = ("apply", engine, 1000)
        rows += goal(f"1,000 migrations faster than the vendor's client, {engine}", results.ratio((*key, OURS), (*key, VENDOR)), " of its time", 1)
    for engine in SERVERS:
        far, near = (times(results.median((word, engine, 100, OURS))) for word in ("latency", "latency-near"))
        if far and near:
            rows += goal(f"100 migrations through 5 ms each way: within 10 % and 100 ms of none, {engine}", far - near * 1.1, " ms more than 1.1 of it", 100)
    for (what, engine, size, tool), runs in results.cells.items():
        if tool == OURS and (size == 10000 or what == "large"):
            case = (what if what == "large" else "10,000 migrations", engine)
            peak_at[case] = max(peak_at.get(case, 0), *(run["peak_kb"] / 1024 for run in runs))
    for (case, engine), peak in peak_at.items():
        rows += goal(f"peak memory under 16 MB, {case}, {engine}", peak, " MB", 16)
    for engine in ALL:
        for what in ("apply", "nothing"):
            small, big = (results.median((what, engine, size, OURS)) for size in (1000, 10000))
            if small and big:
                rows += goal(f"linear: {what} of 10,000 at most 11 times that of 1,000, {engine}", big / small, " times", 11)
    return rows


def number(value, digits=1):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.{digits}f}"


def markdown(results, machine):
    out = [f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, load average {machine['load_least']:.1f} to {machine['load_most']:.1f}."]
    out.append(f"{machine['programs']}.")
    rows = list(results.rows())
    for what in WORDS:
        chosen = [row for row in rows if row["case"] == what]
        if not chosen:
            continue
        out += ["", f"### {TITLES[what]}", ""]
        heads = ["engine", "migrations", "tool", "wall ms", "ratio", "CPU ms", "peak MB"]
        if what == "start":
            heads = heads[2:]
        if what in ("inserts", "large"):
            heads.remove("migrations")
        if what == "latency":
            heads += ["near, ms", "waits for an answer"]
        out.append("| " + " | ".join(heads) + " |")
        out.append("|" + " --- |" * len(heads))
        order = {OURS: -2, "whimbrel, no cache": -1, EMPTY: 0, VENDOR: 0}
        chosen.sort(key=lambda row: (ALL.index(row["engine"]) if row["engine"] else 0, row["size"], order.get(row["tool"], 1), row["wall_ms"]))
        for row in chosen:
            cells = {
                "engine": row["engine"],
                "migrations": f"{row['size']:,}",
                "tool": row["tool"],
                "wall ms": number(row["wall_ms"], 2 if what == "start" else 1),
                "ratio": number(row["ratio"], 2),
                "CPU ms": number(row["cpu_ms"], 2 if what == "start" else 1),
                "peak MB": number(row["peak_mb"]),
                "near, ms": number(row.get("near_ms")),
                "waits for an answer": number(row.get("trips"), 0),
            }
            out.append("| " + " | ".join(cells[head] for head in heads) + " |")
    for engine in SERVERS:
        near, far = (results.median((word, engine, 0, VENDOR)) for word in ("relay-near", "relay"))
        if near and far:
            out += ["", f"The relay without a delay adds {(far - near) * 1000:.2f} ms to one question on {engine}."]
    wanted = goals(results)
    if wanted:
        out += ["", "### Goals", "", "| goal | found | |", "| --- | --- | --- |"]
        out += [f"| {text} | {found} | {'met' if is_met else '**missed**'} |" for text, found, is_met in wanted]
    if results.remarks:
        out += ["", "Left out:", ""] + [f"- {remark}" for remark in results.remarks]
    return "\n".join(out) + "\n"


def describe(bench):
    """What the figures were taken on."""
    processor = platform.machine()
    with contextlib.suppress(OSError):
        for line in open("/proc/cpuinfo", encoding="utf-8", errors="replace"):
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break

    def first_line(*command):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        return (done.stdout.strip() or "?").splitlines()[0]

    programs = [first_line(bench.options.program, "--version")]
    for server in bench.servers.values():
        programs.append(first_line(server.server_program, "--version").replace(server.server_program, "mariadbd"))
    if SQLITE in bench.options.engines and shutil.which("sqlite3"):
        programs.append("SQLite " + first_line("sqlite3", "--version").split()[0])
    loads = bench.results.loads or [os.getloadavg()[0]]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "system": platform.platform(),
        "processor": processor,
        "cores": os.cpu_count(),
        "load_least": min(loads),
        "load_most": max(loads),
        "programs": "; ".join(programs),
        "rounds": bench.options.rounds,
    }


def names_of(known, what):
    def parse(text):
        names = [name.strip().lower() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is no {what}: {', '.join(known)}")
        return names

    return parse


def sizes(text):
    values = [int(size.replace("_", "")) for size in text.split(",")]
    if min(values) < 1:
        raise argparse.ArgumentTypeError("a size is at least 1")
    return values


def options_of(argv):
    parser = argparse.ArgumentParser(prog="./dev bench", description="Times whimbrel beside the vendors' clients and other tools.")
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(WORDS)}; all but large when nothing is named")
    parser.add_argument("--program", required=True, type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run, in turn (5)")
    parser.add_argument("--engines", type=names_of(ALL, "engine"), default=list(ALL), help="of postgres,mariadb,sqlite")
    parser.add_argument("--sizes", type=sizes, default=[10, 1000, 10000], help="numbers of migrations (10,1000,10000)")
    known = ["all", "none", *(kind.name.lower() for kind in peers.PEERS)]
    parser.add_argument("--peers", type=names_of(known, "peer"), default=["all"], help="all, none, or of " + ",".join(known[2:]))
    parser.add_argument("--peers-up-to", type=int, default=1000, metavar="N", help="peers only up to this many migrations (1000)")
    parser.add_argument("--limit", type=float, default=120, metavar="SECONDS", help="who takes longer for one run is left out, for large ten times that (120)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="every figure, for machines")
    options = parser.parse_args(argv)
    for word in options.what:
        if word not in WORDS:
            parser.error(f"there is no '{word}': {', '.join(WORDS)}")
    options.what = options.what or [word for word in WORDS if word != "large"]
    options.program = options.program.resolve()
    if options.rounds < 1:
        parser.error("--rounds is at least 1")
    return options


def main(argv):
    options = options_of(argv)
    # Short, and open to the servers' user.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wh-bench-"))
    bench = None
    try:
        bench = Bench(options, Place(folder, options.limit))
        try:
            bench.run()
        except KeyboardInterrupt:
            bench.results.remark("interrupted: what was measured until then")
        machine = describe(bench)
        print(markdown(bench.results, machine))
        if options.json:
            document = {"machine": machine, "results": list(bench.results.rows()), "left_out": bench.results.remarks}
            document["goals"] = [{"goal": a, "found": b, "met": c} for a, b, c in goals(bench.results)]
            options.json.write_text(json.dumps(document, indent=1) + "\n")
    finally:
        if bench:
            bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if bench.results.has_failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))

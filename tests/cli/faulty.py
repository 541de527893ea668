# SPDX-License-Identifier: Apache-2.0
"""Sweeps: one call of the C library after the other fails, and whatever command was running must end in order.

In order means: no crash, no hanging; exit code 0 only when it is all done; else an error that says why, a database that
is as before, or done, or in between in a way that `status` can describe and a second run brings to its end; no file
half written. The shim that makes calls fail is tests/shim/faulty.c.
"""

import os
import pathlib
import re
import shutil
import sqlite3
import subprocess

# What each call fails with. Those in MUST_WORK change nothing: a system may always do so.
FAILURES = [
    ("malloc", "", "ENOMEM"),
    ("malloc", "+", "ENOMEM"),
    ("open", "", "EMFILE"),
    ("open", "+", "EIO"),
    ("read", "", "EIO"),
    ("read", "+", "EIO"),
    ("write", "", "ENOSPC"),
    ("write", "+", "EIO"),
    ("pread", "", "EIO"),
    ("pwrite", "", "EIO"),
    ("pwrite", "+", "ENOSPC"),
    ("sync", "", "EIO"),
    ("sync", "+", "EIO"),
    ("close", "", "EIO"),
    ("rename", "", "EIO"),
    ("mkdir", "", "ENOSPC"),
    ("stat", "", "EIO"),
    ("stat", "+", "EIO"),
    ("readdir", "", "EIO"),
    ("poll", "", "ENOMEM"),
    ("unlink", "", "EIO"),
    ("truncate", "", "EIO"),
    ("lock", "", "EIO"),
    ("random", "", "EIO"),
    ("fork", "", "EAGAIN"),
    ("spawn", "", "EAGAIN"),
    ("waitpid", "", "EIO"),
    ("thread", "", "EAGAIN"),
    ("pipe", "", "EMFILE"),
    ("socket", "", "EMFILE"),
    ("connect", "", "ECONNRESET"),
    ("send", "", "ECONNRESET"),
    ("recv", "", "ECONNRESET"),
]
MUST_WORK = [
    *(f"{call}:%1:short" for call in ("read", "write", "pread", "pwrite", "send", "recv")),
    *(f"{call}:%2:EINTR" for call in ("open", "read", "write", "pread", "pwrite", "poll", "send", "recv", "waitpid")),
]


class Shim:
    """Starts the program with one call of it failing."""

    def __init__(self, whimbrel, library):
        self.whimbrel, self.library = whimbrel, library
        self.preload = str(library)
        asan = self.sanitizer()
        if asan:  # it insists on coming first; memory is then its own business
            self.preload = f"{asan} {library}"
        self.has_malloc = not asan
        self.count_file = pathlib.Path(whimbrel.home) / "calls"

    def sanitizer(self):
        needed = subprocess.run(["ldd", self.whimbrel.command[-1]], capture_output=True, text=True).stdout
        found = re.search(r"=> (\S*libasan\S*)", needed)
        return found and found.group(1)

    def run(self, args, fault, cwd, extra=None):
        env = {"FAULTY": fault, "FAULTY_COUNT": str(self.count_file), "LD_PRELOAD": self.preload}
        try:
            return self.whimbrel.run(*args, cwd=cwd, env={**env, **(extra or {})}, timeout=60)
        except AssertionError as hang:
            raise AssertionError(f"{fault}: {hang}") from None

    def count(self, args, call, cwd, extra=None):
        """The result, and for each call a word that is the same for those that come from the same place."""
        self.count_file.unlink(missing_ok=True)
        result = self.run(args, f"{call}:0:EIO", cwd, {**(extra or {}), "FAULTY_STACKS": "1"})
        total, *stacks = self.count_file.read_text().split()
        return result, stacks or [str(n) for n in range(int(total))]


class Scene:
    """A command and what it starts from: a folder with everything in it, made once and copied for each run."""

    def __init__(self, name, template, args, extra=None, repeats=True, database=None):
        self.name, self.template, self.args = name, pathlib.Path(template), args
        self.extra = {"USER": "tester", **(extra or {})}
        self.repeats = repeats  # whether a second run does no harm when the first had done it all
        self.database = database or FileState()


def mask(text):
    """Without what differs from run to run: times, durations, names of temporary files."""
    text = re.sub(r"(?<!\d)20\d{12}(?!\d)", "VERSION", text)
    text = re.sub(r"\d+(\.\d+)? (ms|s)\b", "TIME", text)
    text = re.sub(r"20\d\d-\d\d-\d\d[T ][\d:.]+( UTC|Z)?", "TIME", text)
    text = re.sub(r"\brun \d+", "run N", text)
    return re.sub(r"  +", " ", text)


class FileState:
    """Schema, rows and history of a SQLite file, and the texts of all other files."""

    ours = ("app.db", "app.db-journal", "app.db-wal", "app.db-shm", "app.db-whimbrel")

    def reset(self, folder):
        pass

    def look(self, folder):
        files = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in self.ours:
                text = path.read_bytes().decode("utf-8", "replace")
                files[mask(str(path.relative_to(folder)))] = mask(text)
        return {"files": files, "database": self.look_inside(folder / "app.db")}

    def look_inside(self, path):
        if not path.exists():
            return {}
        connection = sqlite3.connect(path, timeout=10)
        try:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
            state = {name: (sql, self.rows(connection, name)) for name, sql in found}
        finally:
            connection.close()
        # An empty history is no history, and the log of runs tells of failed ones too.
        state.pop("whimbrel_run", None)
        return {
            name: value for name, value in state.items() if "whimbrel" not in name and "sqlx" not in name or value[1]
        }

    def rows(self, connection, name):
        try:
            cursor = connection.execute(f'SELECT * FROM "{name}"')
        except sqlite3.Error:
            return []
        kept = [
            i for i, column in enumerate(cursor.description)
            if not re.search(r"time|_at$|duration|^run$|rank|ordinal|installed|error|host|_by$|_ms$|_us$", column[0])
        ]
        return sorted(tuple(row[i] for i in kept) for row in cursor)


class ServerState:
    """Tables and history of a database on a server, which is made anew for each run."""

    history = "SELECT id, outcome, checksum FROM whimbrel_history ORDER BY id"

    def __init__(self, db, prepare):
        self.db, self.prepare = db, prepare  # prepare(): SQL or a call of the program that makes the start

    def reset(self, folder):
        if self.db.engine == "postgres":
            self.db.sql("SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        else:
            name = self.db.name
            self.db.server.execute(f"DROP DATABASE {name}; CREATE DATABASE {name}")
        self.prepare(folder)

    def look(self, folder):
        place = "table_schema = 'public'" if self.db.engine == "postgres" else "table_schema = database()"
        columns = self.db.sql(
            f"SELECT table_name, column_name FROM information_schema.columns WHERE {place} ORDER BY 1, 2"
        )
        state = {("column", table, column): "" for table, column in columns if not table.startswith("whimbrel_")}
        if any(table == "whimbrel_history" for table, _ in columns):
            state.update({("history", row[0]): row[1:] for row in self.db.sql(self.history)})
        return {"files": {}, "database": state}


class Ledger:
    """What of a campaign is done already, so that one that was interrupted goes on where it stood, and whose part is whose.

    A line of the file is a check that has passed.
    """

    def __init__(self, path=None, part="1/1"):
        self.path = path and pathlib.Path(path)
        self.part, self.parts = (int(number) for number in part.split("/"))
        self.index = 0
        self.done = set(self.path.read_text().split("\n")) if path and self.path.exists() else set()

    def wants(self, check):
        self.index += 1
        return self.index % self.parts == self.part % self.parts and check not in self.done

    def passed(self, check):
        if self.path:
            with open(self.path, "a") as file:
                file.write(f"{check}\n")


class Sweep:
    # Of a campaign's findings all are wanted, but not the same one a thousand times.
    most_findings = 12

    def __init__(self, shim, folder, points, ledger=None):
        self.shim, self.folder, self.points = shim, pathlib.Path(folder), points
        self.ledger = ledger or Ledger()
        self.findings = []
        self.copies = 0
        self.runs = 0

    def copy(self, scene):
        self.copies += 1
        folder = self.folder / f"run-{self.copies}"
        shutil.copytree(scene.template, folder)
        scene.database.reset(folder)
        return folder

    def chosen(self, call, stacks):
        """Which calls are to fail. Of the many for memory, one from each place."""
        total = len(stacks)
        if self.points is None and call == "malloc":
            return sorted({stack: n for n, stack in reversed(list(enumerate(stacks, 1)))}.values())
        if self.points is None or total <= self.points:
            return range(1, total + 1)
        step = total / self.points
        return sorted({1 + int(i * step) for i in range(self.points)} | {total})

    def sweep(self, scene, failures=None, must_work=()):
        folder = self.copy(scene)
        before = scene.database.look(folder)
        good, _ = self.shim.count(scene.args, "open", folder, scene.extra)
        assert good.code in (0, 3), repr(good)
        after = scene.database.look(folder)
        shutil.rmtree(folder)
        for fault in must_work:
            self.attempt(scene, fault, good, before, after, must_work=True)
        for call, behind, what in failures or FAILURES:
            if call == "malloc" and not self.shim.has_malloc:
                continue
            folder = self.copy(scene)
            _, stacks = self.shim.count(scene.args, call, folder, scene.extra)
            shutil.rmtree(folder)
            for nth in self.chosen(call, stacks):
                self.attempt(scene, f"{call}:{nth}{behind}:{what}", good, before, after)
        assert not self.findings, f"{len(self.findings)} findings\n" + "\n\n".join(self.findings)

    def attempt(self, scene, fault, good, before, after, must_work=False):
        """One check. In the campaign it is left away when it has passed before, and what it finds does not end the sweep."""
        name = f"{os.environ.get('PYTEST_CURRENT_TEST', '').partition(' ')[0]} {fault}"
        if not self.ledger.wants(name):
            return
        try:
            self.check(scene, fault, good, before, after, must_work)
        except AssertionError as finding:
            if self.points is not None:
                raise
            self.findings.append(str(finding))
            assert len(self.findings) < self.most_findings, "\n\n".join(self.findings)
            return
        self.ledger.passed(name)

    def check(self, scene, fault, good, before, after, must_work=False):
        folder = self.copy(scene)
        self.runs += 1
        result = self.shim.run(scene.args, fault, folder, scene.extra)
        about = f"{scene.name} with {fault}: {result!r}"
        # Without memory for a library's data of a thread the dynamic linker ends the process: a kill like others.
        is_ended = result.code == 127 and "memory for thread-local data" in result.err
        assert result.code in (0, 1, 2, 3, 4) or is_ended, about
        if must_work:
            assert result.code == good.code, about
        state = scene.database.look(folder)
        # What could not be looked at and was told of, may have led elsewhere.
        is_told = "note: " in result.err
        if not is_told:
            self.no_half_file(state, before, after, about)
        elif result.code == good.code:
            shutil.rmtree(folder)
            return
        if result.code == good.code and good.code != 1:
            assert state == after, f"{about}\n{difference(state, after)}"
            # A log that was lost is told behind what there is to say.
            said, _, lost = result.out.partition("note: the log could not be written")
            assert not lost or fault.startswith("write:"), about
            assert mask(said) == mask(good.out), f"{about}\nexpected {good.out}"
        else:
            is_mute = fault.startswith("write:") and ("+" in fault or result.err == "")
            assert result.err.strip() or is_mute, about
            if fault.startswith("malloc:") and "+" in fault and good.code == 0:
                assert "memory" in result.err or "load" in result.err, about
            self.second(scene, folder, state, before, after, about)
        shutil.rmtree(folder)

    def no_half_file(self, state, before, after, about):
        for name, text in state.get("files", {}).items():
            allowed = [files[name] for files in (before["files"], after["files"]) if name in files]
            is_left = ".tmp" in name or name.endswith("~")
            assert text in allowed or (is_left and "unlink" in about), f"{about}\n{name}: {text!r}, not {allowed}"

    def second(self, scene, folder, state, before, after, about):
        """What holds now can be told, and the same command again comes to the same end."""
        whimbrel = self.shim.whimbrel
        if state not in (before, after) and before["database"] != after["database"]:
            told = whimbrel("status", *self.where(scene), cwd=folder, env=scene.extra)
            assert told.code in (0, 3), f"{about}\n{told!r}"
        if state != before and not scene.repeats:
            return
        again = whimbrel(*scene.args, cwd=folder, env=scene.extra)
        now = scene.database.look(folder)
        # Of two files that `new` made, one is enough to go on with.
        assert again.code in (0, 3) or state == after, f"{about}\nand then {again!r}"
        assert now == after or set(now["files"]) > set(after["files"]), f"{about}\nand then {again!r}\n{difference(now, after)}"

    @staticmethod
    def where(scene):
        """The words of the command that say which database and convention."""
        words, given = list(scene.args), []
        for option in ("-d", "--convention", "-m"):
            if option in words:
                given += [option, words[words.index(option) + 1]]
        return given


def difference(a, b):
    lines = []
    for part in sorted(set(a) | set(b)):
        left, right = a.get(part, {}), b.get(part, {})
        for key in sorted(set(left) | set(right)):
            if left.get(key) != right.get(key):
                lines.append(f"{part} {key}:\n  is       {left.get(key)}\n  expected {right.get(key)}")
    return "\n".join(lines)

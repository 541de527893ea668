# SPDX-License-Identifier: Apache-2.0
"""Another tool and whimbrel on one database, by turns.

A Peer says how its tool is called; the class Turns holds the cases, and a test file of one tool makes a subclass of it.
"""

import os
import shutil
import subprocess

import pytest


def find_peer(program):
    """On PATH, or in one of the folders of WHIMBREL_PEERS."""
    folders = [folder for folder in os.environ.get("WHIMBREL_PEERS", "").split(":") if folder]
    found = shutil.which(program) or shutil.which(program, path=":".join(folders))
    if not found:
        pytest.skip(f"{program} is not installed: it is neither on PATH nor in WHIMBREL_PEERS")
    return found


class Peer:
    program = ""  # what it is called
    layout = None  # of layouts.py
    has_lock = False  # two runs of it, or of it and whimbrel, wait for each other
    engines = ("sqlite", "postgres", "mariadb")
    variables = {}  # that it is to find in its environment

    def __init__(self, project, db):
        self.path, self.project, self.db = find_peer(self.program), project, db

    def start(self, *words):
        return subprocess.Popen(
            [self.path, *map(str, words)],
            cwd=self.project.cwd,
            env=self.project.environment(self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call(self, *words):
        process = self.start(*words)
        out, _ = process.communicate(timeout=120)
        return process.returncode, out

    def ok(self, *words):
        code, out = self.call(*words)
        assert code == 0, f"{self.program} {' '.join(map(str, words))}: {code}\n{out}"
        return out

    def prepare(self):
        """Writes what the tool wants beside its migrations."""

    def up_words(self):
        """The command line that applies all."""
        raise NotImplementedError

    def down(self):
        """Rolls the last one back."""
        raise NotImplementedError

    def is_content_with(self, n):
        """Whether the tool itself finds exactly the first n applied, and nothing amiss."""
        raise NotImplementedError


class Turns:
    peer_class = None

    @pytest.fixture
    def peer(self, whimbrel, db):
        if db.engine not in self.peer_class.engines:
            pytest.skip(f"{self.peer_class.program} is not tried on {db.engine}")
        made = self.peer_class(whimbrel, db)
        if db.engine == "sqlite":
            db.sql("PRAGMA user_version = 0")  # some tools want the file to be there
        made.prepare()
        return made

    def ours(self, peer, *words):
        return peer.project.ok(*words, "-d", peer.db.url, *peer.layout.arguments())

    def write(self, peer, first, last):
        for n in range(first, last + 1):
            peer.layout.write(peer.project, n)

    def check(self, peer, n):
        """Both tools see the first n applied, each once, and find nothing amiss."""
        assert peer.is_content_with(n)
        document = self.ours(peer, "status", "--output", "json").json
        assert document["convention"] == peer.layout.name
        states = [migration["state"] for migration in document["migrations"]]
        assert states == ["applied"] * n + ["pending"] * (len(states) - n)
        assert [[str(field) for field in row] for row in peer.db.sql(peer.layout.rows_sql)] == peer.layout.rows(n)
        for i in range(1, n + 1):
            assert peer.db.value(f"SELECT count(*) FROM t{i}") == "1"
        if n == len(states):
            self.ours(peer, "validate")

    def test_they_take_turns(self, peer):
        self.write(peer, 1, 3)
        peer.ok(*peer.up_words())
        self.check(peer, 3)
        self.write(peer, 4, 6)
        self.ours(peer, "migrate")
        self.check(peer, 6)
        self.write(peer, 7, 9)
        peer.ok(*peer.up_words())
        self.check(peer, 9)

    def test_whimbrel_begins(self, peer):
        self.write(peer, 1, 3)
        peer.project.ok(
            "migrate", "-d", peer.db.url, "--convention", peer.layout.name, *peer.layout.arguments()
        )
        self.check(peer, 3)
        self.write(peer, 4, 6)
        peer.ok(*peer.up_words())
        self.check(peer, 6)

    def test_each_rolls_back_what_the_other_applied(self, peer):
        if not peer.layout.has_downs:
            pytest.skip(f"{peer.program} has no downs")
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        self.write(peer, 3, 4)
        self.ours(peer, "migrate")
        self.check(peer, 4)
        peer.down()
        self.check(peer, 3)
        self.ours(peer, "rollback")
        self.ours(peer, "rollback")
        self.check(peer, 1)
        self.ours(peer, "migrate")
        peer.down()
        self.check(peer, 3)

    def test_what_is_stamped_the_other_takes_for_applied(self, peer):
        self.write(peer, 1, 2)
        self.ours(peer, "stamp", "head", "--convention", peer.layout.name)
        peer.ok(*peer.up_words())
        rows = [[str(field) for field in row] for row in peer.db.sql(peer.layout.rows_sql)]
        assert rows == peer.layout.rows(2)
        assert peer.is_content_with(2)

    def test_a_failure_of_either_is_mended_by_the_other(self, peer):
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        self.write(peer, 3, 3)
        # What is in the way makes the next one fail at its first statement.
        peer.db.sql("CREATE TABLE t3 (id int)")
        code, _ = peer.call(*peer.up_words())
        assert code != 0
        result = peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments())
        assert result.code != 0
        assert peer.is_content_with(2)
        peer.db.sql("DROP TABLE t3")
        self.ours(peer, "migrate")
        self.check(peer, 3)
        self.write(peer, 4, 4)
        peer.db.sql("CREATE TABLE t4 (id int)")
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code != 0
        peer.db.sql("DROP TABLE t4")
        peer.ok(*peer.up_words())
        self.check(peer, 4)

    def test_started_at_once_each_migration_is_applied_once(self, peer):
        """A tool that takes no lock may fail at the other's work; what is there afterwards must be whole all the same."""
        if not peer.has_lock and peer.db.engine == "mariadb":
            pytest.skip(f"{peer.program} takes no lock, and MariaDB takes no DDL back")
        self.write(peer, 1, 1)
        peer.ok(*peer.up_words())
        self.write(peer, 2, 9)
        theirs = peer.start(*peer.up_words())
        ours = peer.project.start("migrate", "-d", peer.db.url, *peer.layout.arguments())
        theirs_out = theirs.communicate(timeout=120)
        ours_out = ours.communicate(timeout=120)
        assert ours.returncode == 0 or theirs.returncode == 0, (theirs_out, ours_out)
        if peer.has_lock:
            assert ours.returncode == 0 and theirs.returncode == 0, (theirs_out, ours_out)
        self.ours(peer, "migrate")
        self.check(peer, 9)

# SPDX-License-Identifier: Apache-2.0
"""node-pg-migrate's own command and whimbrel, by turns."""

from layouts import NodePgMigrate
from turns import Peer, Turns


class NodePgMigratePeer(Peer):
    program = "node-pg-migrate"
    layout = NodePgMigrate()
    engines = ("postgres",)

    def prepare(self):
        self.project.write(".env", f"DATABASE_URL={self.db.url}\n")

    def up_words(self):
        return ["up", "-m", "migrations"]

    def down(self):
        self.ok("down", "-m", "migrations")

    def is_content_with(self, n):
        out = self.ok("up", "--dry-run", "-m", "migrations")
        files = sorted(path.stem for path in (self.project.cwd / "migrations").iterdir())
        return [line[4:] for line in out.splitlines() if line.startswith("> - ")] == files[n:]


class TestTurns(Turns):
    peer_class = NodePgMigratePeer

    def test_started_at_once_each_migration_is_applied_once(self, peer):
        """It does not wait for a lock but ends, which is no harm: the other has done the work."""
        super().test_started_at_once_each_migration_is_applied_once(peer)

    def test_one_waits_while_the_other_works(self, peer):
        self.write(peer, 1, 1)
        peer.project.write("migrations/1700000000002_slow.sql", "-- Up Migration\nSELECT pg_sleep(3);\n")
        theirs = peer.start(*peer.up_words())
        while peer.db.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0":
            assert theirs.poll() is None
        ours = peer.project.ok("migrate", "-d", peer.db.url, "-m", "migrations", "--convention", "node-pg-migrate")
        assert theirs.wait(timeout=60) == 0, theirs.communicate()
        assert "waiting" in ours.err.lower() or "lock" in ours.err.lower()
        assert peer.db.value("SELECT count(*) FROM pgmigrations") == "2"
        # And the other way round: it ends at once.
        peer.project.write("migrations/1700000000003_slow.sql", "-- Up Migration\nSELECT pg_sleep(3);\n")
        process = peer.project.start("migrate", "-d", peer.db.url, "-m", "migrations")
        while peer.db.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0":
            assert process.poll() is None
        code, out = peer.call(*peer.up_words())
        assert code != 0 and "Another migration is already running" in out
        assert process.wait(timeout=60) == 0

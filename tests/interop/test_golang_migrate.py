# SPDX-License-Identifier: Apache-2.0
"""golang-migrate's own command and whimbrel, by turns."""

import pytest
from layouts import GolangMigrate
from turns import Peer, Turns


class Migrate(Peer):
    program = "migrate"
    layout = GolangMigrate()

    @property
    def has_lock(self):
        return self.db.engine != "sqlite"  # there it only keeps its own threads apart

    def words(self, *words):
        url = {
            "sqlite": f"sqlite3://{self.project.cwd / 'app.db'}",
            "postgres": f"{self.db.url}?sslmode=disable",
            "mariadb": self.db.url.replace("mariadb://root@", "mysql://root@tcp(").replace("/" + self.db.name, ")/" + self.db.name),
        }[self.db.engine]
        return ["-path", "migrations", "-database", url, *words]

    def up_words(self):
        return self.words("up")

    def down(self):
        self.ok(*self.words("down", "1"))

    def is_content_with(self, n):
        code, out = self.call(*self.words("version"))
        return (code == 0 and out.strip() == str(n)) if n else "no migration" in out


class TestTurns(Turns):
    peer_class = Migrate

    def test_a_failure_of_either_is_mended_by_the_other(self, peer):
        """Its own failure leaves it dirty, whatever was kept; ours does not where nothing was kept."""
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        self.write(peer, 3, 3)
        peer.db.sql("CREATE TABLE t3 (id int)")
        assert peer.call(*peer.up_words())[0] != 0
        assert "dirty" in peer.ok(*peer.words("version"))
        document = self.ours(peer, "status", "--output", "json").json
        assert [migration["state"] for migration in document["migrations"]] == ["applied", "applied", "failed"]
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code == 1
        self.ours(peer, "repair", "--yes")
        assert peer.is_content_with(2)
        peer.db.sql("DROP TABLE t3")
        self.ours(peer, "migrate")
        self.check(peer, 3)
        self.write(peer, 4, 4)
        peer.db.sql("CREATE TABLE t4 (id int)")
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code == 1
        assert peer.is_content_with(3)
        peer.db.sql("DROP TABLE t4")
        peer.ok(*peer.up_words())
        self.check(peer, 4)

    def test_started_at_once_each_migration_is_applied_once(self, peer):
        if not peer.has_lock:
            pytest.skip("golang-migrate takes no lock on SQLite, and where it comes upon the other's table it leaves the version dirty")
        super().test_started_at_once_each_migration_is_applied_once(peer)

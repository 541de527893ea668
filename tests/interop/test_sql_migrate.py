# SPDX-License-Identifier: Apache-2.0
"""sql-migrate's own command and whimbrel, by turns."""

from layouts import SqlMigrate
from turns import Peer, Turns


class SqlMigratePeer(Peer):
    program = "sql-migrate"
    layout = SqlMigrate()

    def prepare(self):
        address = self.db.url.split("@")[-1]
        dialect, source = {
            "sqlite": ("sqlite3", "app.db"),
            "postgres": ("postgres", f"{self.db.url}?sslmode=disable"),
            "mariadb": ("mysql", f"root@tcp({address.split('/')[0]})/{self.db.name}?parseTime=true"),
        }[self.db.engine]
        self.project.write("dbconfig.yml", f"development:\n    dialect: {dialect}\n    datasource: {source}\n")

    def up_words(self):
        return ["up"]

    def down(self):
        self.ok("down")

    def is_content_with(self, n):
        rows = [line.split("|")[1:3] for line in self.ok("status").splitlines() if ".sql" in line]
        applied = ["no" not in state for _, state in rows]
        return applied == [True] * n + [False] * (len(applied) - n)


class TestTurns(Turns):
    peer_class = SqlMigratePeer

    def test_whimbrel_finds_the_database_in_its_configuration(self, peer):
        self.write(peer, 1, 2)
        peer.project.ok("migrate")
        self.check(peer, 2)
        assert peer.ok("up").startswith("Applied 0")

# SPDX-License-Identifier: Apache-2.0
"""Active Record itself and whimbrel, by turns."""

import pathlib
import subprocess

import pytest
from layouts import Rails
from turns import Peer, Turns

SCRIPT = str(pathlib.Path(__file__).with_name("rails.rb"))


class RailsPeer(Peer):
    program = "ruby"
    layout = Rails()
    environment_name = "development"

    def __init__(self, project, db):
        super().__init__(project, db)
        gem = {"sqlite": "sqlite3", "postgres": "pg", "mariadb": "mysql2"}[db.engine]
        for name in ("active_record", gem):
            if subprocess.run([self.path, "-e", f"require {name!r}"], capture_output=True).returncode != 0:
                pytest.skip(f"Rails is not installed: Ruby has no {name}")

    def prepare(self):
        host, _, port = self.db.url.split("@")[-1].split("/")[0].partition(":")
        lines = {
            "sqlite": ["adapter: sqlite3", "database: app.db"],
            "postgres": ["adapter: postgresql", f"database: {self.db.name}", f"host: {host}", f"port: {port}"],
            "mariadb": ["adapter: mysql2", f"database: {self.db.name}", f"host: {host}", f"port: {port}"],
        }[self.db.engine]
        if self.db.engine != "sqlite":
            user = self.db.url.split("//")[1].split("@")[0].split(":")
            lines += [f"username: {user[0]}", *(f"password: {word}" for word in user[1:])]
        text = "default: &default\n  pool: 5\n  " + "\n  ".join(lines)
        self.project.write("config/database.yml", text + "\n\ndevelopment:\n  <<: *default\n")

    def words(self, *words):
        return [SCRIPT, *words]

    def up_words(self):
        return self.words("migrate")

    def down(self):
        self.ok(*self.words("rollback"))

    def is_content_with(self, n):
        rows = [line.split("\t") for line in self.ok(*self.words("status")).splitlines()]
        return [row[0] for row in rows] == ["up"] * n + ["down"] * (len(rows) - n)


class TestTurns(Turns):
    peer_class = RailsPeer

    def test_whimbrel_finds_the_database_in_its_configuration(self, peer):
        self.write(peer, 1, 2)
        peer.project.write("config/application.rb", "")
        peer.project.ok("migrate")
        self.check(peer, 2)
        peer.ok(*peer.up_words())

    def test_a_structure_that_it_dumped_begins_an_empty_database(self, peer, db):
        """Only the dump can make the tables: the migrations' own SQL is out of whimbrel's reach."""
        for n in (1, 2):
            version = peer.layout.version(n)
            peer.project.write(
                f"db/migrate/{version}_make_t{n}.rb",
                f"class MakeT{n} < ActiveRecord::Migration[6.1]\n  def change\n"
                f"    create_table(:t{n}) {{ |t| t.integer :number }}\n  end\nend\n",
            )
        peer.ok(*peer.up_words())
        code, out = peer.call(*peer.words("structure"))
        if code != 0:
            pytest.skip(f"the engine's own dump program is not there: {out}")
        peer.layout.write(peer.project, 3)
        for table in ("t1", "t2", "schema_migrations", "ar_internal_metadata"):
            db.sql(f"DROP TABLE {table}")
        self.ours(peer, "migrate", "--convention", "rails")
        assert peer.is_content_with(3)
        assert [row[0] for row in db.sql(peer.layout.rows_sql)] == [peer.layout.version(n) for n in (1, 2, 3)]
        assert db.value("SELECT count(*) FROM t2") == "0"
        assert db.value("SELECT value FROM ar_internal_metadata") == "development"

    def test_both_take_the_same_lock(self, peer):
        if peer.db.engine == "sqlite":
            pytest.skip("Rails takes no lock on SQLite")
        self.write(peer, 1, 1)
        peer.project.write("hold.sql", "")
        peer.layout.write(peer.project, 2)
        path = f"db/migrate/{peer.layout.version(2)}_make_t2.rb"
        sleep = "SELECT pg_sleep(3)" if peer.db.engine == "postgres" else "DO SLEEP(3)"
        peer.project.write(
            path,
            f"class MakeT2 < ActiveRecord::Migration[6.1]\n  def up\n    execute '{sleep}'\n  end\nend\n",
        )
        ours = peer.project.start("migrate", "-d", peer.db.url, "--convention", "rails", "--log", "json", "-m", "db/migrate")
        line = ours.stderr.readline()
        while peer.layout.version(2) not in line:
            assert line, ours.communicate()
            line = ours.stderr.readline()
        code, out = peer.call(*peer.up_words())
        ours.communicate(timeout=60)
        assert ours.returncode == 0
        assert code != 0 and "ConcurrentMigrationError" in out

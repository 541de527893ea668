# SPDX-License-Identifier: Apache-2.0
"""Laravel's own migrator and whimbrel, by turns."""

import json
import pathlib
import subprocess

import pytest
from layouts import Laravel
from turns import Peer, Turns

SCRIPT = str(pathlib.Path(__file__).with_name("laravel.php"))


class LaravelPeer(Peer):
    program = "php"
    layout = Laravel()

    def __init__(self, project, db):
        super().__init__(project, db)
        driver = {"sqlite": "pdo_sqlite", "postgres": "pdo_pgsql", "mariadb": "pdo_mysql"}[db.engine]
        code = f"exit((int) !((@include 'Illuminate/Database/autoload.php') && extension_loaded('{driver}')));"
        if subprocess.run([self.path, "-r", code], capture_output=True).returncode != 0:
            pytest.skip(f"Laravel is not installed: PHP has no Illuminate/Database or no {driver}")

    def prepare(self):
        connection = {"driver": "sqlite", "database": str(self.project.cwd / "app.db")}
        if self.db.engine != "sqlite":
            host, _, port = self.db.url.split("@")[-1].split("/")[0].partition(":")
            user, _, password = self.db.url.split("//")[1].split("@")[0].partition(":")
            connection = {
                "driver": {"postgres": "pgsql", "mariadb": "mysql"}[self.db.engine],
                "host": host,
                "port": port,
                "database": self.db.name,
                "username": user,
                "password": password,
            }
        self.project.write("connection.json", json.dumps(connection))
        lines = [f"DB_{key.upper()}={value}" for key, value in connection.items() if key != "driver"]
        self.project.write(".env", "\n".join([f"DB_CONNECTION={connection['driver']}", *lines, ""]))

    def words(self, *words):
        return [SCRIPT, *words]

    def up_words(self):
        return self.words("migrate")

    def down(self):
        self.ok(*self.words("rollback", "1"))

    def is_content_with(self, n):
        states = [line.split("\t")[0] for line in self.ok(*self.words("status")).splitlines()]
        return states == ["Ran"] * n + ["Pending"] * (len(states) - n)


class TestTurns(Turns):
    peer_class = LaravelPeer

    def batches(self, peer):
        return [[str(field) for field in row] for row in peer.db.sql("SELECT batch FROM migrations ORDER BY migration")]

    def test_whimbrel_finds_the_database_in_its_configuration(self, peer):
        self.write(peer, 1, 2)
        peer.project.write("artisan", "")
        peer.project.ok("migrate")
        self.check(peer, 2)
        peer.ok(*peer.up_words())

    def test_runs_are_batches_and_batches_are_runs(self, peer):
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        self.write(peer, 3, 4)
        self.ours(peer, "migrate")
        assert self.batches(peer) == [["1"], ["1"], ["2"], ["2"]]
        peer.ok(*peer.words("rollback"))
        self.check(peer, 2)
        self.write(peer, 5, 5)
        peer.ok(*peer.up_words())
        assert self.batches(peer) == [["1"], ["1"], ["2"], ["2"], ["2"]]
        self.ours(peer, "rollback", "--last-run")
        self.check(peer, 2)

# SPDX-License-Identifier: Apache-2.0
"""Prisma's own command line and whimbrel, by turns.

Its engine is the one in WebAssembly that comes with the command (the native one is fetched from elsewhere), reached through the driver
adapters @prisma/adapter-pg (of 7.10: that of 6.19 fails at PostgreSQL's catalog) and @prisma/adapter-libsql, which must be installed
beside it. On MariaDB that engine panics whatever it is asked.
"""

import os
import pathlib
import re
import shutil

import pytest
from layouts import Prisma
from turns import Peer, Turns

ADAPTERS = {"postgres": "pg", "sqlite": "libsql"}
CONFIG = """import {{ createRequire }} from "node:module";
const require = createRequire("{modules}/x.js");
const found = require("@prisma/adapter-{adapter}");
const Adapter = Object.values(found).find((one) => typeof one === "function" && /^Prisma/.test(one.name));
export default {{
  experimental: {{ adapter: true }},
  engine: "js",
  schema: "prisma/schema.prisma",
  adapter: async () => new Adapter({options}),
}};
"""


class PrismaPeer(Peer):
    program = "prisma"
    layout = Prisma()
    engines = ("sqlite", "postgres")

    def __init__(self, project, db):
        super().__init__(project, db)
        self.has_lock = db.engine != "sqlite"
        self.modules = pathlib.Path(os.path.realpath(self.path)).parents[2]
        # The native engines would be fetched: any program in their place keeps the command from it. It is asked only whether the
        # database can be reached, and says yes.
        yes = shutil.which("true")
        self.variables = {"PRISMA_QUERY_ENGINE_LIBRARY": yes, "PRISMA_SCHEMA_ENGINE_BINARY": yes, "CHECKPOINT_DISABLE": "1"}

    def prepare(self):
        adapter = ADAPTERS[self.db.engine]
        if not (self.modules / "@prisma" / f"adapter-{adapter}").is_dir():
            pytest.skip(f"@prisma/adapter-{adapter} is not installed beside prisma")
        provider = {"postgres": "postgresql", "sqlite": "sqlite"}[self.db.engine]
        options = {
            "postgres": f'{{ connectionString: "{self.db.url}" }}',
            "sqlite": f'{{ url: "file:{self.project.cwd}/app.db" }}',
        }[self.db.engine]
        self.project.write("prisma.config.ts", CONFIG.format(modules=self.modules, adapter=adapter, options=options))
        url = "file:../app.db" if self.db.engine == "sqlite" else self.db.url
        self.project.write("prisma/schema.prisma", f'datasource db {{\n  provider = "{provider}"\n  url = "{url}"\n}}\n')
        self.project.write("prisma/migrations/migration_lock.toml", f'provider = "{provider}"\n')

    def up_words(self):
        return ["migrate", "deploy"]

    def pending(self):
        code, out = self.call("migrate", "status")
        listed = out.split("not yet been applied", 1)[1] if "not yet been applied" in out else ""
        return code, out, re.findall(r"^\d+_make_t\d+", listed, re.M)

    def is_content_with(self, n):
        code, out, pending = self.pending()
        files = len(list((self.project.cwd / "prisma/migrations").glob("*/migration.sql")))
        assert "failed" not in out and "not found locally" not in out, out
        return (code == 0 and n == files and "up to date" in out) or (code == 1 and len(pending) == files - n)


class TestTurns(Turns):
    peer_class = PrismaPeer

    def test_each_rolls_back_what_the_other_applied(self, peer):
        """Prisma knows no way down: what it applied is rolled back by whimbrel, and applied by it again."""
        self.write(peer, 1, 3)
        peer.ok(*peer.up_words())
        self.ours(peer, "rollback")
        self.check(peer, 2)
        peer.ok(*peer.up_words())
        self.check(peer, 3)

    def test_a_failure_of_either_is_mended_by_the_other(self, peer):
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        self.write(peer, 3, 3)
        peer.db.sql("CREATE TABLE t3 (id int)")
        code, out = peer.call(*peer.up_words())
        assert code != 0, out
        # As with Prisma (P3009) nothing goes on here either until it is settled.
        document = self.ours(peer, "status", "--output", "json").json
        assert [row["state"] for row in document["migrations"]] == ["applied", "applied", "failed"]
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code != 0
        peer.db.sql("DROP TABLE t3")
        self.ours(peer, "repair", "--yes")
        self.ours(peer, "migrate")
        self.check(peer, 3)
        # Ours, where something stays behind.
        self.write(peer, 4, 4)
        name = f"prisma/migrations/{peer.layout.folder_of(4)}/migration.sql"
        text = "-- whimbrel: no-transaction\nCREATE TABLE t4 (id int);\nINSERT INTO nothing VALUES (1);\n"
        peer.project.write(name, text)
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code != 0
        code, out = peer.call(*peer.up_words())
        assert code != 0 and "P3009" in out and peer.layout.folder_of(4) in out, out
        peer.ok("migrate", "resolve", "--rolled-back", peer.layout.folder_of(4))
        peer.db.sql("DROP TABLE t4")
        self.write(peer, 4, 4)
        peer.ok(*peer.up_words())
        self.check(peer, 4)


def test_what_is_resolved_as_applied_is_applied_to_both(whimbrel, pg):
    peer = PrismaPeer(whimbrel, pg)
    peer.prepare()
    for n in range(1, 4):
        peer.layout.write(whimbrel, n)
    pg.sql("CREATE TABLE old (id int)")
    peer.ok("migrate", "resolve", "--applied", peer.layout.folder_of(1))
    whimbrel.ok("stamp", peer.layout.folder_of(2), "-d", pg.url)
    assert peer.is_content_with(2)
    assert pg.sql("SELECT logs, applied_steps_count FROM _prisma_migrations") == [("", "0")] * 2
    peer.ok(*peer.up_words())
    states = whimbrel.ok("status", "-d", pg.url, "--output", "json").json["migrations"]
    assert [row["state"] for row in states] == ["applied"] * 3

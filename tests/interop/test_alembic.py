# SPDX-License-Identifier: Apache-2.0
"""alembic's own command and whimbrel, by turns; and the SQL of both for the same operations."""

import pathlib
import re
import sqlite3

import pytest
from layouts import Alembic
from turns import Peer, Turns, find_peer

CASES = pathlib.Path(__file__).resolve().parents[1] / "cases" / "alembic"

ENV = """
from alembic import context
from sqlalchemy import create_engine
config = context.config
if context.is_offline_mode():
    context.configure(url=config.get_main_option("sqlalchemy.url"), literal_binds=True,
        dialect_opts={"paramstyle": "named"}, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(config.get_main_option("sqlalchemy.url")).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""


def write_project(project, url):
    project.write(
        "alembic.ini",
        f"[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\nsqlalchemy.url = {url}\n",
    )
    project.write("alembic/env.py", ENV)


def url_for_sqlalchemy(project, db):
    if db.engine == "sqlite":
        return f"sqlite:///{project.cwd / 'app.db'}"
    scheme = {"postgres": "postgresql+psycopg2", "mariadb": "mysql+pymysql"}[db.engine]
    return f"{scheme}://{db.url.split('://')[1]}"


class AlembicPeer(Peer):
    program = "alembic"
    layout = Alembic()

    def prepare(self):
        write_project(self.project, url_for_sqlalchemy(self.project, self.db))

    def up_words(self):
        return ["upgrade", "heads"]

    def down(self):
        self.ok("downgrade", "-1")

    def is_content_with(self, n):
        out = self.ok("current")
        ids = [line.split()[0] for line in out.splitlines() if re.match(r"^[0-9a-f]{12}\b", line)]
        return ids == ([self.layout.revision(n)] if n else [])


class TestTurns(Turns):
    peer_class = AlembicPeer

    def write_graph(self, peer):
        """a - b - d, and a - c beside it, then m that merges d and c, and x that depends on c alone."""
        graph = {
            "aaaa": "None", "bbbb": "'aaaa'", "cccc": "'aaaa'", "dddd": "'bbbb'", "eeee": "('dddd', 'cccc')",
            "ffff": "None",
        }
        for revision, before in graph.items():
            depends = "'bbbb'" if revision == "ffff" else "None"
            peer.project.write(
                f"alembic/versions/{revision}.py",
                f'"""make {revision}"""\nfrom alembic import op\nrevision = "{revision}"\ndown_revision = {before}\n'
                f"depends_on = {depends}\ndef upgrade():\n    op.execute('CREATE TABLE t_{revision} (id int)')\n"
                f"def downgrade():\n    op.drop_table('t_{revision}')\n",
            )

    def heads(self, peer):
        return sorted(row[0] for row in peer.db.sql("SELECT version_num FROM alembic_version"))

    def tables(self, peer):
        made = {
            "sqlite": "SELECT name FROM sqlite_master WHERE name LIKE 't!_%' ESCAPE '!'",
            "postgres": "SELECT tablename FROM pg_tables WHERE tablename LIKE 't!_%' ESCAPE '!'",
            "mariadb": "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
            "AND table_name LIKE 't!_%' ESCAPE '!'",
        }[peer.db.engine]
        return sorted(row[0] for row in peer.db.sql(made))

    @pytest.mark.parametrize("target", ["aaaa", "cccc", "dddd", "eeee", "ffff", "heads"])
    def test_a_target_means_the_same_to_both(self, peer, target):
        """What alembic makes of it after whimbrel is what whimbrel makes of it after alembic."""
        self.write_graph(peer)
        peer.ok("upgrade", target)
        rows, tables = self.heads(peer), self.tables(peer)
        self.ours(peer, "rollback", "--all", "--yes")
        assert self.heads(peer) == [] and self.tables(peer) == []
        self.ours(peer, "migrate", "--to", target)
        assert (self.heads(peer), self.tables(peer)) == (rows, tables)
        peer.ok("downgrade", "base")
        assert self.heads(peer) == [] and self.tables(peer) == []

    @pytest.mark.parametrize("target", ["aaaa", "bbbb", "cccc", "dddd"])
    def test_going_back_means_the_same_to_both(self, peer, target):
        self.write_graph(peer)
        self.ours(peer, "migrate", "--convention", "alembic")
        everything = self.heads(peer)
        peer.ok("downgrade", target)
        rows, tables = self.heads(peer), self.tables(peer)
        self.ours(peer, "migrate")
        assert self.heads(peer) == everything
        self.ours(peer, "rollback", "--to", target, "--yes")
        assert (self.heads(peer), self.tables(peer)) == (rows, tables)

    def write_lines(self, peer):
        """A trunk that forks, one of its branches with a label, and a line of its own that needs the trunk."""
        lines = {
            "a100": ("None", "None", "core"), "a200": ("a100", "None", ""), "a300": ("a200", "None", ""),
            "b300": ("a200", "None", "side"), "b400": ("b300", "None", ""), "c100": ("None", "'a200'", "lone"), "c200": ("c100", "None", ""),
        }
        for revision, (down, depends, label) in lines.items():
            peer.project.write(
                f"alembic/versions/{revision}.py",
                f'"""make {revision}"""\nfrom alembic import op\nrevision = "{revision}"\n'
                f"down_revision = {down if down == 'None' else repr(down)}\ndepends_on = {depends}\nbranch_labels = {label or None!r}\n"
                f"def upgrade():\n    op.execute('CREATE TABLE t_{revision} (id int)')\n"
                f"def downgrade():\n    op.drop_table('t_{revision}')\n",
            )

    @pytest.mark.parametrize(
        "start, word, target",
        [
            ("a200", "upgrade", "side@+1"), ("a200", "upgrade", "lone@+2"), ("a300", "upgrade", "b300+1"), ("b300", "upgrade", "+1"),
            ("a100", "upgrade", "side@a100+2"), ("a200", "upgrade", "+1"), ("a200", "upgrade", "side@c100"),
            ("heads", "downgrade", "side@base"), ("heads", "downgrade", "lone@base"), ("heads", "downgrade", "side@-1"),
            ("heads", "downgrade", "b400-1"), ("heads", "downgrade", "side@a200"), ("heads", "downgrade", "a100+1"),
            ("a300", "downgrade", "side@-1"), ("c100", "downgrade", "-1"), ("c100", "stamp", "a200"), ("a300", "stamp", "side@head"),
        ],
    )  # fmt: skip
    def test_a_line_is_counted_alike(self, peer, start, word, target):
        if peer.db.engine != "sqlite":
            pytest.skip("what an engine does not matter to")
        self.write_lines(peer)
        seen = []
        for does in (peer.call, lambda *words: (lambda run: (run.code, run.out))(peer.project(*words, "-d", peer.db.url, "--yes"))):
            peer.ok("upgrade", start)
            code = does(word, target)[0]
            seen.append((code == 0, self.heads(peer), self.tables(peer)))
            peer.ok("stamp", "heads", "--purge")
            for table in self.tables(peer):
                peer.db.sql(f"DROP TABLE {table}")
            peer.ok("stamp", "base", "--purge")
        assert seen[0] == seen[1]

    def test_steps_come_in_alembics_order(self, peer):
        self.write_graph(peer)
        out = peer.ok("upgrade", "heads", "--sql")
        order = re.findall(r"-- Running upgrade .*-> (\w+)", out)
        document = peer.project.ok("status", "-d", peer.db.url, "--output", "json").json
        assert [migration["version"] for migration in document["migrations"]] == order

    def test_stamps_mean_the_same_to_both(self, peer):
        self.write_graph(peer)
        for target in ("bbbb", "dddd", "eeee", "aaaa"):
            peer.ok("stamp", target, "--purge")
            rows = self.heads(peer)
            self.ours(peer, "stamp", "base", "--yes")
            self.ours(peer, "stamp", target, "--yes")
            assert self.heads(peer) == rows
        assert "ffff" in self.ours(peer, "heads").out and "eeee" in peer.ok("heads")

    def test_a_failure_leaves_nothing_that_the_other_stumbles_over(self, peer):
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        self.write(peer, 3, 3)
        path = next((peer.project.cwd / "alembic" / "versions").glob("*make_t3.py"))
        good = path.read_text(encoding="utf-8")
        path.write_text(good.replace("    op.bulk_insert", "    op.execute('no SQL at all')\n    op.bulk_insert"))
        assert peer.project("migrate", "-d", peer.db.url).code == 1
        assert peer.is_content_with(2)
        peer.db.sql("DROP TABLE IF EXISTS t3")
        assert peer.call(*peer.up_words())[0] != 0
        peer.db.sql("DROP TABLE IF EXISTS t3")
        path.write_text(good, encoding="utf-8")
        self.ours(peer, "migrate")
        self.check(peer, 3)

    def test_sql_that_alembic_wrote_runs_here(self, peer):
        """What only Python can run, by the SQL that alembic writes for it."""
        if peer.db.engine == "sqlite":
            pytest.skip("once is enough on servers")
        self.write(peer, 1, 2)
        path = next((peer.project.cwd / "alembic" / "versions").glob("*make_t2.py"))
        text = path.read_text(encoding="utf-8")
        loop = text.replace(
            "def upgrade() -> None:\n", "def upgrade() -> None:\n    for x in 'ab':\n        op.execute(f'SELECT 1')\n"
        )
        path.write_text(loop, encoding="utf-8")
        first, second = peer.layout.revision(1), peer.layout.revision(2)
        refused = peer.project("migrate", "-d", peer.db.url, "--convention", "alembic")
        assert refused.code == 1 and "only Python can run" in refused.err
        out = [line for line in peer.ok("upgrade", f"{first}:{second}", "--sql").splitlines() if "INFO" not in line]
        path.with_suffix(".up.sql").write_text("\n".join(out), encoding="utf-8")
        back = [line for line in peer.ok("downgrade", f"{second}:{first}", "--sql").splitlines() if "INFO" not in line]
        path.with_suffix(".down.sql").write_text("\n".join(back), encoding="utf-8")
        peer.project.ok("migrate", "-d", peer.db.url, "--convention", "alembic")
        self.check(peer, 2)
        self.ours(peer, "rollback")
        self.check(peer, 1)


# ---- the SQL of single operations


URLS = {
    "postgres": "postgresql+psycopg2://",
    "mysql": "mysql+pymysql://",
    "mariadb": "mariadb+pymysql://",
    "sqlite": "sqlite://",
}


def read_cases():
    """(title, attributes, body, {engine: statements}) of every case that alembic can write offline."""
    for path in sorted(CASES.glob("*.case")):
        for part in re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            title, rest = part.split("\n", 1)
            title, attributes = re.fullmatch(r"(.*) \[(.*)\]", title).groups()
            body, expected = rest.split("\n---\n", 1)
            said = {}
            for line in expected.strip().splitlines():
                engine, statement = re.fullmatch(r"(\w+)(?: \d+:| (?=refused|nothing))? ?(.*)", line).groups()
                said.setdefault(engine, []).append(re.sub(r"^\(alone\) ", "", statement))
            if "mysql" in said:
                said.setdefault("mariadb", said["mysql"])
            if "mysql-options" in attributes:  # with a URL that begins with mariadb: alembic does not heed them
                said.pop("mariadb", None)
            if "online" not in attributes:
                yield title, body, said


def folded(sql):
    """Without quotes around names, which alembic writes only where it has to, and with blanks of one kind."""
    pieces = re.split(r"('(?:[^']|'')*')", sql)
    for i in range(0, len(pieces), 2):
        pieces[i] = re.sub(r'[`"]', "", pieces[i])
        pieces[i] = re.sub(r"\s+", " ", pieces[i])
        pieces[i] = pieces[i].replace("( ", "(").replace(" )", ")")
        pieces[i] = re.sub(r"\) ?(?=[A-Z])", ") ", pieces[i])
    return "".join(pieces).strip().rstrip(";")


@pytest.mark.parametrize("engine", URLS)
def test_operations_become_the_same_sql(whimbrel, engine):
    project = whimbrel
    write_project(project, URLS[engine])
    wanted, before = {}, "None"
    for title, body, said in read_cases():
        statements = said.get(engine, [])
        if not statements or statements[0].startswith("refused"):
            continue
        revision = f"r{len(wanted):03}"
        lines = "\n".join(f"    {line}" for line in body.split("\n"))
        project.write(
            f"alembic/versions/{revision}.py",
            "from alembic import op\nimport sqlalchemy as sa\nfrom sqlalchemy.dialects import mysql, postgresql\n"
            f'revision = "{revision}"\ndown_revision = {before}\ndef upgrade():\n{lines}\n',
        )
        wanted[revision] = (title, [] if statements == ["nothing"] else [folded(text) for text in statements])
        before = f'"{revision}"'
    assert len(wanted) > 10
    peer = AlembicPeer.__new__(AlembicPeer)
    peer.path, peer.project = find_peer("alembic"), project
    out = peer.ok("upgrade", "heads", "--sql")
    different = []
    for part in re.split(r"^-- Running upgrade ", out, flags=re.M)[1:]:
        first, rest = part.split("\n", 1)
        title, expected = wanted.pop(first.split("->")[1].strip().split(",")[0])
        statements = [folded(text) for text in re.split(r";\n\n", rest) if text.strip()]
        statements = [re.sub(r"\s*;\s*(?=CREATE)", "; ", text) for text in statements]
        made = [text for text in statements if text not in ("BEGIN", "COMMIT") and "alembic_version" not in text]
        if "several statements" in title:
            made = [piece for text in made for piece in text.split("; ")]
        if made != expected:
            different += [f"{title}:", *(f"  alembic  {a}\n  whimbrel {w}" for a, w in zip_longest(made, expected) if a != w)]
    assert not wanted
    assert not different, "\n".join(different)


def zip_longest(one, two):
    for i in range(max(len(one), len(two))):
        yield one[i] if i < len(one) else "-", two[i] if i < len(two) else "-"


# ---- tables that are made anew


BATCHES = {
    "a type": "b.alter_column('name', type_=sa.Text())",
    "another kind of value": "b.alter_column('size', existing_type=sa.String(5), type_=sa.Integer())",
    "a number of a text": "b.alter_column('price', type_=sa.String(20))",
    "not null": "b.alter_column('name', existing_type=sa.String(20), nullable=False)",
    "null again": "b.alter_column('made', nullable=True)",
    "a default": "b.alter_column('name', server_default=\"it's\")",
    "a default that is an expression": "b.alter_column('made', server_default=sa.func.now())",
    "no default": "b.alter_column('state', server_default=None)",
    "another name": "b.alter_column('name', new_column_name='title')",
    "all at once": "b.alter_column('name', new_column_name='title', type_=sa.Text(), nullable=False, server_default='x')",
    "a column less": "b.drop_column('state')",
    "a column of a key less": "b.drop_column('other')",
    "a unique column less": "b.drop_index('ix_TABLE_w')\n        b.drop_column('code')",
    "a column more": "b.add_column(sa.Column('more', sa.Integer(), server_default=sa.text('5'), nullable=False))",
    "an expression more": "b.add_column(sa.Column('sum', sa.Integer(), server_default=sa.text('(1 + 1)')))",
    "a plain column": "b.add_column(sa.Column('plain', sa.String(5), server_default='x'))",
    "a unique constraint": "b.create_unique_constraint('uq_n', ['name', 'size'])",
    "a check": "b.create_check_constraint('ck_n', sa.text('size <> 1'))",
    "a foreign key": "b.create_foreign_key('fk_o', 'other', ['size'], ['id'], ondelete='CASCADE', onupdate='SET NULL')",
    "a key that defers": "b.create_foreign_key('fk_o', 'other', ['size'], ['id'], deferrable=True, initially='DEFERRED')",
    "another primary key": "b.create_primary_key('pk_n', ['id', 'code'])",
    "a constraint less": "b.drop_constraint('uq_code', type_='unique')",
    "a check less": "b.drop_constraint('ck_size')",
    "a foreign key less": "b.drop_constraint('fk_other', type_='foreignkey')",
    "an index with another": "b.create_index('ix_TABLE_b', ['size', 'name'], unique=True)\n        b.drop_index('ix_TABLE_a')\n"
    "        b.alter_column('size', type_=sa.BigInteger())",
    "a partial index": "b.create_index('ix_TABLE_p', ['size'], sqlite_where=sa.text('size > 1'))\n        b.drop_column('made')",
    "several": "b.alter_column('name', new_column_name='title')\n        b.add_column(sa.Column('x', sa.Boolean()))\n"
    "        b.drop_column('price')\n        b.create_unique_constraint('uq_x', ['x', 'name'])\n        b.drop_index('ix_TABLE_w')",
    "a name twice": "b.drop_constraint('uq_code')\n        b.create_unique_constraint('uq_code', ['name'])",
    "nothing but comments": "b.alter_column('name', comment='x')",
    "the same type": "b.alter_column('name', type_=sa.String(200), existing_nullable=True)",
    "an enumeration": "b.alter_column('state', existing_type=sa.String(10), type_=sa.Enum('x', 'yy', name='e'))",
    "true and false": "b.alter_column('size', type_=sa.Boolean())",
    "other numbers": "b.alter_column('price', type_=sa.Float())",
}

BATCH_START = """
    op.execute('''CREATE TABLE TABLE (
        id INTEGER NOT NULL,
        name VARCHAR(20),
        code varchar(5) DEFAULT 'a' NOT NULL,
        size INT,
        price NUMERIC(10, 2) DEFAULT -1,
        state TEXT DEFAULT (lower('XY')),
        made DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL,
        flag BOOLEAN DEFAULT 0,
        other TINYINT,
        peer INTEGER REFERENCES other(id),
        PRIMARY KEY (id),
        CONSTRAINT uq_code UNIQUE (code),
        UNIQUE (name, flag),
        CONSTRAINT "ck_size" CHECK (size > 0 AND size <> 13),
        CONSTRAINT fk_other FOREIGN KEY(other) REFERENCES other (id) ON DELETE SET NULL
    )''')
    op.execute("CREATE INDEX ix_TABLE_a ON TABLE (size)")
    op.execute("CREATE UNIQUE INDEX ix_TABLE_w ON TABLE (code, size) WHERE size > 2")
    op.execute("INSERT INTO TABLE (id, name, code, size, price, made, flag) VALUES "
        "(1, 'one', 'a', 5, 1.5, '2024-01-01 00:00:00', 1), (2, 'two', 'b', 6, 2, '2024-01-02 00:00:00', 0)")
"""


def shape(database):
    """What there is, without the order of constraints, which Alembic leaves to chance, and the rows."""
    found = {}
    for kind, name, table, sql in database("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        text = re.sub(r"\s+", " ", (sql or "").replace('"', "").replace("( ", "(").replace(" )", ")"))
        text = re.sub(r" ?\(", " (", text)
        parts = re.split(r", (?![^(]*\))", text[text.find("(") + 1 : -1]) if kind == "table" else [text]
        if not name.startswith("sqlite_autoindex"):
            found[name] = (kind, table, sorted(part.strip() for part in parts))
        if kind == "table":
            found[f"{name}:rows"] = database(f"SELECT * FROM {name}")
    return found


def test_tables_are_made_anew_as_alembic_makes_them(whimbrel):
    """Each batch on a table of its own, by Alembic and by whimbrel, each on a database of its own."""
    project = whimbrel
    before = "None"
    for number, (title, batch) in enumerate(BATCHES.items()):
        table = f"t{number:02}"
        start = BATCH_START.replace("CREATE TABLE TABLE", f"CREATE TABLE {table}").replace("TABLE_", f"{table}_")
        start = re.sub(r"\b(ON|INTO) TABLE\b", rf"\1 {table}", start)
        if number == 0:
            start = "    op.create_table('other', sa.Column('id', sa.Integer(), primary_key=True))" + start
        for half, body in (("a", start), ("b", f"    with op.batch_alter_table('{table}') as b:\n        {batch}\n")):
            revision = f"r{number:02}{half}"
            project.write(
                f"alembic/versions/{revision}.py",
                f'"""{title}"""\nfrom alembic import op\nimport sqlalchemy as sa\nrevision = "{revision}"\n'
                f"down_revision = {before}\ndef upgrade():\n{body.replace('TABLE_', f'{table}_')}\n",
            )
            before = f'"{revision}"'
    write_project(project, f"sqlite:///{project.cwd / 'theirs.db'}")
    peer = AlembicPeer.__new__(AlembicPeer)
    peer.path, peer.project = find_peer("alembic"), project
    peer.ok("upgrade", "head")
    project.ok("migrate", "-d", "sqlite:ours.db")
    theirs, ours = (
        shape(lambda sql, name=name: sqlite_rows(project.cwd / name, sql)) for name in ("theirs.db", "ours.db")
    )
    different = [f"{name}\n  alembic  {theirs.get(name)}\n  whimbrel {ours.get(name)}" for name in sorted({*theirs, *ours})
                 if theirs.get(name) != ours.get(name)]
    assert not different, "\n".join(different)


def sqlite_rows(path, sql):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()

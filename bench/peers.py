# SPDX-License-Identifier: Apache-2.0
"""The tools that are compared: how each wants the same migrations laid out, and how it is called.

A tool answers with a Call for what it can do and with None for what it cannot. Where one is installed is none of its
business: it is looked for on PATH, and before that in the folders of WHIMBREL_PEERS.
"""

import os
import shutil

POSTGRES, MARIADB, SQLITE = "postgres", "mariadb", "sqlite"
SERVERS = (POSTGRES, MARIADB)
ALL = (POSTGRES, MARIADB, SQLITE)
FIRST_VERSION = 20250101000000


class Call:
    """A command: its arguments, and what is not of the ordinary."""

    def __init__(self, *argv, cwd=None, env=None, stdin=None):
        self.argv = [str(argument) for argument in argv]
        self.cwd, self.env, self.stdin = cwd, env or {}, stdin


class Target:
    """A database, and by which port it is reached."""

    def __init__(self, engine, name, port=None, path=None):
        self.engine, self.name, self.port, self.path = engine, name, port, path

    @property
    def user(self):
        return {POSTGRES: "postgres", MARIADB: "root"}[self.engine]

    def url(self, scheme=None, query=""):
        if self.engine == SQLITE:
            return f"{scheme or 'sqlite:'}{self.path}"
        return f"{scheme or self.engine}://{self.user}@127.0.0.1:{self.port}/{self.name}{query}"

    def plain_url(self):
        """For those who would ask for TLS, which the throwaway server does not have."""
        if self.engine == POSTGRES:
            return self.url("postgres", "?sslmode=disable")
        return self.url("mysql") if self.engine == MARIADB else self.url()


class Migration:
    def __init__(self, number, up, down):
        self.number, self.up, self.down = number, up, down
        self.version = FIRST_VERSION + number
        self.name = f"step_{number:05}"


def find(name, folders):
    for folder in folders:
        place = os.path.join(folder, name)
        if os.access(place, os.X_OK) and os.path.isfile(place):
            return place
    return shutil.which(name)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


class Tool:
    """`layout` writes the migrations below a folder of the tool's own; the calls come later, with that folder."""

    name = None
    programs = ()
    engines = ALL

    def __init__(self, folders):
        self.found = [find(program, folders) for program in self.programs]
        self.missing = [name for name, place in zip(self.programs, self.found) if not place]
        self.program = self.found[0] if self.found else None

    def layout(self, folder, migrations, engine):
        raise NotImplementedError

    def prepare(self, folder, target):
        """What has to be there once for each database, and is not measured."""

    def start(self):
        return Call(self.program, "--version")

    def apply(self, folder, target):
        raise NotImplementedError

    def status(self, folder, target):
        return None

    def nothing(self, folder, target):
        return self.apply(folder, target)

    def rollback(self, folder, target, migrations, count):
        return None


class Whimbrel(Tool):
    name = "whimbrel"

    def __init__(self, program):
        super().__init__(())
        self.program = program

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            stem = f"{migration.version}_{migration.name}"
            write(folder / f"{stem}.up.sql", migration.up)
            write(folder / f"{stem}.down.sql", migration.down)

    def call(self, word, folder, target, *more):
        return Call(self.program, word, "-m", folder, "-d", target.url(), *more)

    def apply(self, folder, target):
        return self.call("migrate", folder, target)

    def status(self, folder, target):
        return self.call("status", folder, target)

    def rollback(self, folder, target, migrations, count):
        return self.call("rollback", folder, target, "--steps", count)


class Uncached(Whimbrel):
    """As on a machine that has never seen these files: every one is opened and hashed."""

    name = "whimbrel, no cache"

    def call(self, word, folder, target, *more):
        call = super().call(word, folder, target, *more)
        call.env["WHIMBREL_CACHE"] = "false"
        return call


class Vendor(Tool):
    """psql, mariadb, sqlite3: the yardstick. No history, no lock, no checksum; each statement a transaction."""

    name = "vendor's client"

    def __init__(self, clients):
        super().__init__(())
        self.clients = clients  # engine -> program

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            write(folder / f"{migration.number:05}.sql", migration.up)
        write(folder / "all", "".join(migration.up for migration in migrations))
        rows = ",\n".join(f"('{m.version}', '{m.name}')" for m in migrations)
        write(
            folder / "names",
            f"CREATE TABLE history (version VARCHAR(100) PRIMARY KEY, name VARCHAR(100));\nINSERT INTO history VALUES {rows};\n",
        )
        write(folder / "compare", "SELECT version, name FROM history;\n")

    def client(self, target, *more, **kwargs):
        program = self.clients[target.engine]
        if target.engine == POSTGRES:
            argv = [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", target.url("postgresql", "?sslmode=disable")]
        elif target.engine == MARIADB:
            argv = [program, "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", f"--port={target.port}"]
            argv += [f"--user={target.user}", "--default-character-set=utf8mb4", target.name]
        else:
            argv = [program, "-bail", "-init", "/dev/null", target.path]
        return Call(*argv, *more, **kwargs)

    def feed(self, folder, target, name):
        if target.engine == POSTGRES:
            return self.client(target, "-f", name, cwd=folder)
        return self.client(target, stdin=folder / name)

    def start(self):
        return None

    def prepare(self, folder, target):
        return self.feed(folder, target, "names")

    def apply(self, folder, target):
        if target.engine != POSTGRES:
            return self.feed(folder, target, "all")
        files = sorted(path.name for path in folder.glob("*.sql"))
        return self.client(target, *(word for name in files for word in ("-f", name)), cwd=folder)

    def status(self, folder, target):
        """The least that it takes to know: the names, read from a table as long as the history would be."""
        return self.feed(folder, target, "compare")

    nothing = status

    def rollback(self, folder, target, migrations, count):
        write(folder / "down", "".join(migration.down for migration in reversed(migrations[-count:])))
        return self.feed(folder, target, "down")

    def reapply(self, folder, target, migrations, count):
        write(folder / "again", "".join(migration.up for migration in migrations[-count:]))
        return self.feed(folder, target, "again")


class Dbmate(Tool):
    name = "dbmate"
    programs = ("dbmate",)

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            text = f"-- migrate:up\n{migration.up}\n-- migrate:down\n{migration.down}"
            write(folder / f"{migration.version}_{migration.name}.sql", text)

    def call(self, word, folder, target):
        return Call(self.program, "--url", target.plain_url(), "-d", folder, "--no-dump-schema", word)

    def apply(self, folder, target):
        return self.call("migrate", folder, target)

    def status(self, folder, target):
        return self.call("status", folder, target)


class Goose(Tool):
    name = "goose"
    programs = ("goose",)

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            text = f"-- +goose Up\n{migration.up}\n-- +goose Down\n{migration.down}"
            write(folder / f"{migration.version}_{migration.name}.sql", text)

    def call(self, folder, target, *words):
        driver, dsn = {
            POSTGRES: lambda: ("postgres", target.plain_url()),
            MARIADB: lambda: ("mysql", f"root@tcp(127.0.0.1:{target.port})/{target.name}?parseTime=true"),
            SQLITE: lambda: ("sqlite3", target.path),
        }[target.engine]()
        return Call(self.program, "-dir", folder, driver, dsn, *words)

    def start(self):
        return Call(self.program, "-version")

    def apply(self, folder, target):
        return self.call(folder, target, "up")

    def status(self, folder, target):
        return self.call(folder, target, "status")

    def rollback(self, folder, target, migrations, count):
        last = migrations[-count - 1].version if count < len(migrations) else 0
        return self.call(folder, target, "down-to", last)


class GolangMigrate(Tool):
    name = "golang-migrate"
    programs = ("migrate",)

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            stem = f"{migration.version}_{migration.name}"
            write(folder / f"{stem}.up.sql", migration.up)
            write(folder / f"{stem}.down.sql", migration.down)

    def call(self, folder, target, *words):
        url = {
            POSTGRES: lambda: target.plain_url(),
            MARIADB: lambda: f"mysql://root@tcp(127.0.0.1:{target.port})/{target.name}?multiStatements=true",
            SQLITE: lambda: target.url("sqlite3://"),
        }[target.engine]()
        return Call(self.program, "-path", folder, "-database", url, *words)

    def start(self):
        return Call(self.program, "-version")

    def apply(self, folder, target):
        return self.call(folder, target, "up")

    def status(self, folder, target):
        return self.call(folder, target, "version")

    def rollback(self, folder, target, migrations, count):
        return self.call(folder, target, "down", count)


class Sqlx(Tool):
    name = "sqlx"
    programs = ("sqlx",)

    layout = GolangMigrate.layout

    def call(self, folder, target, *words):
        return Call(self.program, "migrate", *words, "--source", folder, "-D", target.plain_url())

    def apply(self, folder, target):
        if target.engine == SQLITE:
            target.path.touch()  # sqlx does not make it
        return self.call(folder, target, "run")

    def status(self, folder, target):
        return self.call(folder, target, "info")

    def rollback(self, folder, target, migrations, count):
        last = migrations[-count - 1].version if count < len(migrations) else 0
        return self.call(folder, target, "revert", "--target-version", last)


class Refinery(Tool):
    name = "refinery"
    programs = ("refinery",)

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            write(folder / f"V{migration.number}__{migration.name}.sql", migration.up)

    def apply(self, folder, target):
        if target.engine == SQLITE:
            target.path.touch()
        url = target.url("sqlite://") if target.engine == SQLITE else target.plain_url()
        if target.engine == MARIADB:
            url = target.url("mysql").replace("root@", "root:@")
        return Call(self.program, "migrate", "-e", "DATABASE_URL", "-p", folder, env={"DATABASE_URL": url})


class Diesel(Tool):
    name = "diesel"
    programs = ("diesel",)

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            write(folder / f"{migration.version}_{migration.name}" / "up.sql", migration.up)
            write(folder / f"{migration.version}_{migration.name}" / "down.sql", migration.down)

    def call(self, folder, target, *words):
        url = str(target.path) if target.engine == SQLITE else target.plain_url()
        return Call(self.program, "migration", *words, "--migration-dir", folder, "--database-url", url, cwd=folder)

    def apply(self, folder, target):
        return self.call(folder, target, "run")

    def status(self, folder, target):
        return self.call(folder, target, "list")

    def rollback(self, folder, target, migrations, count):
        return self.call(folder, target, "revert", "-n", count)


class NodePgMigrate(Tool):
    name = "node-pg-migrate"
    programs = ("node-pg-migrate",)
    engines = (POSTGRES,)

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            text = f"-- Up Migration\n{migration.up}\n-- Down Migration\n{migration.down}"
            # Seventeen digits are a time in UTC to it.
            write(folder / f"{migration.version}000_{migration.name}.sql", text)

    def call(self, folder, target, *words):
        env = {"DATABASE_URL": target.plain_url()}
        return Call(self.program, *words, "-m", folder, "--no-verbose", env=env, cwd=folder.parent)

    def apply(self, folder, target):
        return self.call(folder, target, "up")

    def rollback(self, folder, target, migrations, count):
        return self.call(folder, target, "down", count)


ALEMBIC_ENV = """\
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


class Alembic(Tool):
    name = "Alembic"
    programs = ("alembic",)

    def layout(self, folder, migrations, engine):
        write(folder / "env.py", ALEMBIC_ENV)
        before = None
        for migration in migrations:
            lines = ["from alembic import op", f"revision = '{migration.version}'", f"down_revision = {before!r}"]
            for function, text in (("upgrade", migration.up), ("downgrade", migration.down)):
                lines.append(f"def {function}():")
                lines += [f"    op.execute({part.strip()!r})" for part in text.split(";\n") if part.strip()]
            write(folder / "versions" / f"{migration.version}_{migration.name}.py", "\n".join(lines) + "\n")
            before = str(migration.version)

    def call(self, folder, target, *words):
        url = {
            POSTGRES: lambda: target.url("postgresql+psycopg2"),
            MARIADB: lambda: target.url("mysql+pymysql"),
            SQLITE: lambda: target.url("sqlite:///"),
        }[target.engine]()
        ini = folder / f"{target.name}.{target.port}.ini"
        write(ini, f"[alembic]\nscript_location = {folder}\nsqlalchemy.url = {url}\n")
        return Call(self.program, "-c", ini, *words)

    def apply(self, folder, target):
        return self.call(folder, target, "upgrade", "head")

    def status(self, folder, target):
        return self.call(folder, target, "current")

    def rollback(self, folder, target, migrations, count):
        return self.call(folder, target, "downgrade", f"-{count}")


class Sqitch(Tool):
    name = "sqitch"
    programs = ("sqitch",)

    def layout(self, folder, migrations, engine):
        plan = ["%syntax-version=1.0.0", "%project=bench", ""]
        for migration in migrations:
            minute, second = divmod(migration.number, 60)
            hour, minute = divmod(minute, 60)
            when = f"2025-01-01T{hour:02}:{minute:02}:{second:02}Z"
            plan.append(f"{migration.name} {when} Bench <bench@localhost> # a step")
            write(folder / "deploy" / f"{migration.name}.sql", migration.up)
            write(folder / "revert" / f"{migration.name}.sql", migration.down)
        write(folder / "sqitch.plan", "\n".join(plan) + "\n")
        core = {POSTGRES: "pg", MARIADB: "mysql", SQLITE: "sqlite"}[engine]
        write(folder / "sqitch.conf", f"[core]\n\tengine = {core}\n[user]\n\tname = Bench\n\temail = bench@localhost\n")

    def call(self, folder, target, *words):
        more = []
        if target.engine == SQLITE:
            url = f"db:sqlite:{target.path}"
            more = ["--registry", str(target.path) + ".registry"]
        elif target.engine == POSTGRES:
            url = f"db:pg://postgres@127.0.0.1:{target.port}/{target.name}"
        else:
            url = f"db:mysql://root@127.0.0.1:{target.port}/{target.name}"
            more = ["--registry", f"{target.name}_registry"]
        return Call(self.program, words[0], "--target", url, *more, *words[1:], cwd=folder)

    def apply(self, folder, target):
        return self.call(folder, target, "deploy")

    def status(self, folder, target):
        return self.call(folder, target, "status")

    def rollback(self, folder, target, migrations, count):
        if count >= len(migrations):
            return self.call(folder, target, "revert", "-y")
        return self.call(folder, target, "revert", "-y", "--to", migrations[-count - 1].name)


class Flyway(Tool):
    name = "Flyway"
    programs = ("flyway",)
    ENVIRONMENT = {"REDGATE_DISABLE_TELEMETRY": "true"}  # what it sends home would be measured

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            write(folder / f"V{migration.version}__{migration.name}.sql", migration.up)

    def call(self, word, folder, target):
        if target.engine == SQLITE:
            login = [f"-url=jdbc:sqlite:{target.path}"]
        else:
            scheme = {POSTGRES: "postgresql", MARIADB: "mariadb"}[target.engine]
            login = [f"-url=jdbc:{scheme}://127.0.0.1:{target.port}/{target.name}", f"-user={target.user}", "-password="]
        return Call(self.program, *login, f"-locations=filesystem:{folder}", word, env=self.ENVIRONMENT)

    def start(self):
        return Call(self.program, "--version", env=self.ENVIRONMENT)

    def apply(self, folder, target):
        return self.call("migrate", folder, target)

    def status(self, folder, target):
        return self.call("info", folder, target)


class Liquibase(Tool):
    name = "Liquibase"
    programs = ("liquibase",)

    def layout(self, folder, migrations, engine):
        for migration in migrations:
            down = "".join(f"--rollback {line}\n" for line in migration.down.splitlines())
            text = f"--liquibase formatted sql\n--changeset bench:{migration.version}\n{migration.up}{down}"
            write(folder / "changes" / f"{migration.version}_{migration.name}.sql", text)
        write(folder / "changelog.yaml", "databaseChangeLog:\n  - includeAll:\n      path: changes/\n")

    def call(self, folder, target, *words):
        if target.engine == SQLITE:
            login = [f"--url=jdbc:sqlite:{target.path}"]
        else:
            scheme = {POSTGRES: "postgresql", MARIADB: "mariadb"}[target.engine]
            login = [f"--url=jdbc:{scheme}://127.0.0.1:{target.port}/{target.name}", f"--username={target.user}"]
            login.append("--password=")
        general = ["--analytics-enabled=false", f"--search-path={folder}", "--changelog-file=changelog.yaml"]
        return Call(self.program, *general, *login, *words, cwd=folder)

    def apply(self, folder, target):
        return self.call(folder, target, "update")

    def status(self, folder, target):
        return self.call(folder, target, "status")

    def rollback(self, folder, target, migrations, count):
        return self.call(folder, target, "rollback-count", f"--count={count}")


PEERS = (Dbmate, Goose, GolangMigrate, Sqlx, Refinery, Diesel, NodePgMigrate, Alembic, Sqitch, Flyway, Liquibase)


def peers_folders():
    return [folder for folder in os.environ.get("WHIMBREL_PEERS", "").split(":") if folder]

# SPDX-License-Identifier: Apache-2.0
"""The crash campaign: ./dev crash [ENGINE] [ROUNDS] [--seed SEED] [--every [--part K/N]] [--convention NAME]

A round is the life of a database under a random project: migrate in two parts, roll back, go to and fro, redo, sync, in
one transaction, seeds. In each of these stages whimbrel is killed, the server is killed, or the connection is cut, at a
message of the protocol, at a fault point, at a write to the disk or at a random moment; then the same command is run again
until it says that it is done, and is disturbed again on the way now and then.

After each stage schema, data and history have to be those of the same stage when nothing disturbed it. What whimbrel said
that it did has to be so at any time. Where it says that it cannot know whether a statement has run, that has to be a data
statement outside a transaction; the data then tells, and `whimbrel resume` is called accordingly.

With --every there is no chance: one project, and a round for each message of each stage, in each way. Of a row of messages
that are alike (the rows of a result) that is the first and the last, and whimbrel or the server is killed where the turn
changes, since neither waits for what the other is still to read. --part 2/5 does every fifth of these rounds, from the second.
"""

import argparse
import collections
import difflib
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import projects  # noqa: E402
import worlds  # noqa: E402
from program import Program  # noqa: E402
from proxy import AFTER, BEFORE, CLIENT  # noqa: E402

ROUNDS_A_PROJECT = 8
MOST_ATTEMPTS = 12
HANG_SECONDS = 90

FAULT_POINTS = [
    "run.before-chunk", "run.after-chunk", "run.before-journal", "run.before-history", "run.before-lone",
    "run.after-lone", "run.before-commit", "run.history-write", "run.lock", "run.before-failed", "run.rollback",
]  # fmt: skip
WRITES = "pwrite64,write,ftruncate,fdatasync,fsync,unlink,openat"
HAS_RUN = ("applied", "missing", "changed")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Defect(Exception):
    pass


class Stage:
    """A command, and what has to be there before it is called: files to write and to remove."""

    def __init__(self, name, *args, write=None, remove=()):
        self.name, self.args = name, args
        self.write, self.remove = write or {}, remove


def stages_of(project):
    """One life of a database."""
    versions = project.versions
    early, middle, late = versions[len(versions) // 3], versions[len(versions) // 2], versions[-2]
    stages = [
        Stage("migrate --to", "migrate", "--to", middle),
        Stage("migrate", "migrate"),
        Stage("rollback --to", "rollback", "--to", early),
        Stage("goto up", "goto", late) if project.convention == "whimbrel" else Stage("migrate again", "migrate"),
    ]
    if project.convention != "whimbrel":
        return stages
    last = project.migrations[-1].files("migrations")
    stages += [
        Stage("goto down", "goto", middle),
        Stage("migrate all", "migrate"),
        Stage("redo", "redo"),
        Stage("sync down", "sync", "-y", remove=list(last)),
        Stage("sync up", "sync", "-y", write={**last, "migrations/R__totals.sql": project.repeatable(2)}),
        Stage("seed", "seed", "dev"),
    ]
    # A program does not run amid a single transaction.
    if project.engine != "mariadb" and project.hooks != "programs":
        more = {}
        for n in (1, 2, 3):
            more[f"migrations/90{n}_whole.up.sql"] = (
                f"CREATE TABLE whole{n} (a integer);\nINSERT INTO ledger VALUES ('whole {n}', {n});\n"
            )
            more[f"migrations/90{n}_whole.down.sql"] = f"DROP TABLE whole{n};\n"
        stages.append(Stage("single transaction", "migrate", "--single-transaction", write=more))
    stages.append(Stage("rollback --all", "rollback", "--to", versions[0], "-y"))
    return stages


class Snapshot:
    def __init__(self, world, convention):
        self.dump = world.dump()
        self.history = world.history(convention)

    def compare(self, wanted):
        for what, left, right in (
            ("schema and data", wanted.dump, self.dump),
            ("history", list(map(repr, wanted.history or [])), list(map(repr, self.history or []))),
        ):
            if left != right:
                lines = list(difflib.unified_diff(left, right, "undisturbed", "here", lineterm="", n=0))
                raise Defect(f"the {what} differs:\n" + "\n".join(lines[:40]))


class Reference:
    """A project's life when nothing disturbs it: the snapshots, and how many messages each stage had."""

    def __init__(self, campaign, project, stages=None):
        self.project = project
        self.stages = stages or stages_of(project)
        self.snapshots, self.messages, self.seconds, self.hooked = [], [], [], []
        self.sequences = []  # of each stage: (side, kind) of its messages
        life = Life(campaign, self, None)
        try:
            for stage in self.stages:
                life.files(stage)
                if life.world.proxy:
                    life.world.proxy.reset()
                began = time.monotonic()
                result = life.program(*life.command(stage.args))
                self.seconds.append(time.monotonic() - began)
                if result.code != 0:
                    raise Defect(f"{stage.name} fails undisturbed: {result!r}")
                if life.world.proxy:
                    life.world.proxy.wait()
                    self.messages.append(life.world.proxy.numbers[None, None])
                    self.sequences.append(list(life.world.proxy.kinds))
                else:
                    self.messages.append(0)
                self.snapshots.append(Snapshot(life.world, project.convention))
        finally:
            life.end()


class Crash:
    """One disturbance: how, and where."""

    def __init__(self, how, at=None, when=BEFORE, after_s=None, point=None, is_down=False):
        self.how, self.at, self.when, self.after_s, self.point = how, at, when, after_s, point
        self.is_down = is_down  # nobody can connect until the program has ended
        self.reconnect = "0s"  # how long the program seeks a new connection

    def __str__(self):
        where = f"{self.when} message {self.at}" if self.at else f"at {self.point}" if self.point else ""
        if self.after_s is not None:
            where = f"after {self.after_s * 1000:.0f} ms"
        return f"{self.how} {where}{' and nobody lets in' if self.is_down else ''}, --reconnect {self.reconnect}"


class Life:
    """A database and a folder through all stages, disturbed or not."""

    def __init__(self, campaign, reference, log):
        self.campaign, self.reference, self.log = campaign, reference, log
        self.world, self.project = campaign.world, reference.project
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wh-crash-", dir="/tmp"))
        self.program = Program(campaign.command, self.folder / "project")
        self.convention = self.project.convention
        self.crashes = self.doubts = 0
        self.world.fresh(self.folder)
        self.write(self.project.files)
        self.program.write("whimbrel.toml", f'convention = "{self.convention}"\nplaceholders = true\n')

    def write(self, files):
        for path, text in files.items():
            file = self.program.write(path, text)
            if text.startswith("#!"):
                file.chmod(0o755)

    def files(self, stage):
        self.write(stage.write)
        for path in stage.remove:
            (self.program.cwd / path).unlink()

    def end(self):
        self.program.end_all()
        self.world.revive()
        self.world.drop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, args):
        return [*args, "-d", self.world.url, "--output", "json", "--lock-wait", "30s"]

    def say(self, text):
        if self.log is not None:
            self.log.append(text)

    # -- one attempt ---------------------------------------------------------------------------------------------

    def attempt(self, args, crash):
        """Runs it once, with or without a crash. A Result, or None when it was killed."""
        proxy, env, timer, prefix = self.world.proxy, {}, None, []
        process, reviving = None, []
        ready = threading.Event()

        def strike():
            ready.wait(10)
            if crash.how == "kill":
                process.kill()
                process.wait()
            if crash.is_down:
                proxy.refuse()
            if crash.how == "kill-server":
                self.world.kill_server()
                if crash.reconnect != "0s" and not crash.is_down:
                    reviving.append(threading.Thread(target=self.world.revive))
                    reviving[0].start()

        if proxy:
            proxy.reset()
        if crash:
            self.crashes += 1
            if crash.point and crash.how == "kill-write":
                prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={crash.point}"]
                prefix += ["-e", f"inject={crash.point}:signal=KILL:when={crash.at}"]
            elif crash.point:
                env["WHIMBREL_FAULT"] = f"{crash.point}:{crash.at}:{crash.how}"
            elif crash.after_s is not None:
                timer = threading.Timer(crash.after_s, strike)
            elif crash.how in ("rst", "fin"):
                proxy.at(crash.at, crash.how, when=crash.when)
                if crash.is_down:
                    proxy.at(crash.at, proxy.refuse, when=BEFORE)
                    proxy.rules.reverse()  # it comes first
            else:
                proxy.at(crash.at, strike, when=crash.when)
        command = self.program.command
        try:
            self.program.command = [*prefix, *command]
            patience = ["--reconnect", crash.reconnect] if crash and proxy else []
            process = self.program.start(*self.command(args), *patience, env=env)
        finally:
            self.program.command = command
        ready.set()
        if timer:
            timer.start()
        try:
            out, err = process.communicate(timeout=HANG_SECONDS)
        except Exception:
            process.kill()
            out, err = process.communicate()
            raise Defect(f"no end after {HANG_SECONDS} s: {args}\n{err}") from None
        finally:
            if timer:
                timer.cancel()
                timer.join()
        self.program.running.remove(process)
        for thread in reviving:
            thread.join()
        if proxy:
            proxy.refuse(False)
            proxy.flow()
            proxy.wait()
            proxy.reset()  # what has not happened is not to happen later
        self.world.revive()
        self.world.wait_until_idle()
        code = process.returncode
        self.say(f"  {' '.join(args)}{f', {crash}' if crash else ''}: exit {code}")
        if code < 0 or code in (137, 134):
            if not crash or code == -6:
                raise Defect(f"ended by signal {-code}: {args}\n{err}")
            return None
        if code not in (0, 1, 4):
            raise Defect(f"exit code {code}: {args}\n{out}\n{err}")
        self.say("".join(f"    {line}\n" for line in err.splitlines()[-12:]).rstrip())
        answer = Answer(args, code, out, err)
        if answer.document:
            self.say(f"    applied {answer.document.get('applied')}, rolled back {answer.document.get('rolled_back')}")
        return answer

    # -- what whimbrel says ----------------------------------------------------------------------------------------

    def applied(self, rows):
        if self.convention == "sqlx":
            return [row[0] for row in rows if row[2] in ("t", "1", 1)]
        return [row[0] for row in rows if row[0] and row[3] == "applied"]

    def rows(self):
        return self.world.history(self.convention) or []

    def check_answer(self, answer, rows_before, rows_after):
        """It has said what it did: that, and nothing else, is so."""
        before, after = self.applied(rows_before), self.applied(rows_after)
        there = [row[0] for row in rows_after]  # also what stopped half-way
        if answer is None or answer.document is None:
            return
        ups = [version for version in answer.document.get("applied", []) if version.isdigit()]
        downs = answer.document.get("rolled_back", [])
        lost = [version for version in ups if version not in after]
        is_open = "is not known" in answer.err  # what a redo had rolled back may be there again
        kept = [version for version in downs if version in after and version not in ups and not is_open]
        if lost or kept:
            raise Defect(f"said to be applied and not there: {lost}; rolled back and still there: {kept}\n{answer!r}")
        if is_open:
            return
        more = [version for version in after if version not in before and version not in ups]
        gone = [version for version in before if version not in there and version not in downs]
        if more or gone:
            raise Defect(f"done and not said: applied {more}, rolled back {gone}\n{answer!r}")

    # -- statements in doubt -----------------------------------------------------------------------------------------

    def partial(self):
        """The migration that stopped half-way: version, is_down, statements done."""
        for row in self.world.history(self.convention) or []:
            if row[3] in ("running-up", "running-down"):
                return row[0], row[3] == "running-down", int(row[6])
        return None

    def decide(self, answer, counts):
        """What somebody who looks at the data would say: a `resume` command."""
        stopped = self.partial()
        if not stopped:
            raise Defect(f"a statement in doubt, and no migration is half-way: {answer!r}")
        version, is_down, done = stopped
        migration = self.project.migration(version)
        probes = migration.down_probes if is_down else migration.up_probes
        if done + 1 not in probes:
            raise Defect(f"statement {done + 1} of {version} is no data outside a transaction: {answer!r}")
        error = answer.document["error"]
        statements = migration.down if is_down else migration.up
        wanted = " ".join(statements[done].rstrip(";").split())
        if " ".join((error["statement"] or "").rstrip(";").split()) != wanted or f"statement {done + 1} of {version}" not in error["message"]:
            raise Defect(f"it names another statement than {done + 1} of {version}, {wanted}: {answer!r}")
        if f"--from {done + 1}" not in (error["hint"] or ""):
            raise Defect(f"it does not say how to go on: {answer!r}")
        self.doubts += 1
        probe = probes[done + 1]
        if probe.what:
            has_run = self.ledger()[probe.what] > counts[probe.what]
        else:
            has_run = self.world.number(probe.sql) == 1
        self.say(f"    in doubt: statement {done + 1} of {version}; the data says that it has{'' if has_run else ' not'} run")
        return ["resume", "--skip"] if has_run else ["resume", "--from", str(done + 1)]

    def ledger(self):
        try:
            rows = self.world.query("SELECT what, count(*) FROM ledger GROUP BY what")
        except RuntimeError:
            rows = []  # the first migration has not run
        return collections.Counter({what: int(count) for what, count in rows})

    # -- a stage -----------------------------------------------------------------------------------------------------

    def run_of(self, version):
        rows = self.world.query(f"SELECT run FROM whimbrel_history WHERE version = '{version}' AND outcome = 'applied'")
        return rows[0][0] if rows else None

    def next_command(self, stage, state):
        """What comes after a stop: the same again, but for two commands that mean something else the second time."""
        if stage.name == "redo":
            run = self.run_of(state["last"])
            if run is not None and run == state["run"]:
                return list(stage.args) if not self.partial() else ["resume"]
            return None if run is not None else (["resume"] if self.partial() else ["migrate"])
        if stage.name == "seed":
            count = self.world.number("SELECT count(*) FROM ledger WHERE what LIKE 'seed %'")
            if count not in (state["seeds"], state["seeds"] + 30):
                raise Defect(f"{count - state['seeds']} of 30 rows of the seeds are there")
            return list(stage.args) if count == state["seeds"] else None
        return list(stage.args)

    def stage(self, index, crashes):
        stage = self.reference.stages[index]
        self.files(stage)
        crashes = collections.deque(crashes)
        counts, rows = self.ledger(), self.rows()
        state = {"seeds": self.world.number("SELECT count(*) FROM ledger WHERE what LIKE 'seed %'")}
        if stage.name == "redo":
            state["last"] = self.applied(rows)[-1]
            state["run"] = self.run_of(state["last"])
        self.say(f"{stage.name}:")
        command = list(stage.args)
        for _ in range(MOST_ATTEMPTS):
            crash = crashes.popleft() if crashes else None
            answer = self.attempt(command, crash)
            before, rows = rows, self.rows()
            self.check_answer(answer, before, rows)
            if answer and answer.error_code == "statement-in-doubt":
                command = self.decide(answer, counts)
                continue
            if answer and answer.code == 0 and command[0] == stage.args[0]:
                break
            if answer and answer.code != 0 and not crash:
                if self.convention == "sqlx" and self.world.engine == "mariadb" and self.is_promised_stop(answer):
                    return False
                raise Defect(f"undisturbed, and it does not go on by itself: {answer!r}")
            self.check_status(rows)
            command = self.next_command(stage, state)
            if command is None:
                break
        else:
            raise Defect(f"{stage.name} is not done after {MOST_ATTEMPTS} attempts")
        Snapshot(self.world, self.convention).compare(self.reference.snapshots[index])
        self.check_hooks(rows)
        return True

    def is_promised_stop(self, answer):
        """Rows of SQLx on MariaDB say that a migration is under way, and not how far: both tools stop there."""
        open_rows = [row[0] for row in self.world.history("sqlx") if row[2] in ("0", 0)]
        return len(open_rows) == 1 and open_rows[0] in answer.document["error"]["message"] + answer.err

    def check_status(self, rows):
        result = self.program("status", "-d", self.world.url, "--output", "json")
        if result.code != 0:
            raise Defect(f"status fails: {result!r}")
        said = [row["version"] for row in result.json["migrations"] if row["version"] and row["state"] in HAS_RUN]
        if sorted(said) != sorted(self.applied(rows)):
            raise Defect(f"status says {said}, the history {self.applied(rows)}")

    def check_hooks(self, history):
        """A hook in the migration's transaction has run as often as it."""
        if self.project.hooks == "none" or self.convention != "whimbrel":
            return
        rows = collections.Counter(row[0] for row in self.world.query("SELECT what FROM hooked"))
        for version in self.applied(history):
            if rows[f"after {version}"] < 1 or rows[f"before {version}"] < rows[f"after {version}"]:
                raise Defect(f"the hooks of {version}: {rows}")


class Answer:
    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, ANSI.sub("", err)
        try:
            self.document = json.loads(out) if out.strip() else None
        except ValueError:
            raise Defect(f"no JSON: {args}\n{out}\n{err}") from None

    @property
    def error_code(self):
        error = self.document and self.document.get("error")
        return error and error.get("code")

    def __repr__(self):
        return f"whimbrel {' '.join(self.args)}: exit {self.code}\n{self.out}\n{self.err}"


class Campaign:
    def __init__(self, engine, command, convention="whimbrel", out=print, is_verbose=False):
        self.is_verbose = is_verbose
        self.world = worlds.WORLDS[engine]()
        self.engine, self.command, self.convention, self.out = engine, command, convention, out
        self.rounds = self.crashes = self.doubts = 0
        self.defects = []

    # -- choosing crashes --------------------------------------------------------------------------------------------

    def random_crash(self, chance, reference, index):
        crash = self.some_crash(chance, reference, index)
        crash.reconnect = chance.choice(["0s", "1s" if crash.is_down else "20s"])
        return crash

    def some_crash(self, chance, reference, index):
        messages, seconds = reference.messages[index], reference.seconds[index]
        if self.engine == "sqlite":
            how = chance.choice(["write", "write", "write", "point", "time"])
            if how == "write":
                return Crash("kill-write", at=chance.choice([chance.randint(1, 30), chance.randint(1, 300)]), point=WRITES)
            if how == "time":
                return Crash("kill", after_s=chance.uniform(0, seconds))
            return Crash("kill", at=chance.randint(1, 12), point=chance.choice(FAULT_POINTS))
        how = chance.choice(["kill", "kill", "rst", "fin", "kill-server", "kill-time", "server-time", "point"])
        when, is_down = chance.choice([BEFORE, AFTER]), chance.random() < 0.3
        if how == "point":
            return Crash(chance.choice(["kill", "kill", "drop", "fail"]), at=chance.randint(1, 10), point=chance.choice(FAULT_POINTS))
        if how in ("kill-time", "server-time"):
            return Crash("kill" if how == "kill-time" else "kill-server", after_s=chance.uniform(0, seconds))
        return Crash(how, at=chance.randint(1, max(1, messages)), when=when, is_down=is_down and how != "kill")

    def random_crashes(self, chance, reference, index):
        crashes = []
        while chance.random() < (0.9 if not crashes else 0.4) and len(crashes) < 4:
            crashes.append(self.random_crash(chance, reference, index))
        return crashes

    def every(self, reference, index):
        """All the crashes of a stage, in order."""
        if self.engine == "sqlite":
            return [Crash("kill-write", at=n, point=WRITES) for n in range(1, 400)]
        sequence = reference.sequences[index]
        crashes = []
        for n, this in enumerate(sequence, 1):
            last = sequence[n - 2] if n > 1 else (None, None)
            following = sequence[n] if n < len(sequence) else (None, None)
            # Behind a message is before the next one, unless that never comes.
            whens = [BEFORE, AFTER] if following[0] != this[0] else [BEFORE]
            hows = ["rst", "fin"] if this != last or this != following else []
            if this[0] != last[0] or this[0] != following[0] or this[0] == CLIENT:
                hows += ["kill", "kill-server"]
            crashes += [Crash(how, at=n, when=when) for when in whens for how in hows]
        return crashes

    # -- rounds ------------------------------------------------------------------------------------------------------

    def round(self, name, reference, choose):
        log = []
        life = Life(self, reference, log)
        began = time.monotonic()
        defect = None
        try:
            for index in range(len(reference.stages)):
                if not life.stage(index, choose(index)):
                    break
        except Defect as found:
            defect = str(found)
        except (AssertionError, RuntimeError) as found:
            defect = repr(found)
        finally:
            if defect and os.environ.get("CRASH_KEEP"):
                shutil.copytree(life.folder, os.environ["CRASH_KEEP"], dirs_exist_ok=True)
            life.end()
        self.rounds += 1
        self.crashes += life.crashes
        self.doubts += life.doubts
        took = time.monotonic() - began
        words = f"{self.engine} {self.convention} round {name}: {life.crashes} crashes, {life.doubts} in doubt"
        if defect:
            self.defects.append(name)
            self.out(f"{words}: DEFECT ({took:.1f} s)\n" + "\n".join(log) + f"\n{defect}\n")
        else:
            self.out(f"{words}: ok ({took:.1f} s)" + ("\n" + "\n".join(log) if self.is_verbose else ""))
        return defect

    def run_random(self, rounds, seed):
        """Seeds are PROJECT.ROUND."""
        project_seed, number = (int(part) for part in f"{seed}.0".split(".")[:2])
        reference = None
        for _ in range(rounds):
            if reference is None or number == ROUNDS_A_PROJECT:
                if number == ROUNDS_A_PROJECT:
                    project_seed, number = project_seed + 1, 0
                reference = Reference(self, projects.Project(self.engine, project_seed, convention=self.convention))
            chance = random.Random(f"{self.engine} {self.convention} {project_seed} {number}")
            plan = [self.random_crashes(chance, reference, index) for index in range(len(reference.stages))]
            self.round(f"{project_seed}.{number}", reference, lambda index: plan[index])
            number += 1

    def run_every(self, rounds, seed, part):
        reference = Reference(self, projects.Project(self.engine, seed, convention=self.convention))
        lists = [self.every(reference, index) for index in range(len(reference.stages))]
        first, step = part
        numbers = range(first - 1, max(map(len, lists)), step)[: rounds or None]
        self.out(f"{self.engine} {self.convention}: {len(numbers)} rounds to do, {sum(map(len, lists))} places in all")
        for number in numbers:
            self.round(f"{seed} every {number}", reference, lambda index: lists[index][number : number + 1])

    def summary(self):
        return (
            f"{self.engine} {self.convention}: {self.rounds} rounds, {self.crashes} crashes, {self.doubts} statements "
            f"in doubt, {len(self.defects)} rounds with defects{': ' + ', '.join(self.defects) if self.defects else ''}"
        )


def part(text):
    first, _, step = text.partition("/")
    if not 1 <= int(first) <= int(step):
        raise ValueError(text)
    return int(first), int(step)


def main():
    parser = argparse.ArgumentParser(prog="./dev crash", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("engine", nargs="?", choices=[*worlds.WORLDS, "all"], default="all")
    parser.add_argument("rounds", nargs="?", type=int, default=0, help="for each engine; 40 unless told")
    parser.add_argument("--seed", default=str(int(time.time()) % 100000), help="PROJECT or PROJECT.ROUND: repeats it")
    parser.add_argument("--every", action="store_true", help="one project, each message in turn")
    parser.add_argument("--part", type=part, default=(1, 1), metavar="K/N", help="of --every: each Nth round, from the Kth")
    parser.add_argument("-v", "--verbose", action="store_true", help="what was done in rounds without a defect, too")
    parser.add_argument("--convention", choices=["whimbrel", "sqlx"], default="whimbrel")
    options = parser.parse_args()
    command = [os.environ["WHIMBREL_PROGRAM"]]
    summaries, has_defects = [], False
    for engine in worlds.WORLDS if options.engine == "all" else [options.engine]:
        campaign = Campaign(engine, command, options.convention, lambda text: print(text, flush=True), options.verbose)
        try:
            print(f"{engine}: seed {options.seed}", flush=True)
            if options.every:
                campaign.run_every(options.rounds, int(options.seed.split(".")[0]), options.part)
            else:
                campaign.run_random(options.rounds or 40, options.seed)
        finally:
            campaign.world.close()
        summaries.append(campaign.summary())
        has_defects = has_defects or bool(campaign.defects)
    print("\n".join(summaries))
    sys.exit(1 if has_defects else 0)


if __name__ == "__main__":
    main()

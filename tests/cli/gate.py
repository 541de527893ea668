# SPDX-License-Identifier: Apache-2.0
"""A run that is stopped between two of its migrations, by a hook that waits, while a test does something to it."""

import pathlib
import subprocess
import time


def until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


def write_hook(whimbrel, name, text):
    whimbrel.write(f"migrations/hooks/{name}", "#!/bin/sh\n" + text).chmod(0o755)


# Stops the run where it is, once, until the test has done something to the server.
GATE = """\
[ "${WHIMBREL_VERSION-}" = %s ] || exit 0
[ ! -e here ] || exit 0
: >here
while [ ! -e go ]; do sleep 0.05; done
"""


def at_the_gate(whimbrel, version, action, *args, hook="after-each"):
    """Runs the program; action happens between migration `version` and what follows. Result as communicate() has it."""
    write_hook(whimbrel, hook, GATE % version)
    process = whimbrel.start(*args)
    try:
        until(lambda: pathlib.Path(whimbrel.cwd, "here").exists() or process.poll() is not None, "the hook ran")
        assert process.poll() is None, process.communicate()
        action()
    finally:
        pathlib.Path(whimbrel.cwd, "go").touch()
    return ended(process)


def ended(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def session(db, text):
    """A client of the engine's that holds something until it is killed."""
    return subprocess.Popen(
        db.client("-e" if db.engine == "mariadb" else "-c", text),
        env=db.client_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def three(whimbrel):
    for number in (1, 2, 3):
        up = f"CREATE TABLE t{number} (id int);\nINSERT INTO t{number} VALUES ({number});\n"
        whimbrel.write(f"migrations/{number}_m.up.sql", up)
        whimbrel.write(f"migrations/{number}_m.down.sql", f"DROP TABLE t{number};\n")


def history(db):
    return db.sql("SELECT version, outcome FROM whimbrel_history ORDER BY version")


ALL_APPLIED = [("1", "applied"), ("2", "applied"), ("3", "applied")]

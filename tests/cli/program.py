# SPDX-License-Identifier: Apache-2.0
"""Calling the program under test, in an environment that holds nothing of the caller's."""

import json as json_module
import os
import pathlib
import signal
import subprocess

# Beside these, what steers sanitizers, coverage and Valgrind goes through.
KEPT = ["PATH", "TMPDIR", "LD_LIBRARY_PATH"]
KEPT_PREFIXES = ("ASAN_", "UBSAN_", "LSAN_", "GCOV_", "LLVM_", "VALGRIND_")


# What sanitizers and Valgrind are told to end the program with: no test may take that for an answer.
FINDING = 99


class Result:
    """What one call did: .code (negative: the signal that ended it), .out, .err, .json."""

    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, err

    @property
    def json(self):
        return json_module.loads(self.out)

    @property
    def events(self):
        """Standard error as --log json writes it: one object a line."""
        return [json_module.loads(line) for line in self.err.splitlines() if line.strip()]

    def __repr__(self):
        return (
            f"whimbrel {' '.join(self.args)}\n"
            f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"
        )


class Program:
    """whimbrel("status", "-d", url) runs it and gives a Result; whimbrel.ok(...) also insists on exit code 0."""

    def __init__(self, command, folder):
        self.command = list(command)
        self.cwd = pathlib.Path(folder)
        self.home = self.cwd.parent / f".home-{self.cwd.name}"  # where .pgpass and .my.cnf would be
        self.home.mkdir(exist_ok=True)
        self.running = []

    def environment(self, extra=None):
        env = {
            name: value
            for name, value in os.environ.items()
            if name in KEPT or name.startswith(KEPT_PREFIXES)
        }
        env["HOME"] = str(self.home)
        env["LC_ALL"] = "C.UTF-8"
        for name, value in (extra or {}).items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = str(value)
        return env

    def start(self, *args, cwd=None, env=None, **popen):
        """Starts it and does not wait: a Popen, for tests that send signals. Ended with the test at the latest."""
        for stream in ("stdin", "stdout", "stderr"):
            popen.setdefault(stream, subprocess.DEVNULL if stream == "stdin" else subprocess.PIPE)
        process = subprocess.Popen(
            [*self.command, *map(str, args)],
            cwd=cwd or self.cwd,
            env=self.environment(env),
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            **popen,
        )
        self.running.append(process)
        return process

    def run(self, *args, cwd=None, env=None, input=None, timeout=120):
        process = self.start(
            *args, cwd=cwd, env=env, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE
        )
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(
                f"no end after {timeout} s: " + repr(Result(list(map(str, args)), None, out, err))
            ) from None
        finally:
            if process.poll() is not None:
                self.running.remove(process)
        result = Result(list(map(str, args)), process.returncode, out, err)
        assert result.code != FINDING, repr(result)
        return result

    __call__ = run

    def ok(self, *args, **kwargs):
        result = self.run(*args, **kwargs)
        assert result.code == 0, repr(result)
        return result

    def write(self, path, text):
        """Makes a file below the test's folder, with the folders above it."""
        target = self.cwd / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def end_all(self):
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()
        self.running.clear()

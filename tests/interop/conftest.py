# SPDX-License-Identifier: Apache-2.0
"""The fixtures of tests/cli, for tests in which another tool and whimbrel take turns."""

import importlib.util
import pathlib
import sys

CLI = pathlib.Path(__file__).resolve().parents[1] / "cli"
sys.path.insert(0, str(CLI))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

# Its name is taken by this file.
spec = importlib.util.spec_from_file_location("cli_conftest", CLI / "conftest.py")
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
globals().update({name: value for name, value in vars(shared).items() if not name.startswith("__")})

# SPDX-License-Identifier: Apache-2.0
"""Certificates for throwaway servers, made by openssl."""

import os
import shutil
import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def make(folder):
    """Fills folder with ca.pem, an authority; server.pem and server.key, by it, for the address 127.0.0.1; expired.pem, the same
    for yesterday; other.pem, an authority that has signed nothing. False where openssl is not installed."""
    openssl = shutil.which("openssl")
    if not openssl:
        return False

    def call(*arguments):
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "other"):
        call("req", "-x509", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}")
    call("req", *KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    for name, days in (("server", "2"), ("expired", "-1")):
        call(
            "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", days,
            "-extfile", "san", "-out", f"{name}.pem",
        )
    return True


def hand_over(source, target, user):
    """Copies a file to where a server reads it, for it alone."""
    shutil.copy(source, target)
    target.chmod(0o600)
    if user:
        os.chown(target, user.pw_uid, user.pw_gid)

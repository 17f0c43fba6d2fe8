"""Real servers on the loopback interface for the tests of remotes, each in its own folder.

A test is skipped, with the reason, if the program of its server is not installed.
"""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

USER, PASSWORD = "reader", "correct horse"
START_SECONDS = 20
# Below the ports that the kernel gives to clients. Each test process has its own ports, because a
# port that is free now may be taken by another process before the server listens.
FIRST_PORT, PORTS, PROCESSES = 20_000, 500, 24


def program(name: str, package: str) -> str:
    """The path of a server's program. The test is skipped if there is none."""
    found = shutil.which(name, path=os.defpath + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return found


def free_port() -> int:
    """A port of this test process that nothing listens on."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PROCESSES
    first = FIRST_PORT + PORTS * process
    for port in random.sample(range(first, first + PORTS), PORTS):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no port from {first} to {first + PORTS - 1} is free")


@contextmanager
def running(command: list[str], port: int, folder: Path, **environment: str) -> Iterator[None]:
    """Run a server until the block ends. The test fails, with the server's output, if it ends or
    does not listen on its port."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | environment
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} did not start: {log.read_text(errors='replace')}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def ssh(folder: Path) -> Iterator[int]:
    """OpenSSH's server: yields its port. It accepts the key `folder/key`, not `folder/stranger`."""
    server = program("sshd", "openssh-server")
    for name in ("host", "key", "stranger"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    port = free_port()
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/key.pub\nStrictModes no\nPasswordAuthentication no\n"
        f"PidFile none\nUsePAM no\nSubsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd needs it if root starts it
    with running([server, "-D", "-e", "-f", f"{folder}/sshd_config"], port, folder):
        yield port


APACHE = """
ServerName localhost
Listen 127.0.0.1:{port}
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
DocumentRoot {folder}/www
DavLockDB {folder}/davlock
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authn_file_module {modules}/mod_authn_file.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_basic_module {modules}/mod_auth_basic.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_fs_module {modules}/mod_dav_fs.so
{user}
<Directory {folder}/www>
  Require all granted
</Directory>
<Directory {folder}/www/private>
  Dav On
  AuthType Basic
  AuthName data
  AuthUserFile {folder}/users
  Require valid-user
</Directory>
"""


@contextmanager
def apache(folder: Path) -> Iterator[int]:
    """Apache: yields its port. `folder/www` is public; `/private` is WebDAV with a password.

    Apache runs as another user, who may not enter pytest's folders: `folder/www` is a link.
    """
    server = program("apache2", "apache2")
    with tempfile.TemporaryDirectory(prefix="unweather-apache-") as name:
        root = Path(name)
        (root / "www" / "private").mkdir(parents=True)
        (folder / "www").symlink_to(root / "www")
        digest = subprocess.run(
            ["openssl", "passwd", "-apr1", PASSWORD], check=True, capture_output=True, text=True
        )
        (root / "users").write_text(f"{USER}:{digest.stdout}")
        port, user = free_port(), ""
        if os.geteuid() == 0:
            user = "User www-data\nGroup www-data"
            for path in [root, *root.rglob("*")]:
                shutil.chown(path, "www-data", "www-data")
        config = APACHE.format(
            port=port, folder=root, modules="/usr/lib/apache2/modules", user=user
        )
        (root / "apache.conf").write_text(config)
        with running([server, "-D", "FOREGROUND", "-f", f"{root}/apache.conf"], port, root):
            yield port


@contextmanager
def s3(folder: Path) -> Iterator[int]:
    """nanio, an S3-compatible server that checks signatures: yields its port. Bucket `data`."""
    if find_spec("nanio") is None:
        pytest.skip("nanio, an S3-compatible server, is not installed (pip install nanio)")
    (folder / "buckets" / "data").mkdir(parents=True)
    port = free_port()
    command = [sys.executable, "-m", "nanio.cli", "serve", "--data-dir", f"{folder}/buckets"]
    keys = {"NANIO_ACCESS_KEY": USER, "NANIO_SECRET_KEY": PASSWORD}
    with running([*command, "--host", "127.0.0.1", "--port", str(port)], port, folder, **keys):
        yield port


@contextmanager
def cut_after(port: int, limit: int) -> Iterator[int]:
    """A proxy in front of a server: yields its port. After `limit` bytes of replies it closes all
    connections and accepts no more."""
    listener = socket.create_server(("127.0.0.1", 0))
    passed = [0]

    def pump(source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(16384):
                passed[0] += len(chunk) * counted
                if passed[0] > limit:
                    break
                sink.sendall(chunk)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if passed[0] > limit:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", port))
            for ends in ((client, server, False), (server, client, True)):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()

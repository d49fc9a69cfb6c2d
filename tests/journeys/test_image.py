"""The image, without a Docker engine: the Dockerfile's own steps, run one by one in a clean folder.

The steps are read from the Dockerfile. Its first stage builds /opt/weir; here that is a
folder of the test's. The result is then run as an arbitrary user, in a mount namespace whose root
is read-only, which is what `docker run --read-only` gives.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.demo.ehr import free_port

ROOT = Path(__file__).parents[2]
ANY_USER = 54321

NETWORK = """
title = "Image test"

[[site]]
id = "north"
name = "North Hospital"
kid = "k"
jwk = { kty = "OKP", crv = "Ed25519", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }
measures = ["urn:weir:measure:dreaming"]

[[measure]]
url = "urn:weir:measure:dreaming"
name = "dreaming"
title = "DrEaMing"
window = "month"
direction = "increase"
headline = "composite"
groups = [{ id = "composite", title = "All three", numerator = "met", denominator = "stays" }]
"""

SERVE = """
mount --bind {data} /mnt
mount -o remount,ro,bind /
cd /mnt
if touch /etc/written 2>/dev/null; then echo "the root is not read-only"; exit 1; fi
exec env HOME=/mnt PYTHONDONTWRITEBYTECODE=1 setpriv --reuid {user} --regid 0 --clear-groups \
    {weir} network serve --config /mnt/network.toml --port {port}
"""


def instructions() -> Iterator[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            yield name, rest


def build(folder: Path) -> Path:
    """Run the steps, with the image's absolute folders inside `folder`; gives its /opt/weir."""
    places = {
        "/opt/weir": folder / "opt/weir",
        "/data": folder / "data",
        "/build": folder / "build",
    }
    work = ROOT

    def placed(text: str) -> str:
        for inside, outside in places.items():
            text = text.replace(inside, str(outside))
        return text

    for name, rest in instructions():
        match name:
            case "WORKDIR" if rest in places:
                work = places[rest]
                work.mkdir(parents=True, exist_ok=True)
            case "COPY" if not rest.startswith("--from"):
                *sources, target = shlex.split(placed(rest))
                for source in sources:
                    copy(ROOT / source, (work / target), len(sources) > 1 or target.endswith("/"))
            case "RUN":
                subprocess.run(["bash", "-ec", placed(rest)], cwd=work, check=True)
    return places["/opt/weir"]


def copy(source: Path, target: Path, into: bool) -> None:
    """COPY: a folder's content, or a file."""
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
    else:
        shutil.copy(source, target / source.name if into else target)


def healthy(url: str) -> bool:
    """Whether the program answers within half a minute."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        for _ in range(100):
            with contextlib.suppress(httpx.TransportError):
                return client.get(url).is_success
            time.sleep(0.3)
    return False


@pytest.mark.full
@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"),
    reason="a read-only root needs root, unshare and setpriv (Debian's util-linux)",
)
def test_the_image_runs_as_any_user_and_writes_to_data_only(tmp_path: Path) -> None:
    weir = build(tmp_path)
    # Every user may look into the test's folders, as into an image's.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    data = tmp_path / "data"
    (data / "network.toml").write_text(NETWORK)
    before = {path: path.stat().st_mtime_ns for path in weir.rglob("*")}

    port = free_port()
    script = SERVE.format(data=data, user=ANY_USER, port=port, weir=weir / "bin/weir")
    command = ["unshare", "-m", "bash", "-ec", script]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert healthy(f"http://127.0.0.1:{port}/health"), server.poll()
        finally:
            server.terminate()

    assert {path: path.stat().st_mtime_ns for path in weir.rglob("*")} == before
    written = [path for path in data.iterdir() if path.name != "network.toml"]
    assert written and all(path.stat().st_uid == ANY_USER for path in written)


def test_the_image_holds_no_patient_and_no_root() -> None:
    """What is copied is code, measures and mappings; the user is none of the machine's."""
    steps = dict.fromkeys(f"{name} {rest}" for name, rest in instructions())
    assert "USER 1001:0" in steps
    assert 'ENTRYPOINT ["weir"]' in steps
    copied = [step.split()[1:-1] for step in steps if step.startswith("COPY")]
    allowed = (ROOT / ".dockerignore").read_text().split()
    for sources in copied:
        assert all(
            f"!{source}" in allowed for source in sources if not source.startswith(("--", "/"))
        )

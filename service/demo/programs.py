"""The two programs as the demo runs them: the real command `weir`, each in its own process."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from service.demo.folder import SiteFolder
from service.demo.process import answers, last_words, started
from service.errors import WeirError
from service.progress import progress

COMPLETE, PROVISIONAL = 0, 3  # what `weir site run` exits with when it reported


def site_key(site: SiteFolder) -> str:
    """The site's public key as it prints it for the network: a JWK."""
    command = _weir("site", "key", "--config", str(site.config))
    told = subprocess.run(command, capture_output=True, text=True)
    if told.returncode:
        raise WeirError("The site has no key", where=str(site.config), todo=told.stderr.strip())
    return told.stdout


def run_sites(sites: Sequence[SiteFolder]) -> list[bool]:
    """Run the sites at once, the output of each in its `run.log`; whether each is complete.

    False: it reported, but provisionally. Raises WeirError when one fails.
    """
    with ExitStack() as stack, progress("Sites at work", len(sites)) as advance:
        running = [(site, stack.enter_context(start_site(site))) for site in sites]
        complete = []
        for site, process in running:
            code = process.wait()
            if code not in (COMPLETE, PROVISIONAL):
                raise WeirError(f"The run failed: {last_words(site.log)}", where=str(site.log))
            complete.append(code == COMPLETE)
            advance(1)
        return complete


@contextmanager
def start_site(site: SiteFolder) -> Iterator[subprocess.Popen[bytes]]:
    """One run of the site; it is stopped if it is still running at the end."""
    command = _weir("site", "run", "--config", str(site.config))
    with started(command, site.log) as process:
        yield process


@contextmanager
def run_network(config: Path, port: int) -> Iterator[str]:
    """Serve the network on 127.0.0.1 until the end; gives its address once it answers.

    Raises WeirError when it does not start; its log, beside the configuration, says why.
    """
    log = config.with_name("network.log")
    url = f"http://127.0.0.1:{port}"
    command = _weir("network", "serve", "--config", str(config), "--port", str(port))
    with started(command, log) as process:
        if not answers(process, f"{url}/health"):
            raise WeirError(f"The network did not start: {last_words(log)}", where=str(log))
        yield url


def _weir(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("weir")), *arguments]

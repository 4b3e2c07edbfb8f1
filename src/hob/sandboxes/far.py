"""Sandboxes that are not this machine as it is: a container, another machine. Loaded only where one is chosen."""

from collections.abc import Mapping, Sequence

from hob.core.ports import Sandbox
from hob.sandboxes.docker import DockerSandbox
from hob.sandboxes.docker_arguments import DockerSettings, client_environment
from hob.sandboxes.environment import far_environment
from hob.sandboxes.remote import RemoteSandbox


def open_container(
    workspace: str,
    settings: tuple[str, str, str],
    environment: Mapping[str, str],
    protected: Sequence[str],
    owner: str,
    records: str,
) -> Sandbox:
    """Return a workspace in a container; `settings` are image, program and network."""
    image, program, network = settings
    return DockerSandbox(
        workspace,
        DockerSettings(image=image, program=program, network=network),
        far_environment(environment, owner),
        client_environment(environment),
        protected=protected,
        owner=owner,
        records=records,
    )


def open_remote(
    workspace: str,
    server: tuple[str, str],
    environment: Mapping[str, str],
    owner: str,
    orphans: bool,
) -> Sandbox:
    """Return a workspace behind a SWE-ReX server; `server` is its address and key."""
    url, key = server
    return RemoteSandbox(
        workspace, url, key, far_environment(environment, owner), owner=owner, orphans=orphans
    )

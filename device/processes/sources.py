"""The sources that the settings name."""

from __future__ import annotations

from device.directory import client as directory
from device.directory.words import DirectorySettings, Login
from device.errors import ConfigError
from device.processes.folder import Folder
from device.processes.in_directory import InDirectory
from device.processes.listed import FixedList
from device.processes.source import Source, Sources
from device.workflow_settings import WorkflowConfig


def sources_of(config: WorkflowConfig) -> Sources:
    """The configuration's own list, the folder, and the directory, as far as they are named.

    Raises:
        ConfigError: one of them is wrong.
    """
    found: list[Source] = []
    if config.processes:
        found.append(FixedList(config.processes))
    if config.process_folder is not None:
        found.append(Folder(config.process_folder))
    if config.directory:
        found.append(InDirectory())
    return Sources(*found)


def directory_of(config: WorkflowConfig) -> DirectorySettings | None:
    """How to reach the directory; None when none is named.

    Raises:
        ConfigError: it is named wrongly, or what it needs is not installed.
    """
    if not config.directory:
        return None
    scheme, colon, host = config.directory.rpartition("://")
    if colon and (scheme not in ("ldap", "ldaps") or not host.strip("/")):
        raise ConfigError(
            f"--directory {config.directory}: must be ldaps://HOST, ldap://HOST or a domain's name."
        )
    if config.directory_login != Login.SIMPLE and scheme == "ldaps":
        raise ConfigError(
            f"--directory-login {config.directory_login} seals the connection itself, and Active "
            f"Directory takes no TLS around it: use ldap://, not ldaps://."
        )
    if config.directory_user_dn and "{}" not in config.directory_user_dn:
        raise ConfigError("--directory-user-dn needs {} where the user's name goes.")
    directory.check_installed()
    return DirectorySettings(
        server=config.directory.rstrip("/"),
        login=Login(config.directory_login),
        ca=config.directory_ca,
        base=config.directory_base,
        processes=config.directory_processes,
        domain=config.directory_domain,
        user_dn=config.directory_user_dn,
    )

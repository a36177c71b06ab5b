"""Errors of the installation: settings, deployment, addresses, the interpreter (exit codes 80 to 99)."""

from n2k_fcgi.errors.base import N2KError


class BadSetting(N2KError):
    """A setting that is unknown, unreadable, or contradicts another."""

    template = "setting '{name}' ({where}): {why}"
    public = "setting '{name}' cannot be used: see the server's log"
    status = 503
    exit_code = 80


class ConfigUnreadable(N2KError):
    """The settings file cannot be read or parsed."""

    template = "cannot read the settings file {path}: {why}"
    public = "the settings file cannot be read: see the server's log"
    status = 503
    exit_code = 81


class DeployRefused(N2KError):
    """``n2k deploy`` refuses to publish data or to break a site."""

    template = "not deployed: {why}"
    most_shown = 1000  # paths of this machine, and what to do, which comes last
    status = 500
    exit_code = 82


class DoctorFound(N2KError):
    """``n2k doctor`` found a problem that must be fixed."""

    template = "problems found: {count}, see above"
    status = 503
    exit_code = 83


class CannotListen(N2KError):
    """The address or socket path cannot be bound."""

    template = "cannot listen on {address}: {why}"
    status = 500
    exit_code = 84


class PythonLacks(N2KError):
    """The interpreter was built without a module of the standard library; everything else works."""

    template = "this Python lacks the module '{module}' ({why}), which is needed for {what}: {instead}"
    status = 500
    exit_code = 90


class AddressNeeded(N2KError):
    """``n2k lsl`` does not know the public address of the service."""

    template = "the public address of this service is not known: give --url https://..., or set 'url' in {file}"
    status = 500
    exit_code = 85


class FilesWouldVanish(N2KError):
    """``n2k deploy`` into a folder with other files: from then on the service would receive every request below it."""

    template = "not deployed: {folder} holds {what} that would become unreachable ({names}): use a separate folder, or --yes"
    status = 500
    exit_code = 87


class RemovalRefused(N2KError):
    """``n2k deploy --remove`` will not or may not change files that it did not write."""

    template = "not removed: {why}"
    most_shown = DeployRefused.most_shown
    status = 500
    exit_code = 88

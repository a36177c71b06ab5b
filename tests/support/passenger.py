"""What a control panel, or the administrator of a server, sets up for an application of Passenger."""

from pathlib import Path

from tests.support.hosted_python import HOSTED
from tests.support.hosting import Account

LOCATION = """
<Location "{where}">
PassengerEnabled on
PassengerBaseURI {where}
PassengerAppRoot {app}
PassengerAppType wsgi
PassengerStartupFile passenger_wsgi.py
PassengerPython {python}
</Location>
"""


def app_of(account: Account) -> Path:
    """Where ``n2k deploy --as passenger`` puts the application."""
    return account.data.with_name(f"{account.data.name}-passenger")


def panel(app: Path, mount: str, python: str = HOSTED) -> str:
    """The server's lines for the application in the folder *app*, served at *mount*."""
    return LOCATION.format(where=mount or "/", app=app, python=python)

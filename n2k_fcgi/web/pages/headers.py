"""The headers of every page: nothing from other hosts, no script or style in the page itself, no frame around it."""

from n2k_fcgi.web.responses import Headers

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
"""Without ``unsafe-inline``: markup that got into a page as text runs no script and sets no style."""

_NOT_USED = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "payment", "usb")

SAFE: Headers = (
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", ", ".join([*(f"{feature}=()" for feature in _NOT_USED), "clipboard-write=(self)"])),
)
"""``X-Content-Type-Options`` is a header of every answer."""

VARIES: Headers = (("Vary", "Accept, Accept-Language"),)

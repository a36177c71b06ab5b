"""flup's own threaded server, as it comes, with an application that answers 36 bytes."""

from flup.server.fcgi import WSGIServer


def application(environ, start_response):  # type: ignore[no-untyped-def]
    """36 bytes whatever is asked."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "36")])
    return [b"3d6181b0-6a4b-97ef-18d8-722652995cf1"]


WSGIServer(application).run()

"""Every place where an app's own code can fail, each made to fail at ``/broken``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, render_template_string, stream_with_context
from flask.sessions import SecureCookieSessionInterface

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Broken(Exception):
    """What every place raises, a new one each time."""


def fail(*args: Any, **kwargs: Any) -> Any:
    raise Broken("broken on purpose")


def visit(app: Flask, path: str = "/broken") -> None:
    """Do what a server does: take the whole response, and survive what fails."""
    with suppress(Broken):
        response = app.test_client().get(path)
        try:
            response.get_data()
        finally:
            response.close()


def view(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", fail)


def async_view(app: Flask) -> None:
    @app.get("/broken")
    async def broken() -> str:
        return str(fail())


def before_request(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", str)
    app.before_request(fail)


def before_request_of_an_unknown_url(app: Flask) -> None:
    app.before_request(fail)


def url_value_preprocessor(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", str)
    app.url_value_preprocessor(fail)


def after_request(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", str)
    app.after_request(fail)


def teardown_request(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", str)
    app.teardown_request(fail)


def teardown_appcontext(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", str)
    app.teardown_appcontext(fail)


def template(app: Flask) -> None:
    app.jinja_env.globals["fail"] = fail
    app.add_url_rule(
        "/broken", "broken", lambda: render_template_string("<p>{{ fail() }}</p>")
    )


def error_handler(app: Flask) -> None:
    def find() -> str:
        raise LookupError("this one gets an answer")

    app.add_url_rule("/broken", "broken", find)
    app.register_error_handler(LookupError, fail)


def error_handler_of_everything(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", lambda: str(int("many")))
    app.register_error_handler(Exception, fail)


class OpenFails(SecureCookieSessionInterface):
    def open_session(self, *args: Any) -> Any:
        fail()


class SaveFails(SecureCookieSessionInterface):
    def save_session(self, *args: Any) -> None:
        fail()


def session_that_does_not_open(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", str)
    app.session_interface = OpenFails()


def session_that_is_not_saved(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", str)
    app.session_interface = SaveFails()


def _chunks() -> Iterator[str]:
    yield "the first half"
    fail()


def stream(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", _chunks)


def stream_in_the_context(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", lambda: stream_with_context(_chunks()))


class Chunks:
    """A stream that is an object, and must be closed."""

    def __init__(self, breaks_at: str) -> None:
        self.breaks_at = breaks_at
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield b"the first half"
        if self.breaks_at == "second chunk":
            fail()

    def close(self) -> None:
        self.is_closed = True
        if self.breaks_at == "close":
            fail()


def stream_object(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", lambda: Response(Chunks("second chunk")))


def stream_that_does_not_close(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", lambda: Response(Chunks("close")))


class FailingMiddleware:
    """WSGI middleware that fails before it calls the app."""

    def __init__(self, wsgi_app: WSGIApplication) -> None:
        self.wsgi_app = wsgi_app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/broken":
            fail()
        return self.wsgi_app(environ, start_response)


def generator_middleware(wsgi_app: WSGIApplication) -> WSGIApplication:
    """WSGI middleware that fails while the server reads the response."""

    def call(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterator[bytes]:
        yield from wsgi_app(environ, start_response)
        if environ["PATH_INFO"] == "/broken":
            fail()

    return call


def put_around(app: Flask, middleware: Any) -> None:
    app.wsgi_app = middleware(app.wsgi_app)  # type: ignore[method-assign]


def middleware(app: Flask) -> None:
    put_around(app, FailingMiddleware)


def middleware_that_is_a_generator(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", str)
    put_around(app, generator_middleware)


PLACES: list[Callable[[Flask], None]] = [
    view,
    async_view,
    before_request,
    before_request_of_an_unknown_url,
    url_value_preprocessor,
    after_request,
    teardown_request,
    teardown_appcontext,
    template,
    error_handler,
    error_handler_of_everything,
    session_that_does_not_open,
    session_that_is_not_saved,
    stream,
    stream_in_the_context,
    stream_object,
    stream_that_does_not_close,
    middleware,
    middleware_that_is_a_generator,
]

"""What the extension puts together for an app."""

from __future__ import annotations

import timeit
from pathlib import Path

import pytest
from conftest import MakeApp
from flask import Blueprint, Flask, abort, g, render_template_string
from flask_wtf.csrf import CSRFProtect
from places import fail, visit
from werkzeug.exceptions import HTTPException

from flask_errtrack import Client, ErrTrack
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.transports import BackgroundTransport, MemoryTransport


def test_the_client_of_an_app_is_in_its_extensions(
    app: Flask, errtrack: ErrTrack
) -> None:
    client = app.extensions["errtrack"]
    assert isinstance(client, Client)
    assert errtrack.client is client


def test_options_of_init_app_win_over_those_of_the_extension(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack(transport=sent, environment="first", release="1")
    make_app(
        {"ERRTRACK_RELEASE": "2", "ERRTRACK_DIST": "a"},
        errtrack=errtrack,
        environment="second",
    )
    errtrack.capture_message("hello")
    event = sent.events[0]
    found = (event["environment"], event["release"], event["dist"])
    assert found == ("second", "1", "a")


@pytest.mark.parametrize(
    ("debug", "name"), [(True, "development"), (False, "production")]
)
def test_the_environment_follows_debug(
    make_app: MakeApp, sent: MemoryTransport, debug: bool, name: str
) -> None:
    errtrack = ErrTrack()
    make_app({"DEBUG": debug}, errtrack=errtrack, transport=sent)
    errtrack.capture_message("hello")
    assert sent.events[0]["environment"] == name


def test_the_public_dsn_has_no_secret(make_app: MakeApp) -> None:
    errtrack = ErrTrack()
    make_app(
        {"TESTING": True},
        errtrack=errtrack,
        dsn="https://public:secret@errors.example/errtrack/7",
    )
    assert errtrack.public_dsn == "https://public@errors.example/errtrack/7"


def test_without_a_dsn_there_is_no_public_one(app: Flask, errtrack: ErrTrack) -> None:
    assert errtrack.public_dsn is None
    with app.test_request_context():
        assert errtrack.public_dsn is None


def test_the_public_dsn_leads_to_the_tracker_of_the_app(make_app: MakeApp) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack)
    assert errtrack.public_dsn is None
    with app.test_request_context(base_url="https://shop.example"):
        dsn = Dsn.parse(errtrack.public_dsn or "")
    assert dsn.place == "shop.example/errtrack/1"
    item = {"message": "From a browser"}
    answer = app.test_client().post(
        f"/errtrack/api/1/store/?sentry_key={dsn.public_key}", json=item
    )
    assert answer.status_code == 200
    result = app.test_cli_runner().invoke(args=["errtrack", "issues"])
    assert "From a browser" in result.output


def test_outside_of_a_request_the_server_name_says_where(make_app: MakeApp) -> None:
    errtrack = ErrTrack()
    app = make_app({"SERVER_NAME": "shop.example"}, errtrack=errtrack)
    with app.app_context():
        assert (errtrack.public_dsn or "").endswith("@shop.example/errtrack/1")


@pytest.mark.parametrize("options", [{"dashboard": False}, {"enabled": False}])
def test_what_receives_nothing_has_no_public_dsn(
    make_app: MakeApp, options: dict[str, bool]
) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, **options)
    with app.test_request_context():
        assert errtrack.public_dsn is None


def test_a_test_makes_no_database_for_a_public_dsn(make_app: MakeApp) -> None:
    errtrack = ErrTrack()
    app = make_app({"TESTING": True}, errtrack=errtrack)
    with app.test_request_context():
        assert errtrack.public_dsn is None
    assert not Path(app.instance_path).exists()


@pytest.mark.parametrize(("outbox", "is_in_memory"), [(True, False), (False, True)])
def test_where_events_wait(
    make_app: MakeApp, tmp_path: Path, outbox: bool, is_in_memory: bool
) -> None:
    app = make_app(dsn="http://key@127.0.0.1:9/1", outbox=outbox)
    transport = app.extensions["errtrack"].transport
    assert isinstance(transport, BackgroundTransport)
    assert type(transport.outbox).__name__.startswith("Memory") is is_in_memory


def test_the_dialog_shows_where_there_is_an_event(
    app: Flask, sent: MemoryTransport
) -> None:
    app.add_url_rule("/broken", "broken", fail)
    page = "{{ errtrack_feedback() }}"
    app.add_url_rule("/healthy", "healthy", lambda: render_template_string(page))
    app.register_error_handler(500, lambda error: (render_template_string(page), 500))
    browser = app.test_client()
    assert "<form" in browser.get("/broken").text
    assert browser.get("/healthy").text == ""


def test_the_dialog_of_an_app_that_checks_every_form(
    app: Flask, sent: MemoryTransport
) -> None:
    CSRFProtect(app)
    app.add_url_rule("/save", "save", lambda: "saved", methods=["POST"])
    browser = app.test_client()
    # Refused for its token, not for a missing CSRF field as the app's own is.
    assert browser.post("/errtrack/feedback", data={"token": "x"}).status_code == 403
    response = browser.post("/save")
    assert (response.status_code, "CSRF" in response.text) == (400, True)


def test_an_app_without_a_secret_key_has_one_of_ours(
    tmp_path: Path, sent: MemoryTransport
) -> None:
    app = Flask("shop", instance_path=str(tmp_path))
    ErrTrack(app, transport=sent)
    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(
        500, lambda error: (render_template_string("{{ errtrack_feedback() }}"), 500)
    )
    assert "<form" in app.test_client().get("/broken").text
    assert (tmp_path / "errtrack.key").stat().st_mode & 0o777 == 0o600


def test_a_500_page_comes_on_demand_and_never_over_the_apps_own(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app(transport=sent, error_page=True)
    app.add_url_rule("/broken", "broken", fail)
    response = app.test_client().get("/broken")
    assert sent.events[0]["event_id"] in response.text
    own = Flask("own", instance_path=app.instance_path)
    own.register_error_handler(500, lambda error: ("own page", 500))
    own.add_url_rule("/broken", "broken", fail)
    ErrTrack(own, transport=sent, error_page=True)
    assert own.test_client().get("/broken").text == "own page"


def test_what_waits_is_sent_before_flush_and_close_return(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def survives() -> str:
        try:
            fail()
        except Exception:
            app.logger.exception("failed")
        assert sent.events == []
        assert errtrack.flush()
        return str(len(sent.events))

    app.add_url_rule("/survives", "survives", survives)
    assert app.test_client().get("/survives").text == "1"


def test_a_healthy_request_costs_microseconds(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    def seconds_of(app: Flask) -> float:
        app.add_url_rule("/", "index", lambda: f"{g.get('event_id')}")
        browser = app.test_client()
        return min(timeit.repeat(lambda: browser.get("/"), number=20, repeat=10)) / 20

    app = make_app(transport=sent)
    bare = Flask("bare", instance_path=app.instance_path)
    assert seconds_of(app) < seconds_of(bare) + 0.0005


def test_the_failing_line_is_in_the_event(app: Flask, sent: MemoryTransport) -> None:
    app.add_url_rule("/broken", "broken", fail)
    visit(app)
    frame = sent.events[0]["exception"]["values"][0]["stacktrace"]["frames"][-1]
    assert (frame["function"], frame["in_app"]) == ("fail", True)
    assert "broken on purpose" in frame["context_line"]


@pytest.mark.parametrize("is_first", [True, False])
def test_the_ready_made_page_leaves_the_apps_own_handler_alone(
    make_app: MakeApp, sent: MemoryTransport, is_first: bool
) -> None:
    def answer(error: HTTPException) -> tuple[str, int]:
        return f"ours: {error.code}", error.code or 500

    app = make_app(transport=sent, error_page=True)
    api = Blueprint("api", __name__)
    api.add_url_rule("/api", "api", lambda: str(1 / 0))
    (app if is_first else api).register_error_handler(HTTPException, answer)
    app.register_blueprint(api)
    app.add_url_rule("/broken", "broken", lambda: str(1 / 0))
    app.add_url_rule("/abort", "abort", lambda: abort(500))
    client = app.test_client()
    assert client.get("/api").text == "ours: 500"
    own = [client.get(path).text == "ours: 500" for path in ("/broken", "/abort")]
    assert own == [is_first, is_first]

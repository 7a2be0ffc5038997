"""``unmask serve`` and ``unmask keys``: the web service and its API keys."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from unmask.cli.errors import clean_errors, fail
from unmask.cli.options import bounds
from unmask.cli.settings_options import with_settings

if TYPE_CHECKING:
    from unmask.service.settings import Settings
    from unmask.service.store.keys import Keys

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_STOP_SECONDS = 60
# An upload's limit has a name and a default of its own beside the command line's.
_SETTINGS = {"max_megabytes": "max_file_mb"}


@with_settings(max_megabytes=20.0)
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 5080,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Server processes.", show_default="1")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where the history is kept.", show_default="a folder of the user's"),
    ] = None,
    allowed_hosts: Annotated[
        str | None,
        typer.Option(
            help="Names that the service answers to, separated by commas; * for any.",
            show_default="localhost",
        ),
    ] = None,
    access_log: Annotated[bool, typer.Option(help="Log every request.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON, a line each.")] = False,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes of this machine, or Ray Serve.")
    ] = "local",
    replicas: Annotated[
        str, typer.Option(help="On Ray: how many replicas, or MIN:MAX to follow the queue.")
    ] = "1",
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a Ray cluster, which then serves on after this command has ended.",
            show_default="one started on this machine",
        ),
    ] = None,
    *,
    model: Path | None,
    settings: Any,
) -> None:
    """Serve the page and the API; by default at http://127.0.0.1:5080, for this machine alone.

    Environment variables set all else, and what no option says: see docs/service.md. Ctrl-C or
    SIGTERM finishes accepted requests and ends. On Ray, the same command given again with another
    model replaces the replicas one by one: see docs/scale.md.
    """
    with ExitStack() as stack:
        with _service_errors():
            import uvicorn

            # Each process that serves reads them anew from the environment.
            settings = _settings(context)
            if host not in _LOOPBACK and not set(settings.allowed_hosts) - set(_LOOPBACK):
                fail(
                    f"{host} can be reached from other machines: say under which names, "
                    "with --allowed-hosts NAME,NAME (or * for any)."
                )
            port = _free_port(host, port)
            if settings.processes > 1 and engine == "local":
                # Before the first import of prometheus_client, which looks for it then.
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="unmask-"))
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            _check(settings)
        if engine == "ray":
            with _service_errors():
                _serve_on_ray(settings, host, port, replicas, address)
            return
        typer.echo(
            f"unmask is at http://{'localhost' if host in _LOOPBACK else host}:{port} "
            "(Ctrl-C ends it)"
        )
        uvicorn.run(
            "unmask.service.app:create_app",
            factory=True,
            # Unlike httptools it limits the size of a request's headers.
            http="h11",
            host=host,
            port=port,
            workers=settings.processes,
            access_log=access_log,
            log_level="info" if access_log else "warning",
            log_config=_log_config(access_log, as_json=log_json),
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies) or None,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )


def _log_config(access_log: bool, *, as_json: bool) -> dict[str, Any]:
    from uvicorn.config import LOGGING_CONFIG

    from unmask.logs import uvicorn_config

    return uvicorn_config("info" if access_log else "warning") if as_json else LOGGING_CONFIG


def _serve_on_ray(
    settings: Settings, host: str, port: int, replicas: str, address: str | None
) -> None:
    least, most = bounds(replicas, "--replicas")
    import ray
    from ray import serve as ray_serve

    from unmask.scan.ray_engine import connect
    from unmask.service.ray_serve import application, deploy

    connect(address)
    deploy(application(settings, least=least, most=most), host=host, port=port)
    typer.echo(f"unmask is at http://{'localhost' if host in _LOOPBACK else host}:{port}", nl=False)
    if address:
        typer.echo(", served by the cluster (`serve shutdown` ends it)")
        return
    typer.echo(" (Ctrl-C ends it)")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
    ray_serve.shutdown()
    ray.shutdown()


keys = typer.Typer(help="API keys of the service.", no_args_is_help=True)


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="detect or history; both if not given.", show_default=False),
    ] = None,
    rate: Annotated[float, typer.Option(min=0, help="Pictures a minute; 0 for no limit.")] = 0,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    with _service_errors():
        typer.echo(_keys().make(name, scope or ("detect", "history"), rate))


@keys.command("list")
def list_keys() -> None:
    """List the keys: id, name, scopes, pictures a minute."""
    with _service_errors():
        for key in _keys().all():
            rate = f"{key.rate_per_minute:g}/min" if key.rate_per_minute else "no limit"
            state = "  revoked" if key.revoked else ""
            typer.echo(f"{key.id}  {key.name}  {','.join(sorted(key.scopes))}  {rate}{state}")


@keys.command("revoke")
def revoke_key(id: Annotated[str, typer.Argument(help="Its id, as listed.")]) -> None:
    """Revoke a key at once."""
    with _service_errors():
        _keys().revoke(id)


@contextmanager
def _service_errors() -> Iterator[None]:
    with clean_errors():
        try:
            yield
        except ModuleNotFoundError as error:
            extra = "scale" if error.name == "ray" else "serve"
            fail(
                f"this needs the package '{error.name}'; install it with: "
                f"pip install 'unmask[{extra}]'"
            )


def _settings(context: typer.Context | None = None) -> Settings:
    """Return the environment's settings, after setting there what was given as an option."""
    from pydantic import ValidationError

    from unmask.service.settings import Settings

    if context is not None:
        for option, value in context.params.items():
            name, source = _SETTINGS.get(option, option), context.get_parameter_source(option)
            if source and source.name == "COMMANDLINE" and name in Settings.model_fields:
                os.environ[f"UNMASK_{name.upper()}"] = str(value)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "UNMASK_" + "_".join(str(part) for part in first["loc"][:1]).upper()
        raise ValueError(f"{name}: {first['msg']}.") from None


def _keys() -> Keys:
    from unmask.service.store.database import migrate, open_database
    from unmask.service.store.keys import Keys

    database = open_database(_settings().url)
    migrate(database)
    return Keys(database)


def _check(settings: Settings) -> None:
    """Find what would keep the service from starting; raises a ValueError with one sentence."""
    from unmask.detector.detector import Detector
    from unmask.service.store.database import migrate, open_database

    Detector(settings.model, settings.detector_settings())
    database = open_database(settings.url)
    migrate(database)
    database.dispose()


def _free_port(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fail(f"cannot listen on {host}:{port}: {error.strerror}.")
        return int(probe.getsockname()[1])

"""The service on Ray Serve: replicas of the whole service, as many as the queue asks for.

Each replica is the service as it is, with its own model, queue and decoding processes. They share
the database, so on more than one machine it has to be PostgreSQL.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ray import serve
from ray.serve.config import AutoscalingConfig
from ray.serve.deployment import Application

from unmask.service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

NAME = "unmask"
_MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
_STOP_SECONDS = 60.0


def application(
    settings: Settings, *, least: int, most: int, queue: float = 4.0, cpus: float = 1.0
) -> Application:
    """Return the service for ``serve.run``.

    Running it again under the same name replaces the replicas one after the other: a new one is
    ready before an old one is told to finish, so that a new model drops no request.

    Args:
        settings: How each replica runs; paths in it have to be there on every machine.
        least: Fewest replicas.
        most: Most replicas.
        queue: Requests a replica, being answered or waiting, at which the number is kept; more of
            them call for more replicas.
        cpus: Cores that Ray sets aside for a replica.
    """
    told = settings.model_dump_json()

    def build() -> FastAPI:
        # Before the first import of prometheus_client. The figures are those of all replicas of
        # the machine whose replica is asked.
        Path(os.environ[_MULTIPROCESS]).mkdir(parents=True, exist_ok=True)
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

        from unmask.service.app import create_app

        app = create_app(Settings.model_validate_json(told))
        if settings.trusted_proxies:
            app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
        return app

    class Service:
        """One replica; everything is in the ASGI application."""

    figures = str(Path(tempfile.gettempdir()) / f"unmask-serve-{uuid.uuid4().hex}")
    deployment = serve.deployment(
        name=NAME,
        max_ongoing_requests=settings.queue,
        ray_actor_options={
            "num_cpus": cpus,
            "runtime_env": {"env_vars": {_MULTIPROCESS: figures}},
        },
        autoscaling_config=AutoscalingConfig(
            min_replicas=least, max_replicas=most, target_ongoing_requests=queue
        ),
        graceful_shutdown_timeout_s=_STOP_SECONDS,
        # One more than wanted may run meanwhile, and none is stopped before another is ready.
        max_surge_percent=100,
    )
    return deployment(serve.ingress(build)(Service)).bind()


def from_environment(arguments: dict[str, str]) -> Application:
    """Return the service with the settings of the environment, for a configuration file of Serve.

    Args:
        arguments: ``least`` and ``most`` replicas; 1 each if not given.
    """
    least = int(arguments.get("least", 1))
    return application(Settings(), least=least, most=int(arguments.get("most", least)))


def deploy(app: Application, *, host: str, port: int) -> None:
    """Run the service in the cluster that Ray is connected to, and wait until it answers."""
    serve.start(http_options={"host": host, "port": port})
    serve.run(app, name=NAME, route_prefix="/")

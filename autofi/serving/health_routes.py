"""The routes for health and metadata of the server and its model."""

from __future__ import annotations

from fastapi import FastAPI, Response

from autofi import __version__
from autofi.serving import openapi as description
from autofi.serving.binary_tensors import EXTENSIONS
from autofi.serving.protocol import Live, ModelMetadata, ModelReady, Ready, ServerMetadata, respond
from autofi.serving.served_model import VERSION, ServedModel
from autofi.serving.shutdown import ServerState
from autofi.serving.tensors import OUTPUT, inputs_of

MODEL = "/v2/models/{name}"
MODEL_VERSION = "/v2/models/{name}/versions/{version}"


def add_health(app: FastAPI, model: ServedModel, life: ServerState) -> None:
    """Add the routes to an application."""
    metadata = ModelMetadata(
        name=model.name,
        versions=[VERSION],
        platform="autofi",
        inputs=inputs_of(model.schema),
        outputs=[OUTPUT],
    )
    told, asked = (
        description.answers(ModelMetadata, 404),
        description.answers(ModelReady, 404, not_ready=ModelReady),
    )

    def status() -> int:
        return 200 if life.ready else 503

    @app.get("/v2", **description.answers(ServerMetadata))
    async def server_metadata() -> Response:
        return respond(ServerMetadata(name="autofi", version=__version__, extensions=EXTENSIONS))

    @app.get("/v2/health/live", **description.answers(Live, not_ready=Live))
    async def server_live() -> Response:
        return respond(Live(live=life.live), 200 if life.live else 503)

    @app.get("/v2/health/ready", **description.answers(Ready, not_ready=Ready))
    async def server_ready() -> Response:
        return respond(Ready(ready=life.ready), status())

    @app.get(MODEL, **told)
    async def model_metadata(name: str) -> Response:
        model.check(name)
        return respond(metadata)

    @app.get(MODEL_VERSION, **told)
    async def version_metadata(name: str, version: str) -> Response:
        model.check(name, version)
        return respond(metadata)

    @app.get(f"{MODEL}/ready", **asked)
    async def model_ready(name: str) -> Response:
        model.check(name)
        return respond(ModelReady(name=model.name, ready=life.ready), status())

    @app.get(f"{MODEL_VERSION}/ready", **asked)
    async def version_ready(name: str, version: str) -> Response:
        model.check(name, version)
        return respond(ModelReady(name=model.name, ready=life.ready), status())

"""`forge serve`: the HTTP server's process. `forge up` runs it; nobody needs to."""

from forge_dagster.cli.options import Home


def command(home: Home = None) -> None:
    """Serve git, REST, webhooks and approvals on loopback until SIGTERM."""
    import logging

    import uvicorn

    from forge_dagster.bootstrap import build_services, embedded_admin, home_folder, webhook_secrets
    from forge_dagster.server.app import build_app
    from forge_dagster.server.logs import DiscreetFormatter

    services = build_services(home_folder(home))
    handler = logging.StreamHandler()
    handler.setFormatter(DiscreetFormatter("%(asctime)s %(name)s %(message)s", services.redaction))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    settings = services.settings
    app = build_app(
        embedded=embedded_admin(settings.home) if any(host.kind == "embedded" for host in settings.hosts) else None,
        ledger=services.ledger,
        secrets=webhook_secrets(settings),
        clock=services.clock,
        webhook_body_limit=settings.webhook_body_limit,
    )
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=settings.ports.server,
        log_level="warning",
        log_config=None,  # its own would add handlers that know of no secrets
        access_log=False,
        timeout_graceful_shutdown=10,
    )

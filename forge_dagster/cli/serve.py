"""`forge serve`: the HTTP server's process. `forge up` runs it; nobody needs to."""

from forge_dagster.cli.options import Home


def command(home: Home = None) -> None:
    """Serve git, REST, webhooks and approvals on loopback until SIGTERM."""
    import logging

    import uvicorn

    from forge_dagster.bootstrap import build_services, embedded_admin, home_folder, webhook_secrets
    from forge_dagster.server.app import build_app

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    services = build_services(home_folder(home))
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
        access_log=False,
        timeout_graceful_shutdown=10,
    )

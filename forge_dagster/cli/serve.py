"""`forge serve`: the HTTP server's process. `forge up` runs it; nobody needs to."""

from forge_dagster.cli.options import Home


def command(home: Home = None) -> None:
    """Serve git, REST, webhooks and approvals on loopback until SIGTERM."""
    import logging

    from forge_dagster.bootstrap import build_services, embedded_admin, home_folder, webhook_secrets
    from forge_dagster.server.app import build_app
    from forge_dagster.server.listening import server_of
    from forge_dagster.server.logs import DiscreetFormatter
    from forge_dagster.workspace.sockets import DAGSTER_SOCKET, socket_path

    services = build_services(home_folder(home))
    handler = logging.StreamHandler()
    handler.setFormatter(DiscreetFormatter("%(asctime)s %(name)s %(message)s", services.redaction))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = services.settings
    app = build_app(
        embedded_admin(settings.home),
        serves_repositories=any(host.kind == "embedded" for host in settings.hosts),
        ledger=services.ledger,
        secrets=webhook_secrets(settings),
        clock=services.clock,
        dagster_socket=socket_path(settings.home, DAGSTER_SOCKET),
        webhook_body_limit=settings.webhook_body_limit,
        public_url=settings.public_url,
    )
    server_of(app, port=settings.ports.server).run()

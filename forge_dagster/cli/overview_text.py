"""How `forge status` reads."""

from typing import Any

from forge_dagster.cli.terminal import Terminal, plain


def show(terminal: Terminal, found: dict[str, Any]) -> None:
    """Processes, changes, environments, flaky tests, problems."""
    terminal.line(terminal.style("processes", "strong") + terminal.style(f"  {plain(found['home'])}", "dim"))
    for process in found["processes"]:
        word = terminal.style("running", "good") if process["running"] else terminal.style("stopped", "bad")
        restarts = f", {process['restarts']} restarts" if process["restarts"] else ""
        where = process["address"] or ("" if process["running"] else plain(process["detail"]))
        terminal.line(f"  {word} {plain(process['name']):36.36} {process['pid'] or '':>8} {where}{restarts}".rstrip())
    if found["pull_requests"]:
        terminal.line()
        terminal.line(terminal.style("open pull requests", "strong"))
    for pull in found["pull_requests"]:
        _pull_request(terminal, pull)
    if found["environments"]:
        terminal.line()
        terminal.line(terminal.style("environments", "strong"))
    for environment in found["environments"]:
        terminal.line(f"  {plain(environment['environment'])}  {environment['url']}")
        for release in environment["releases"]:
            health = terminal.style("healthy", "good") if release["healthy"] else terminal.style("unhealthy", "bad")
            terminal.line(f"    {release['weight']:3}%  {plain(release['release'])[:16]:16} {health}")
    if found["flaky_tests"]:
        terminal.line()
        terminal.line(terminal.style("flaky tests", "strong"))
    for test in found["flaky_tests"]:
        terminal.line(f"  {terminal.style(plain(test['repository']), 'dim')} {plain(test['test'])}  {test['told']}")
    for problem in found["problems"]:
        terminal.line(f"{terminal.style('problem:', 'bad')} {plain(problem)}")
    if not found["up"]:
        terminal.line("  -> start it: forge up")


def _pull_request(terminal: Terminal, pull: dict[str, Any]) -> None:
    styles = {"merge": "good", "review": "odd", "reject": "bad"}
    decision = pull["decision"] or pull["state"]
    word = terminal.style(f"{decision:8}", styles.get(decision, "dim"))
    name = f"{pull['repository']}#{pull['number']}"
    terminal.line(f"  {word} {plain(name):24} {pull['head'][:12]}  {plain(pull['title'])}  ({plain(pull['author'])})")
    for reason in pull["reasons"][:3]:
        terminal.line(terminal.style(f"           {plain(reason)}", "dim"))
    if pull["run"]:
        terminal.line(terminal.style(f"           {pull['run']}", "dim"))

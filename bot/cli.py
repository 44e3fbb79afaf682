"""The `teller` command, and the one composition root: the only module that knows every part.

Imports stay inside the commands: `teller --help` is instant, and no process loads what it does not serve with.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import typer

from bot.shared.errors import SettingsError, TellerError
from bot.shared.settings import ROOT, Settings, load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Teller: a customer-service assistant for banks.")

RUN_READY_SECONDS = 180.0


@app.command()
def run(
    force_train: bool = typer.Option(False, "--train", help="train even when nothing has changed"),
    once: bool = typer.Option(False, "--check", help="start, answer the canary question, stop"),
) -> None:
    """Train what changed, prepare the databases, start every process and print the address."""
    from rich.console import Console

    from bot.launcher import freshness
    from bot.launcher.processes import Supervisor
    from bot.launcher.stack import Stack

    console = Console(highlight=False)
    settings = load_settings()
    # A terminal that closes, or `kill`, ends everything as Ctrl-C does; a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    stack = Stack(settings, say=console.print)
    supervisor = Supervisor(stack.specs(), console.print)
    try:
        supervisor.check_ports()
        trained = freshness.read(settings.var_path)
        if force_train or trained is None or trained.inputs != freshness.inputs_hash(settings.base_model):
            stack.step("train", lambda: _train(settings, force_train))
        stack.step("databases", lambda: _prepare(settings))
        stack.step("processes", lambda: _start(supervisor, console))
        stack.step("canary", lambda: stack.canary(_published_questions(settings)))
        stack.announce(console)
        while not once:
            time.sleep(1.0)
            supervisor.watch_once()
    except KeyboardInterrupt:
        console.print("\nstopping ...")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        supervisor.stop()
        console.print("stopped")


@app.command()
def serve(process: str = typer.Argument(..., help="gateway, rasa, actions or admin")) -> None:
    """Run one process in the foreground (what `teller run` starts)."""
    settings = load_settings()
    if process == "gateway":
        _serve_http("bot.cli:gateway_app", settings.host, settings.port)
    elif process == "admin":
        _serve_http("knowledge_base.admin.app:create_app", settings.host, settings.admin_port)
    elif process == "actions":
        os.execv(sys.executable, [sys.executable, "-m", "actions"])
    elif process == "rasa":
        from bot.launcher import freshness
        from bot.launcher.stack import rasa_command
        from bot.launcher.training import rasa_environment

        trained = freshness.read(settings.var_path)
        if trained is None:
            raise TellerError("there is no trained model; run `teller train` first")
        os.environ.update(rasa_environment(settings))
        os.execv(sys.executable, rasa_command(settings, trained.archive))
    else:
        raise SettingsError(f"unknown process {process!r}; choose gateway, rasa, actions or admin")


def gateway_app():
    """The gateway with the bank's login behind it (a uvicorn factory)."""
    from actions.bank.service import BankService
    from bot.gateway.app import create_app
    from bot.gateway.login import LoginResult
    from bot.shared.database import open_engine

    settings = load_settings()
    bank = BankService(open_engine(settings.bank_url), settings.timezone)

    def verify(user: str, password: str) -> LoginResult | None:
        customer_id = bank.verify_login(user, password)
        return known(bank.customer(customer_id)) if customer_id else None

    def lookup(user: str) -> LoginResult | None:
        return known(bank.customer_with_login(user))

    def known(customer) -> LoginResult | None:
        return LoginResult(customer.id, customer.name_en) if customer else None

    return create_app(settings, verify_login=verify, customer_lookup=lookup)


@app.command()
def train(force: bool = typer.Option(False, "--force", help="train even when nothing has changed")) -> None:
    """Train the bot (`rasa train`), publish its encoder and build the matching FAQ index."""
    from bot.launcher import freshness

    settings = load_settings()
    trained = freshness.read(settings.var_path)
    if not force and trained and trained.inputs == freshness.inputs_hash(settings.base_model):
        typer.echo(f"nothing has changed since {trained.archive.name}; --force trains anyway")
        return
    trained = _train(settings, force)
    typer.echo(f"{trained.archive.name} with encoder {trained.encoder}, {trained.seconds:.0f} s")


@app.command()
def ask(
    text: str = typer.Argument(..., help="what the customer says"),
    user: str | None = typer.Option(None, help="a logged-in demo customer, e.g. demo1"),
    conversation: str | None = typer.Option(None, help="go on in this conversation instead of a new one"),
    as_json: bool = typer.Option(False, "--json", help="print one JSON object"),
) -> None:
    """Send one message through the running stack (or start what it needs) and print the reply."""
    from bot.launcher.asking import Asker, as_object

    settings = load_settings()
    with Asker(settings, say=lambda line: typer.echo(line, err=True)) as asker:
        answer = asker.ask(text, user=user, conversation=conversation)
    if as_json:
        import json

        typer.echo(json.dumps(as_object(answer), ensure_ascii=False))
        return
    for reply in answer["replies"]:
        typer.echo(reply.get("text", ""))
        for button in reply.get("buttons") or []:
            typer.echo(f"  [{button['title']}]")


@app.command()
def doctor() -> None:
    """Check the set-up and say how to mend it."""
    from bot.launcher.doctor import checks

    try:
        settings = load_settings()
    except SettingsError as error:
        typer.echo(f"✗ settings: {error}")
        raise typer.Exit(1) from None
    failed = 0
    for check in checks(settings):
        typer.echo(f"{'✓' if check.good else '✗'} {check.name}: {check.found}")
        if not check.good:
            failed += 1
            typer.echo(f"    {check.mend}")
    raise typer.Exit(1 if failed else 0)


faq_app = typer.Typer(no_args_is_help=True, help="Bring your own FAQs in and out.")
app.add_typer(faq_app, name="faq")


@faq_app.command("import")
def faq_import(
    file: Path = typer.Argument(..., exists=True, dir_okay=False),
    publish: bool = typer.Option(False, help="publish at once instead of leaving drafts"),
    dry_run: bool = typer.Option(False, help="only report what would change"),
) -> None:
    """Add or change entries from a CSV file; a bad file changes nothing."""
    from knowledge_base.service import open_store

    settings = load_settings()
    with file.open("rb") as source:
        report = open_store(settings).import_csv(source, "teller faq import", publish, dry_run=dry_run)
    for row in report.errors:
        typer.echo(f"  {row}", err=True)
    typer.echo(
        f"{len(report.added)} added, {len(report.changed)} changed, {len(report.unchanged)} unchanged, {len(report.errors)} errors"
    )
    if report.errors:
        raise typer.Exit(1)
    if publish and not dry_run:
        _prepare(settings)


@faq_app.command("export")
def faq_export(file: Path = typer.Argument(..., dir_okay=False)) -> None:
    """Write all entries to a CSV file of the same shape."""
    from knowledge_base.service import open_store

    with file.open("wb") as target:
        open_store(load_settings()).export_csv(target)
    typer.echo(f"written to {file}")


@app.command()
def evaluate(
    questions: Path = typer.Option(ROOT / "tests" / "benchmarks" / "questions.csv", help="text,expected,user columns"),
    as_json: bool = typer.Option(False, "--json"),
) -> None:
    """Put a file of questions to the trained model and print what was routed right, by kind and language."""
    from bot.launcher.evaluation import evaluate_questions

    evaluate_questions(load_settings(), questions, as_json)


def _train(settings: Settings, force: bool):
    from bot.launcher import training

    typer.echo("training the bot (a few minutes; the log is var/logs/train.log)")
    return training.train(settings, lambda folder: _prepare_knowledge(settings, folder), force=force)


def _prepare_knowledge(settings: Settings, encoder_folder: Path):
    from knowledge_base.service import prepare
    from nlu_models.encoder import Encoder

    encoder = Encoder.load(encoder_folder, threads=os.cpu_count() or 1)
    return prepare(settings, encoder, on_progress=_progress("encoding FAQs"))


def _prepare(settings: Settings) -> None:
    """Brings every database up to date and seeds what is empty; changes nothing that people made."""
    from actions.bank.migrations import migrate as migrate_bank
    from actions.bank.seed import demo_logins, seed
    from actions.bank.service import BankService
    from bot.conversations.tables import migrate as migrate_conversations
    from bot.shared.database import open_engine
    from nlu_models.encoder import current_folder

    for url, migrate in ((settings.conversations_url, migrate_conversations), (settings.bank_url, migrate_bank)):
        engine = open_engine(url)
        migrate(engine)
        if migrate is migrate_bank and settings.is_demo:
            seed(engine)
        elif migrate is migrate_bank and demo_logins(BankService(engine)):
            raise SettingsError(
                "the bank database holds demo customers with well-known passwords; TELLER_MODE=production refuses it"
            )
        engine.dispose()
    _prepare_knowledge(settings, current_folder(settings.var_path))


def _published_questions(settings: Settings, count: int = 5) -> list[str]:
    from knowledge_base.service import open_store

    entries = open_store(settings).published()[:count]
    return [text.question for entry in entries for text in list(entry.translations.values())[:1]]


def _start(supervisor, console) -> None:
    supervisor.start()
    supervisor.wait_ready(RUN_READY_SECONDS, lambda name: console.print(f"  {name} is ready"))


def _serve_http(factory: str, host: str, port: int) -> None:
    import uvicorn

    # websockets is pinned by Rasa to a version that uvicorn no longer picks by itself.
    uvicorn.run(
        factory,
        factory=True,
        host=host,
        port=port,
        log_level="warning",
        ws="websockets",
        ws_max_size=65536,
        timeout_graceful_shutdown=5,
    )


def _progress(what: str):
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def update(done: int, total: int) -> None:
        bar = bars.setdefault(what, tqdm(total=total, desc=what, unit="text", mininterval=0.5))
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return update


def _interrupt(_number, _frame) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: one clear line instead of a traceback for what a user can mend."""
    try:
        app()
    except TellerError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

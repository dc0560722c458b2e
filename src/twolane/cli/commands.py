"""The commands, put together, each with its examples."""

from __future__ import annotations

import typer

from twolane.cli import dead, deciding
from twolane.cli.alert import alert
from twolane.cli.check import check
from twolane.cli.demonstration import demo
from twolane.cli.doctor import doctor
from twolane.cli.options import EXIT_CODES, WHICH_QUEUE, told
from twolane.cli.price import price
from twolane.cli.stats import stats
from twolane.cli.status import cancel, status
from twolane.cli.watch import watch
from twolane.cli.worker import worker

_HELP = {"help_option_names": ["-h", "--help"]}
_WORKER_CODES = (
    "SIGTERM or Ctrl-C: receive nothing more, let running tasks finish within the grace time, give the rest "
    "back. A second one does not wait for them, a third one ends the process. A process that dies is started "
    "again after 0.1 s, 0.2 s, and so on up to 30 s; the pauses begin anew once it has lived for 60 s.\n\n"
    "Exit codes: 0 stopped, all finished or given back; 2 wrong usage, app or setting; 3 the queue cannot be "
    "used at the start; 4 the app failed before it was ready; 5 ended before all was given back, and run "
    "again by the next worker. A process that ends with 75 asks to be replaced: too many threads were stuck."
)
_WATCH_CODES = (
    "SIGTERM or Ctrl-C: give the lead back to another process and leave. A queue that is not there yet is waited "
    "for, one that cannot be used is said once.\n\n"
    "Exit codes: 0 stopped, or nothing is wrong; 1 with --once: a condition holds; 2 wrong usage or setting; 3 with "
    "--once: the queue is missing or cannot be read; 4 the app cannot be imported."
)
_CHECK_CODES = (
    "Exit codes: 0 nothing breaks the rule; 1 something does, or a file could not be checked; 2 wrong usage or setting. "
    "Nothing of the code is imported, executed or written to."
)
_ID = "0192f0c1-5b1e-7c3a-9d52-3f6f2a1b7c44"

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they would print the values of variables: secrets among them
    add_completion=False,
    context_settings=_HELP,
    rich_markup_mode="rich",
)
letters = typer.Typer(no_args_is_help=True, context_settings=_HELP)


@app.callback(epilog=f"{WHICH_QUEUE} `twolane COMMAND --help` has examples.")
def twolane() -> None:
    """If this task vanishes, does a human need to know? What a person does about the tasks where one does."""


app.command(
    epilog=told(
        "twolane worker app.main:app",
        "twolane worker app.main:app --queue imports --slots 2 --grace 60",
        exit_codes=_WORKER_CODES,
    )
)(worker)
app.command(epilog=told(f"twolane status {_ID}", f"twolane status {_ID} --json"))(status)
app.command(
    epilog=told(
        "twolane stats",
        "twolane stats --watch",
        "TWOLANE_QUEUE=sqlite:////srv/app/twolane.db twolane stats --json",
    )
)(stats)
app.command(
    epilog=told(
        "twolane watch --app app.main:app",
        "twolane watch --once --json",
        "twolane watch --too-old 1800 --too-old imports=14400",
        exit_codes=_WATCH_CODES,
    )
)(watch)
app.add_typer(
    letters, name="dead", help="Dead letters: tasks that were given up and kept, each with its reason."
)
app.command(epilog=told(f"twolane cancel {_ID}"))(cancel)
app.command(
    epilog=told(
        "twolane check .",
        "twolane check src --format github --baseline .twolane-baseline.json",
        "twolane check --explain TL101",
        exit_codes=_CHECK_CODES,
    )
)(check)
app.command(epilog=told("twolane demo", "twolane demo --csv flights.csv --seed 7", exit_codes=""))(demo)
app.command(
    epilog=told(
        "twolane price --tasks 2e6/month --duration 1.2s --memory 512MB --payload 4KB --retries 3%",
        "twolane price --task 'welcome_email 500/day 0.4s 2KB' --task 'import 200/month 45s 10MB 2%' --chart price.svg",
        "twolane price app.main:app --from-records 30d",
        exit_codes="Exit codes: 0 done; 2 an amount, a region or a file that cannot be used; 3 the queue is missing.",
    )
)(price)
app.command(epilog=told("twolane doctor", "twolane doctor --app app.main:app --json"))(doctor)

app.command(
    epilog=told(
        "twolane alert",
        "TWOLANE_ALERTS=mailto://user:password@example.org twolane alert --test",
        exit_codes=EXIT_CODES.removesuffix(".") + "; 6 a target did not accept the test.",
    )
)(alert)

letters.command(
    "list",
    epilog=told(
        "twolane dead list --task app.main:import_flights --since 2h --json",
        'twolane dead list --group --error "no such airport"',
    ),
)(dead.list_dead)
letters.command(epilog=told(f"twolane dead show {_ID}"))(dead.show)
letters.command(
    epilog=told(
        f"twolane dead redrive {_ID}",
        f"twolane dead redrive {_ID} --edit --app app.main:app",
        f"twolane dead redrive {_ID} --args '{{\"customer_id\": 7}}' --app app.main:app",
        "twolane dead redrive --all-matching --task app.main:import_flights --reason timed_out",
    )
)(deciding.redrive)
letters.command(
    epilog=told(
        f"twolane dead discard {_ID}",
        "twolane dead discard --all-matching --fingerprint 3f1c09a2b4de --until 7d",
    )
)(deciding.discard)
letters.command(epilog=told("twolane dead log", "twolane dead log --limit 10 --json"))(dead.log)

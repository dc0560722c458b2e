"""What the handler adds to the app that a function of Lambda imports at each cold start: time and memory."""

import statistics

from benchmarks.footprint import cpu_ms, in_fresh_python, loaded_by
from benchmarks.measure import Report, Scale, at_most, interleave, rates, ratio

APP = """
import os
os.environ |= {"TWOLANE_QUEUE": "sqs://shop", "TWOLANE_STATE": "dynamodb://shop", "TWOLANE_BLOBS": "s3://shop"}
os.environ |= {"TWOLANE_ALERTS": "log"}
import benchmarks.app
"""
HANDLER = """
import twolane.aws_lambda
handler = twolane.aws_lambda.handler("benchmarks.app:app")
"""
MEMORY = """
print(benchmarks.app.memory_bytes("VmRSS"))
"""


def run(scale: Scale) -> Report:
    of_app, of_function = loaded_by(APP), loaded_by(APP + HANDLER)
    stdlib = sorted({*of_function[0]} - {*of_app[0]})
    app = f"{APP}\nimport {', '.join(stdlib)}"
    found = interleave(
        {
            "the app and its handler": lambda _: cpu_ms(APP + HANDLER),
            f"the app and the {len(stdlib)} more stdlib modules": lambda _: cpu_ms(app),
        },
        scale.rounds * 3,
    )
    memory = interleave(
        {"function": lambda _: taken_bytes(APP + HANDLER), "app": lambda _: taken_bytes(APP)}, scale.rounds
    )
    added = [function - alone for function, alone in zip(memory["function"], memory["app"], strict=True)]
    strangers = sorted({*of_function[1]} - {*of_app[1]})
    return Report(
        [
            at_most(
                "import of the handler and its app, over the app and the stdlib", ratio(*found.values()), 1.2
            ),
            at_most("memory of the handler over its app", statistics.median(added) / 1e6, 20, "MB"),
            at_most(f"third-party modules that it adds {strangers or ''}", len(strangers), 0, ""),
        ],
        {**rates(found, " ms"), "the imported app": f"{statistics.median(memory['app']) / 1e6:.0f} MB"},
    )


def taken_bytes(statement: str) -> float:
    return float(in_fresh_python(statement + MEMORY))

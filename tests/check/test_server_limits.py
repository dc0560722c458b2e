"""How long servers wait is read from the files that people really write it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.code import PRELUDE, checked
from twolane.check.server_limits import limits

SETTINGS = [
    ("Procfile", "web: uvicorn main:app --timeout-graceful-shutdown 7\n", 1, 7, "uvicorn waits 7 s"),
    ("Procfile", "web: gunicorn -k uvicorn.workers.UvicornWorker main:app -t 90\n", 1, 90, "silent for 90 s"),
    (
        "Dockerfile",
        'CMD ["uvicorn", "main:app", "--timeout-graceful-shutdown", "8"]\n',
        1,
        8,
        "uvicorn waits 8 s",
    ),
    ("deploy/api.Dockerfile", "CMD gunicorn main:app \\\n  --timeout 61\n", 2, 61, "silent for 61 s"),
    ("docker-compose.yml", "services:\n  api:\n    stop_grace_period: 1m30s\n", 3, 90, "docker kills"),
    ("compose.prod.yaml", 'command:\n  - gunicorn\n  - --timeout\n  - "62"\n', 4, 62, "silent for 62 s"),
    ("etc/api.service", "[Service]\nTimeoutStopSec=1min 30s\n", 2, 90, "systemd kills"),
    ("gunicorn.conf.py", "timeout = 63\n", 1, 63, "silent for 63 s"),
    ("gunicorn_conf.py", "graceful_timeout = 31\n", 1, 31, "gunicorn waits 31 s"),
    (".env", 'GUNICORN_CMD_ARGS="--timeout 64"\n', 1, 64, "silent for 64 s"),
    (
        "pyproject.toml",
        '[tool.poe.tasks]\nrun = "uvicorn a:b --timeout-graceful-shutdown=9"\n',
        2,
        9,
        "uvicorn waits 9",
    ),
    (
        "template.yaml",
        "Resources:\n  Api:\n    Type: AWS::Serverless::Function\n    Properties:\n      Timeout: 30\n",
        5,
        30,
        "the Lambda function ends after 30 s",
    ),
    (
        "serverless.yml",
        "provider:\n  timeout: 28 # s\nfunctions:\n  api: {}\n",
        2,
        28,
        "the Lambda function ends",
    ),
    (
        "api/template.yml",
        "Integration:\n  TimeoutInMillis: 29000\n",
        2,
        29,
        "API Gateway ends the request after 29 s",
    ),
    (
        "main.tf",
        'resource "aws_lambda_function" "api" {\n  timeout = 27\n}\n',
        2,
        27,
        "the Lambda function ends",
    ),
    (
        "stack.py",
        "from aws_cdk import Duration\nf(timeout=Duration.minutes(5))\n",
        2,
        300,
        "the Lambda function ends",
    ),
    (
        "lib/api-stack.ts",
        "import * as cdk from 'aws-cdk-lib';\n  timeout: cdk.Duration.seconds(26),\n",
        2,
        26,
        "ends after 26",
    ),
    ("run.py", "import uvicorn\nuvicorn.run(app, timeout_graceful_shutdown=6)\n", 2, 6, "uvicorn waits 6 s"),
]


@pytest.mark.parametrize(("name", "text", "line", "seconds", "sentence"), SETTINGS)
def test_a_setting_is_found_where_it_is_written(
    name: str, text: str, line: int, seconds: float, sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    found = limits(tmp_path, [(name, text)] if name in ("stack.py", "run.py") else [])
    assert [(each.path, each.line, each.seconds) for each in found] == [(name, line, seconds)]
    assert sentence in found[0].sentence


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docker-compose.yml", "healthcheck:\n  timeout: 3s\n"),
        ("template.yaml", "Resources:\n  Check:\n    Type: AWS::Route53::HealthCheck\n    Timeout: 5\n"),
        ("main.tf", 'resource "aws_db_instance" "x" {\n  timeout = 27\n}\n'),
        ("deploy.sh", "curl --timeout 5 http://localhost\n"),
        ("gunicorn.conf.py", "# timeout = 30\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\ntimeout = 120\n"),
    ],
)
def test_time_outs_of_other_things_are_none(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert limits(tmp_path) == []


def test_the_finding_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: uvicorn main:app --timeout-graceful-shutdown 7\n")
    text = """
def convert(video):
    subprocess.run(["ffmpeg", video])

@app.post("/videos")
def add(video: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(convert, video)
"""
    report = checked(tmp_path, main=PRELUDE + text)
    assert [f.reason for s in report.sites for f in s.findings if f.code == "TL312"] == [
        "may outlast the server: subprocess.run(['ffmpeg', video]), and uvicorn waits 7 s at a shutdown (Procfile:1)"
    ]

"""Small code bases for the checker: a file of examples with the imports that every reader knows."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from twolane.check.checking import check
from twolane.check.config import Config
from twolane.check.report import Checked, Report

PRELUDE = """\
import asyncio, logging, os, smtplib, subprocess, threading, time
import requests
from fastapi import BackgroundTasks, Depends, FastAPI, File, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask
from twolane import Blob, Lanes, TaskContext, Tasks

app = FastAPI()
tasks = Tasks()
logger = logging.getLogger(__name__)
"""
PRELUDE_LINES = PRELUDE.count("\n")


def checked(folder: Path, *, config: Config | None = None, changes: bool = False, **files: str) -> Report:
    """Write files (`app`, `app__services` for `app/services.py`) and check their folder."""
    for name, text in files.items():
        file = folder / (name.replace("__", "/").replace("/INIT", "/__init__") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
    return check(folder, config, changes=changes)


def sites(folder: Path, text: str, **more: str) -> list[Checked]:
    """The sites of one file, behind the prelude."""
    return checked(folder, main=PRELUDE + dedent(text), **more).sites


def codes(report: Report) -> set[str]:
    """Every code that a report names."""
    found = {each.code for each in report.all_findings}
    for site in report.sites:
        found |= {site.code, *(each.code for each in site.evidence), *(each.code for each in site.findings)}
    return found

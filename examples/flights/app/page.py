"""The front page: two forms and the latest imports."""

from functools import cache
from html import escape

from . import store

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Flights</title>
<style>
  body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }}
  code {{ font-size: .85rem }}
</style>
<h1>Flights</h1>
<form action="/imports" method="post" enctype="multipart/form-data">
  <h2>Import</h2>
  <label>A CSV file of flights <input type="file" name="file" accept=".csv,text/csv" required></label>
  <button>Import</button>
</form>
<ul>{imports}</ul>
<form action="/subscribe" method="post">
  <h2>Subscribe</h2>
  <label>Email <input type="email" name="email" required></label>
  <button>Subscribe</button>
  <p>{subscribers} subscribed so far.</p>
</form>
</html>
"""


@cache
def subscriber_count() -> int:
    """How many have subscribed; forgotten when somebody does."""
    with store.opened() as db:
        return db.count_subscribers()


def render() -> str:
    """The page as HTML."""
    with store.opened() as db:
        ids = [escape(import_id) for import_id in db.latest_imports()]
    links = "".join(f'<li><a href="/imports/{each}"><code>{each}</code></a></li>' for each in ids)
    return PAGE.format(imports=links, subscribers=subscriber_count())

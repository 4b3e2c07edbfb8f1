"""Sources in other languages than Python, for machines that have none: (name, text) pairs."""

# ruff: noqa: RUF001 (signs that look like others are what some mistakes are about)

_JAVASCRIPT = """\
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

const DEFAULTS = { retries: 3, timeoutMs: 1500, verbose: false };

// Keep the newest entries; older ones are dropped without a word.
export class Cache {
  constructor(limit = 100) {
    this.limit = limit;
    this.items = new Map();
  }

  get(key) {
    if (!this.items.has(key)) {
      return undefined;
    }
    const value = this.items.get(key);
    this.items.delete(key);
    this.items.set(key, value);
    return value;
  }

  set(key, value) {
    // The first key of a Map is the one that was used least recently.
    if (this.items.size >= this.limit) {
      const oldest = this.items.keys().next().value;
      this.items.delete(oldest);
    }
    this.items.set(key, value);
  }
}

export async function loadConfig(folder, options = {}) {
  const merged = { ...DEFAULTS, ...options };
  const file = path.join(folder, 'config.json');
  try {
    const text = await readFile(file, 'utf8');
    return { ...merged, ...JSON.parse(text) };
  } catch (error) {
    if (error.code !== 'ENOENT') {
      throw new Error(`cannot read "${file}": ${error.message}`);
    }
    return merged;
  }
}

export async function saveConfig(folder, config) {
  const file = path.join(folder, 'config.json');
  const text = JSON.stringify(config, null, 2);
  await writeFile(file, text + '\\n', 'utf8');
}

export function retry(action, { retries, timeoutMs } = DEFAULTS) {
  return new Promise((resolve, reject) => {
    let left = retries;
    const attempt = () => {
      action().then(resolve, (error) => {
        left -= 1;
        if (left < 0) {
          reject(error);
        } else {
          setTimeout(attempt, timeoutMs);
        }
      });
    };
    attempt();
  });
}
"""

_TYPESCRIPT = """\
export interface Account {
  id: string;
  owner: string;
  balanceCents: number;
  closedAt?: Date;
}

export type Outcome<T> = { ok: true; value: T } | { ok: false; reason: string };

/** Thrown where an account is used after it has been closed. */
export class ClosedAccountError extends Error {
  constructor(readonly account: Account) {
    super(`account ${account.id} was closed`);
    this.name = "ClosedAccountError";
  }
}

export class Ledger {
  private readonly accounts = new Map<string, Account>();

  open(id: string, owner: string, balanceCents = 0): Account {
    if (this.accounts.has(id)) {
      throw new Error(`account ${id} exists already`);
    }
    const account: Account = { id, owner, balanceCents };
    this.accounts.set(id, account);
    return account;
  }

  transfer(from: string, to: string, amountCents: number): Outcome<number> {
    const source = this.accounts.get(from);
    const target = this.accounts.get(to);
    if (!source || !target) {
      return { ok: false, reason: "unknown account" };
    }
    if (source.balanceCents < amountCents) {
      return { ok: false, reason: "not enough money" };
    }
    // Both sides change in one go: nothing between these lines may await.
    source.balanceCents -= amountCents;
    target.balanceCents += amountCents;
    return { ok: true, value: source.balanceCents };
  }

  close(id: string, now: Date): void {
    const account = this.accounts.get(id);
    if (account === undefined) {
      return;
    }
    if (account.balanceCents !== 0) {
      throw new Error("an account with money cannot be closed");
    }
    account.closedAt = now;
  }

  total(): number {
    let sum = 0;
    for (const account of this.accounts.values()) {
      sum += account.balanceCents;
    }
    return sum;
  }
}
"""

_GO = """\
package queue

import (
\t"context"
\t"errors"
\t"fmt"
\t"sync"
\t"time"
)

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("queue: closed")

const defaultCapacity = 64

// Queue hands jobs to workers in the order in which they came.
type Queue struct {
\tmu      sync.Mutex
\tjobs    []Job
\tclosed  bool
\twaiting chan struct{}
}

// Job is one piece of work.
type Job struct {
\tName     string
\tDeadline time.Time
\tRun      func(ctx context.Context) error
}

// New makes an empty queue.
func New() *Queue {
\treturn &Queue{
\t\tjobs:    make([]Job, 0, defaultCapacity),
\t\twaiting: make(chan struct{}, 1),
\t}
}

// Push appends a job and wakes one worker.
func (q *Queue) Push(job Job) error {
\tq.mu.Lock()
\tdefer q.mu.Unlock()
\tif q.closed {
\t\treturn ErrClosed
\t}
\tq.jobs = append(q.jobs, job)
\tselect {
\tcase q.waiting <- struct{}{}:
\tdefault:
\t}
\treturn nil
}

// Pop takes the oldest job, or waits for one until the context ends.
func (q *Queue) Pop(ctx context.Context) (Job, error) {
\tfor {
\t\tq.mu.Lock()
\t\tif len(q.jobs) > 0 {
\t\t\tjob := q.jobs[0]
\t\t\tq.jobs = q.jobs[1:]
\t\t\tq.mu.Unlock()
\t\t\treturn job, nil
\t\t}
\t\tif q.closed {
\t\t\tq.mu.Unlock()
\t\t\treturn Job{}, ErrClosed
\t\t}
\t\tq.mu.Unlock()
\t\tselect {
\t\tcase <-q.waiting:
\t\tcase <-ctx.Done():
\t\t\treturn Job{}, fmt.Errorf("pop: %w", ctx.Err())
\t\t}
\t}
}

// Close lets the workers run dry.
func (q *Queue) Close() {
\tq.mu.Lock()
\tq.closed = true
\tq.mu.Unlock()
\tclose(q.waiting)
}
"""

_C = """\
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE 256
#define MAX_KEY 64

/* One link of a chain; keys are copied, values belong to the caller. */
struct entry {
    char key[MAX_KEY];
    void *value;
    struct entry *next;
};

struct table {
    struct entry *slots[TABLE_SIZE];
    size_t count;
};

static unsigned hash(const char *key)
{
    unsigned h = 5381;
    while (*key != '\\0') {
        h = (h << 5) + h + (unsigned char)*key;
        key++;
    }
    return h % TABLE_SIZE;
}

struct table *table_new(void)
{
    struct table *t = calloc(1, sizeof *t);
    if (t == NULL) {
        fprintf(stderr, "out of memory: %s\\n", strerror(errno));
        exit(EXIT_FAILURE);
    }
    return t;
}

void *table_get(const struct table *t, const char *key)
{
    const struct entry *e = t->slots[hash(key)];
    for (; e != NULL; e = e->next) {
        if (strcmp(e->key, key) == 0)
            return e->value;
    }
    return NULL;
}

int table_put(struct table *t, const char *key, void *value)
{
    unsigned slot = hash(key);
    if (strlen(key) >= MAX_KEY) {
        errno = ENAMETOOLONG;
        return -1;
    }
    struct entry *fresh = malloc(sizeof *fresh);
    if (fresh == NULL)
        return -1;
    /* Newest first, so that a key that was set twice gives its last value. */
    strcpy(fresh->key, key);
    fresh->value = value;
    fresh->next = t->slots[slot];
    t->slots[slot] = fresh;
    t->count += 1;
    return 0;
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        struct entry *e = t->slots[i];
        while (e != NULL) {
            struct entry *next = e->next;
            free(e);
            e = next;
        }
    }
    free(t);
}
"""

_YAML = """\
name: ci
on:
  push:
    branches: [main]
  pull_request:

env:
  CACHE_VERSION: 4
  LOG_LEVEL: "info"

jobs:
  test:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    strategy:
      fail-fast: false
      matrix:
        python: ["3.11", "3.12", "3.13"]
        include:
          - python: "3.13"
            coverage: true
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 1
      # The cache is keyed by the lock file, so a new lock starts afresh.
      - uses: actions/cache@v4
        with:
          path: ~/.cache/pip
          key: pip-${{ hashFiles('requirements.txt') }}-v1
      - name: Install
        run: |
          python -m venv .venv
          .venv/bin/pip install -r requirements.txt
      - name: Run the tests
        run: .venv/bin/pytest -q --maxfail=5
        env:
          PYTHONWARNINGS: error
  publish:
    needs: test
    if: github.ref == 'refs/heads/main'
    runs-on: ubuntu-22.04
    permissions:
      id-token: write
      contents: read
    steps:
      - name: Build the wheel
        run: python -m build --wheel --outdir dist/
      - name: Upload what was built
        uses: actions/upload-artifact@v4
        with:
          name: wheel
          retention-days: 14
"""

_MARKDOWN = """\
# Tide tables

A small library that answers one question: *when is the next high water?*

## Install

Copy the folder `tides/` into your project — there is nothing to build and nothing to download.

1. Put the station files next to it.
2. Call `tides.load("stations/")` once at start.
3. Keep the returned table; it is safe to share between threads.

## Use

```python
table = tides.load("stations/")
print(table.next_high("Brest", at=now))
```

The answer is a `Tide` with three fields:

| field | meaning | unit |
|---|---|---|
| `at` | time of the extreme | seconds since 1970 |
| `height` | height above chart datum | metres |
| `kind` | `high` or `low` | – |

## Accuracy

Predictions are within ten minutes for open coasts. Estuaries are worse: wind and river flow aren’t modelled,
and the “standard” constants are from 2004. Don’t navigate by them.

## Limits

- Stations north of 80° have no data.
- Leap seconds are ignored — nobody has noticed so far.
- Heights below chart datum are negative, which surprises people who read the table for the first time.

## Licence

The code is MIT; the constants are public domain.
"""

_HTML = """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Harbour board</title>
    <link rel="stylesheet" href="/static/board.css">
    <script src="/static/board.js" defer></script>
  </head>
  <body class="dark">
    <header id="top">
      <h1>Harbour board</h1>
      <nav>
        <a href="/arrivals">Arrivals</a>
        <a href="/departures">Departures</a>
        <a href="/tides" class="wide">Tides</a>
      </nav>
    </header>
    <!-- Rows are filled by board.js; this one is what a reader without scripts sees. -->
    <main>
      <table class="board" data-refresh="30">
        <thead>
          <tr>
            <th scope="col">Ship</th>
            <th scope="col">Berth</th>
            <th scope="col">Expected</th>
          </tr>
        </thead>
        <tbody>
          <tr class="placeholder">
            <td colspan="3">Please turn on scripts to see the arrivals.</td>
          </tr>
        </tbody>
      </table>
      <form method="post" action="/subscribe">
        <label for="mail">Tell me about delays</label>
        <input id="mail" name="mail" type="email" required>
        <button type="submit">Subscribe</button>
      </form>
    </main>
    <footer>
      <p>Times are local. No warranty of any kind.</p>
    </footer>
  </body>
</html>
"""

_MAKEFILE = """\
CC := gcc
CFLAGS := -O2 -Wall -Wextra
PREFIX ?= /usr/local
SOURCES := $(wildcard src/*.c)
OBJECTS := $(SOURCES:src/%.c=build/%.o)

.PHONY: all install clean check

all: build/tide

build/tide: $(OBJECTS)
\t$(CC) $(LDFLAGS) -o $@ $^

# Headers are found by the compiler itself, see -MMD.
build/%.o: src/%.c | build
\t$(CC) $(CFLAGS) -MMD -c -o $@ $<

build:
\tmkdir -p $@

check: build/tide
\t@for t in tests/*.sh; do \\
\t\techo "running $$t"; \\
\t\tsh $$t build/tide || exit 1; \\
\tdone

install: build/tide
\tinstall -d $(DESTDIR)$(PREFIX)/bin
\tinstall -m 755 build/tide $(DESTDIR)$(PREFIX)/bin/tide
\tinstall -m 644 tide.1 $(DESTDIR)$(PREFIX)/share/man/man1/

clean:
\trm -rf build
\trm -f core.*

-include $(OBJECTS:.o=.d)
"""

SNIPPETS: tuple[tuple[str, str], ...] = (
    ("cache.js", _JAVASCRIPT),
    ("ledger.ts", _TYPESCRIPT),
    ("queue.go", _GO),
    ("table.c", _C),
    ("ci.yml", _YAML),
    ("tides.md", _MARKDOWN),
    ("board.html", _HTML),
    ("Makefile", _MAKEFILE),
)

"""What the test suites that need servers share: a demo cluster of their own, a PostgreSQL 15 beside it.

Everything lives in a temporary directory and on loopback ports of the suite's own, and is stopped and
removed at exit.

  LAGOON_PRESET=release|dev|tsan|coverage    the build that is tested; what its sanitizers report are failed checks.

A sanitized program is slow: limits of time are given as seconds(N), N being what is enough in release."""
import atexit
import glob
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PG_BIN = '/usr/lib/postgresql/15/bin'
PRESET = os.environ.get('LAGOON_PRESET') or 'release'
BIN = os.path.join(ROOT, 'build', PRESET)
SLOW = {'dev': 5, 'tsan': 8, 'coverage': 3}.get(PRESET, 1)
# The fabric libraries hook memory calls and signals in ways that sanitizers cannot follow.
os.environ.update(LAGOON_PRESET=PRESET, LAGOON_SLOW=str(SLOW), UCX_HANDLE_ERRORS='none', UCX_MEM_MMAP_HOOK_MODE='none',
                  HFI_NO_BACKTRACE='1')


def seconds(n):
    """A limit of time in which a release build must have done it, for the build that is tested."""
    return n * SLOW


class Reports:
    """What the programs say that no check of a suite asks for: reports of sanitizers, failed assertions."""

    def __init__(self):
        self.said = []
        self.dir = tempfile.mkdtemp(prefix='lagoon-reports.')
        atexit.register(shutil.rmtree, self.dir, True)
        for name, options in (('ASAN', 'detect_leaks=1'), ('UBSAN', 'print_stacktrace=1'),
                              ('TSAN', 'report_signal_unsafe=0:exitcode=0')):
            os.environ[name + '_OPTIONS'] = f'{options}:log_path={self.dir}/{name.lower()}'

    def read_logs(self, folder):
        """A cluster's logs, before they are removed."""
        for path in sorted(glob.glob(folder + '/*.log*')):
            text = open(path, errors='replace').read()
            for m in re.finditer(r'^.*(assertion failed|Assertion|runtime error:).*$', text, flags=re.M):
                self.said.append((os.path.basename(path), text[m.start():m.start() + 3000]))

    def take(self):
        for path in sorted(glob.glob(self.dir + '/*')):
            self.said.append((os.path.basename(path), open(path, errors='replace').read()[:8000]))
            os.unlink(path)
        said, self.said = self.said, []
        return said


reports = Reports()
open_clusters = []


def free_ports(count):
    """A run of consecutive free ports on loopback."""
    base = 10000 + os.getpid() * 41 % 22000
    for _ in range(1000):  # below the ephemeral ports, which any connection may take
        socks = []
        try:
            for p in range(base, base + count):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                socks.append(s)
                s.bind(('127.0.0.1', p))
            return base
        except OSError:
            base = 10000 + (base - 10000 + count + 7) % 22000
        finally:
            for s in socks:
                s.close()
    raise RuntimeError('no free ports')


class Result:
    """Counts checks; close() prints the closing line and gives the exit code.

    Checks named in the suite's pending.txt (one a line, # comments) are known to fail: what they say is
    printed and listed in docs/STATUS.md, but they do not fail the run. The list may only shrink."""

    def __init__(self, suite=None):
        self.passed = 0
        self.failed = 0
        path = f'{ROOT}/tests/{suite}/pending.txt' if suite else ''
        self.pending = set()
        if os.path.exists(path):
            self.pending = {line.strip() for line in open(path) if line.strip() and not line.startswith('#')}

    def check(self, name, ok, detail=''):
        if name in self.pending:
            print(f'{"pending, but it passes: take it off the list" if ok else "pending"}: {name}')
            if not ok and detail:
                print('     ' + str(detail).replace('\n', '\n     '))
            return ok
        if ok:
            self.passed += 1
            print(f'ok   {name}')
        else:
            self.failed += 1
            print(f'FAIL {name}')
            if detail:
                print('     ' + str(detail).replace('\n', '\n     '))
        sys.stdout.flush()
        return ok

    def close(self):
        for c in list(open_clusters):
            c.close()
        said = reports.take()
        for name, text in said:
            self.check(f'{PRESET}: no report in {name}', False, text)
        if PRESET != 'release' and not said:
            self.check(f'{PRESET}: no sanitizer reports anything', True)
        print(f'{self.passed} passed, {self.failed} failed')
        return 1 if self.failed or not self.passed else 0


class Cluster:
    """A demo cluster made by tools/demo."""

    def __init__(self, nodes=3, extra=()):
        self.dir = tempfile.mkdtemp(prefix='lagoon-cluster.')
        self.nodes = nodes
        self.base_port = free_ports(40)
        self.demo_args = ['--dir', self.dir + '/demo', '--base-port', str(self.base_port)]
        open_clusters.append(self)
        atexit.register(self.close)
        small = ('--disk-size', '1g', '--cache', '128MiB')  # several clusters at once; extra may say otherwise
        r = self.demo('--nodes', str(nodes), *small, *extra, timeout=300)
        if r.returncode:
            raise RuntimeError('the demo cluster did not start:\n' + r.stdout + r.stderr)
        self.env = {}
        for line in self.demo('env').stdout.splitlines():
            if line.startswith('export '):
                k, _, v = line[7:].partition('=')
                self.env[k] = v.strip('"\'')

    def demo(self, *args, timeout=120):
        env = dict(os.environ, LAGOON_DEMO_BUILT='1')
        return subprocess.run([ROOT + '/tools/demo', *self.demo_args, *args], capture_output=True, text=True,
                              timeout=seconds(timeout), env=env)

    def instance_port(self, n):
        """SQL port of instance n (1..)."""
        return int(self.env['LAGOON_INSTANCES'].split(',')[n - 1].rsplit(':', 1)[1])

    def conninfo(self, instance=None):
        port = self.instance_port(instance) if instance else int(self.env['PGPORT'])
        return (f"host=127.0.0.1 port={port} user={self.env['PGUSER']} password={self.env['PGPASSWORD']} "
                f"dbname={self.env['PGDATABASE']} connect_timeout={seconds(10)}")

    def psql_env(self, instance=None):
        env = dict(os.environ, **self.env)
        if instance:
            env['PGPORT'] = str(self.instance_port(instance))
        return env

    def wait_open(self, timeout=60):
        """Until every instance answers a query."""
        deadline = time.time() + seconds(timeout)
        for n in range(1, self.nodes + 1):
            while True:
                r = subprocess.run(['psql', '-XAtc', 'select 1'], env=self.psql_env(n), capture_output=True,
                                   text=True)
                if r.returncode == 0:
                    break
                if time.time() > deadline:
                    return False
                time.sleep(0.1)
        return True

    def close(self):
        if self.dir:
            self.demo('stop')
            reports.read_logs(self.dir + '/demo/run')
            open_clusters.remove(self)
            if os.environ.get('LAGOON_KEEP'):
                print('kept', self.dir)
            else:
                shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None


class Postgres:
    """A PostgreSQL 15 server, run as an ordinary user."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='lagoon-pg.')
        self.port = free_ports(1)
        self.as_user = []
        if os.geteuid() == 0:
            shutil.chown(self.dir, 'postgres', 'postgres')
            self.as_user = ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups']
        atexit.register(self.close)
        self.run('initdb', '-D', self.dir + '/data', '--locale=C', '--encoding=UTF8', '-A', 'trust', '-U', 'lagoon')
        with open(self.dir + '/data/postgresql.conf', 'a') as f:
            f.write("fsync = off\ntimezone = 'GMT'\nlog_timezone = 'GMT'\n")
        self.run('pg_ctl', '-D', self.dir + '/data', '-l', self.dir + '/log', '-w', '-o',
                 f'-p {self.port} -k {self.dir} -c listen_addresses=127.0.0.1', 'start')
        subprocess.run(['psql', '-XAqc', 'create database lagoon', 'postgres'], env=self.env(), check=True,
                       capture_output=True)

    def run(self, program, *args):
        r = subprocess.run([*self.as_user, f'{PG_BIN}/{program}', *args], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, cwd=self.dir)
        if r.returncode:
            raise RuntimeError(f'{program}: {r.stdout}')

    def env(self):
        return dict(os.environ, PGHOST='127.0.0.1', PGPORT=str(self.port), PGUSER='lagoon', PGDATABASE='lagoon',
                    PGPASSWORD='')

    def close(self):
        if self.dir:
            subprocess.run([*self.as_user, f'{PG_BIN}/pg_ctl', '-D', self.dir + '/data', '-m', 'immediate', 'stop'],
                           capture_output=True, cwd='/')
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None

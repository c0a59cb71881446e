#!/bin/sh
# pytest-xdist 3.8.0 with pytest 9.2.0: --dist=loadgroup accepts its marks and keeps no group together.
#
# Expected: tests that carry the same xdist_group mark run on one worker, which is what loadgroup is for.
# Seen (CPython 3.11): with pytest 9.1.0 each group ran on one worker; with pytest 9.2.0 and the same xdist the groups
# were spread over both workers, every test passed, and nothing was said. Tests that share a machine, a port or an engine
# by such a group collide from then on, now and then.
# Why: xdist appends "@group" to the private attribute `_nodeid` of each item, and the node ids that 9.2 hands out do not
# come from there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
cat > test_groups.py <<'PY'
import pathlib
import pytest


def make(group):
    @pytest.mark.xdist_group(group)
    @pytest.mark.parametrize("number", range(20))
    def test(number, worker_id):
        with pathlib.Path("seen").open("a") as seen:
            seen.write(f"{group} {worker_id}\n")

    return test


test_one, test_two = make("one"), make("two")
PY
workers_of_group_one() {
    venv/bin/pip --quiet --disable-pip-version-check install "pytest==$1" pytest-xdist==3.8.0
    rm -f seen
    venv/bin/pytest -q -p no:cacheprovider --numprocesses=2 --dist=loadgroup test_groups.py >log 2>&1 || { cat log; exit 1; }
    sort -u seen | grep -c '^one '
}
before=$(workers_of_group_one 9.1.0)
after=$(workers_of_group_one 9.2.0)
echo "workers that ran group 'one': $before with pytest 9.1.0, $after with pytest 9.2.0"
[ "$before" = 1 ] && [ "$after" = 2 ]

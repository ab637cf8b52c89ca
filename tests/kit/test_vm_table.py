"""``scripts/test-vm`` ends with a table: what ran on which kernel, and what was skipped and why."""

from __future__ import annotations

from pathlib import Path

from tests.vm import table

RESULTS = """\
<testsuites><testsuite>
<testcase classname="tests.plugging.test_card" name="test_one" time="1.6"/>
<testcase classname="tests.plugging.test_card" name="test_two" time="2.0"><failure/></testcase>
<testcase classname="tests.plugins.test_conformance.TestBridge" name="test_it[x]" time="0.1">
  <skipped message="no card"/></testcase>
<testcase classname="tests.plugins.test_conformance.TestBridge" name="test_it[y]" time="0.1">
  <skipped message="no card"/></testcase>
<testcase classname="tests.vm.test_life" name="test_agent_is_killed" time="41"/>
</testsuite></testsuites>
"""
EXPECTED = """\
kernel  what                            seconds  result
6.1     tests/plugging/test_card        4        1 FAILED, 1 passed
6.1     agent is killed                 41       1 passed
6.1     tests/plugins/test_conformance           2 skipped: no card"""


def test_table_has_a_row_for_each_module_step_and_reason(tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    results.write_text(RESULTS)
    assert table.text(table.rows("6.1", results)) == EXPECTED

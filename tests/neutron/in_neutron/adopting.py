"""``vif-agent-neutron`` in Neutron's environment, where its database cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from vif_agent.neutron.adoption import command

WRONG = {
    "mysql+nodriver://neutron:{}@db/neutron": "names no kind of database, or driver, that is known",
    "mysql+mysqldb://neutron:{}@db/neutron": "its driver is not installed here: MySQLdb",
    "mysql+pymysql://neutron:{}@db:port/neutron": "with a number as port",
    "mysql+pymysql://neutron:p@ss:{}@db/neutron": "% codes for :, / and @ in a password",
    "{}": "expected KIND+DRIVER://USER:PASSWORD@HOST:PORT/NAME",
}


@pytest.mark.parametrize("connection", WRONG)
def test_a_connection_that_is_none_is_named_in_a_line_without_its_password(
    connection: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = tried(connection.format("s3cret"), tmp_path, capsys)
    assert said.startswith("vif-agent-neutron: [database] connection: ")
    assert WRONG[connection] in said
    assert "s3cret" not in said


def test_what_the_database_says_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = tried(f"sqlite:///{tmp_path}/none/neutron.db", tmp_path, capsys)
    assert said.startswith("vif-agent-neutron: Neutron's database: ")
    assert "unable to open database file" in said


def tried(connection: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What it says to the operator: a line."""
    file = tmp_path / "neutron.conf"
    file.write_text(f"[database]\nconnection = {connection}\n")
    with pytest.raises(SystemExit) as ended:
        command.main(["prepare", f"--config-file={file}"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line

"""The shipped payloads, and the instance they belong to."""

from pathlib import Path

PAYLOADS = Path(__file__).parent.parent.parent / "examples" / "payloads"
INSTANCE = {
    "uuid": "0b2a3f6e-5a7c-4c7e-9d0c-1f6f0c8d3b5a",
    "name": "instance-0000002a",
    "project_id": "7b1f6f0f3c4e4a7f9d7d3a4b5c6d7e8f",
}

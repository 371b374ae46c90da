"""Names that generated modules import must not be names of ops: an op would shadow its helper."""

import re

from opsmithc import paths, registry


def test_no_op_shadows_a_helper():
    text = (paths.TEMPLATES / "python" / "functions.py.j2").read_text()
    block = re.search(r"from opsmith\._core import \((.*?)\)", text, re.S).group(1)
    helpers = {part.split(" as ")[-1].strip() for part in block.replace("\n", " ").split(",")}
    ops = {name for op in registry.load(paths.OPS_YAML) for name in (op.name, *op.alias)}
    assert len(helpers) > 40
    assert not helpers & ops

"""One module a template family: OpDef to Kernel IR to template context."""

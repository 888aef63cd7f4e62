"""What a page is made of: charts, tables, sections that every task has.

In: a `Run`. Out: HTML. Imports `errors`, `runs`; jinja2, numpy; no task.
"""

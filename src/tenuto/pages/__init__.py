"""Pages: charts, tables, the sections that every run has, the page of a run and that of a search. Knows no task.

In: a `Run`, and what its task's page has of its own; or a search. Out: HTML, report.html. Imports `errors`, `files`, `measures`, `runs`; jinja2
(which torch brings along), numpy. Never a drawing library, never a network address.
"""

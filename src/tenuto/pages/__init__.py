"""Pages: charts, tables, the sections that every run has, the page of a run and the page of a search. Knows no task.

In: a `Run`, and the parts of the page that only its task has; or a search. Out: HTML, report.html. Imports `errors`, `files`, `measures`, `runs`;
jinja2 (which is installed with torch) and numpy. It uses no drawing library, and no page loads anything from a network.
"""

"""A complete task in one folder, as small as possible: the sum of a line of numbers. `test_a_task_is_a_folder.py` adds it to the tasks with one line."""

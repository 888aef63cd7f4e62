"""A whole task in one folder, as small as one can be: the sum of a line of numbers. `test_a_task_is_a_folder.py` enters it with one line."""

"""A program around a model: it reads numbers from its standard input and prints the answers. It is an example, and exports are checked with it."""

from __future__ import annotations

from string import Template

from tenuto.export.c.model import inputs_of
from tenuto.tasks.stepped import StepModel, Symbols

_MAIN = Template("""\
/* Reads numbers and prints, after each step, what the model answers: $OUTPUTS numbers in a line.

     cc -std=c99 -O3 $name.c ${name}_main.c -lm -o $name
     echo "$sample" | ./$name

   A step is $words. The word "reset" begins a new sequence.
   ./$name --self-test says whether the model answers here as it did where it was exported. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "$name.h"

static ${name}_state state;

int main(int count, char **arguments)
{
  char word[64];
  $declared
  float output[$OUTPUTS];
  int read = 0;

  if (count > 1 && strcmp(arguments[1], "--self-test") == 0) {
    const int step = ${name}_self_test(&state);
    if (step) printf("the answer after step %d is another\\n", step);
    else printf("all answers are the same\\n");
    return step != 0;
  }
  ${name}_reset(&state);
  while (scanf("%63s", word) == 1) {
    char *end;
    if (strcmp(word, "reset") == 0) {
      ${name}_reset(&state);
      read = 0;
      continue;
    }
    $parse
    if (end == word || *end) {
      fprintf(stderr, "%s is no number\\n", word);
      return 2;
    }
    if (++read < ${INPUTS}) continue;
    read = 0;
    if (${name}_step(&state, input, output)) {
      fprintf(stderr, "this step cannot be read: $refused\\n");
      return 2;
    }
    for (int k = 0; k < $OUTPUTS; k++) printf("%.9g%c", (double)output[k], k + 1 < $OUTPUTS ? ' ' : '\\n');
  }
  return 0;
}
""")


def print_main(model: StepModel, name: str) -> str:
    """The text of NAME_main.c."""
    symbols, big, count = isinstance(model.front, Symbols), name.upper(), inputs_of(model)
    return _MAIN.substitute(
        name=name,
        OUTPUTS=f"{big}_OUTPUTS",
        INPUTS=f"{big}_INPUTS",
        sample=" ".join(["0"] * min(count, 8)) + (" ..." if count > 8 else ""),
        words="the number of a symbol" if symbols else f"{count} numbers" if count > 1 else "one number",
        declared="int input = 0;" if symbols else f"float input[{big}_INPUTS];",
        parse="input = (int)strtol(word, &end, 10);" if symbols else "input[read] = strtof(word, &end);",
        refused="no symbol has this number" if symbols else "a number is missing or infinite",
    )

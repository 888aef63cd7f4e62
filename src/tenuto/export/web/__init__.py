"""web: the export to C compiled to WebAssembly, inside one page of HTML on which a person can try the model. In: a subject. Out: index.html, NAME.wasm, NAME.json.

Built on the target C, whose text is compiled here by `zig cc`. What the program answers is compared with the model in Node.js where that is
installed; the page tests itself in whichever browser opens it, and says so.
"""

from tenuto.export.web.write import write

__all__ = ["write"]

class Extraction: pass
automaton=None

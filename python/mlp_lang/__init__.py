"""mlp: a small language, compiler and component library for Azure Machine Learning pipelines.

Everything that the ``mlp`` command does can be done from Python: ``mlp_lang.dsl`` parses and formats text,
``mlp_lang.compiler`` turns it into a typed Graph, ``mlp_lang.lowering`` writes Azure ML definitions from a Graph and
``mlp_lang.runner`` executes one on this machine.
"""

__version__ = "0.1.0"

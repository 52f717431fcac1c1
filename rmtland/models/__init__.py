"""Models of the Hessian: one object holds a law and the random matrix it is the limit of.

What is public here is listed in `__init__.pyi`, and imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

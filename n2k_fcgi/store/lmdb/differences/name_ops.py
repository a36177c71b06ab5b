"""Changes of names, as lines by name: a canonical name, and a record of what becomes of one key under it."""

from struct import Struct

OP = Struct(">?BB16sBI")
"""Whether it is of former names; PUT or DROP; number of the origin, key, form; of a row of the dump its place and 1, else 0."""

PUT, DROP = 1, 0

"""``NamedTuple`` for the modules that a cold start imports: ``typing`` takes 4 ms of it, and each of its named tuples 0.1 ms.

Checkers see typing's own. This one has what is used of it: fields in order, defaults, ``_fields``, ``_make``, ``_replace``,
``_asdict``, a ``repr``, and the methods of the class. All of a lookup as CGI, from spawn to answer, takes some twenty.
"""

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from operator import itemgetter

    class _Fields(type):
        """Makes the annotations of a class the fields of a tuple, as ``typing.NamedTuple`` does."""

        def __new__(meta, name, bases, namespace):
            fields = tuple(namespace.get("__annotations__", ()))
            if bases[0] is not tuple and bases[0].__mro__[1] is not tuple:
                raise TypeError(f"{name}: a named tuple has no subclasses here")
            namespace["__slots__"] = ()  # the fields are items: an instance has nothing beside them
            namespace["_fields"] = namespace["__match_args__"] = fields
            namespace["_field_defaults"] = {field: namespace[field] for field in fields if field in namespace}
            namespace["_last"] = tuple(namespace["_field_defaults"].values())  # fields with a default are the last ones
            namespace.update((field, property(itemgetter(at))) for at, field in enumerate(fields))
            return super().__new__(meta, name, bases, namespace)

    class NamedTuple(tuple, metaclass=_Fields):
        """See ``typing.NamedTuple``."""

        def __new__(cls, *values, **named):
            missing = len(cls._fields) - len(values)
            if named or missing < 0 or missing > len(cls._last):
                values = cls._completed(values, named)
            elif missing:
                values += cls._last[-missing:]
            return tuple.__new__(cls, values)

        @classmethod
        def _completed(cls, values, named):
            """The values of all fields. Raises TypeError if one is missing, unknown or given twice."""
            rest = cls._fields[len(values) :]
            given = {**cls._field_defaults, **named}
            if len(values) > len(cls._fields) or not named.keys() <= set(rest) or not given.keys() >= set(rest):
                wrong = f"{len(values)} values and {sorted(named)}"
                raise TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}: not made of {wrong}")
            return (*values, *(given[field] for field in rest))

        @classmethod
        def _make(cls, values):
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, not {len(made)}")
            return made

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **named):
            values = tuple(map(named.pop, self._fields, self))
            if named:
                raise ValueError(f"{type(self).__name__} has no fields {sorted(named)}")
            return tuple.__new__(type(self), values)

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

"""A stand-in for CuPy on a machine without a GPU. It computes with NumPy inside, and refuses what CuPy
refuses.

CuPy arrays live in the GPU's memory. They never turn into NumPy arrays by themselves, do not mix with them,
and give 0-d arrays where NumPy gives numbers. Several thousand threads work at once, so that what is written
must not lie across what is read. Options that CuPy's functions lack are refused, and a running sum stands for
``reduceat``, as there. Code that runs on this stand-in has at least none of the mistakes that these
differences bring to light. Found by ``import cupy`` when this folder's parent is on the path.

``copies`` counts what comes back to the processor: on a GPU each such copy waits for all that was asked for.
"""

import numpy as _np

__version__ = "stand-in"
copies = 0
_REFUSED = "Implicit conversion to a NumPy array is not allowed. Please use `.get()`."
# What a NumPy module has and CuPy lacks, as far as a layer might be tempted to use it.
_LACKING = {"errstate", "seterr", "nditer", "ndindex", "insert", "rec", "ma", "testing", "random"}
_METHODS = {
    *(
        "all",
        "any",
        "argmax",
        "argmin",
        "argsort",
        "astype",
        "clip",
        "copy",
        "cumprod",
        "cumsum",
        "dot",
        "fill",
    ),
    *(
        "flatten",
        "max",
        "mean",
        "min",
        "nonzero",
        "prod",
        "ravel",
        "repeat",
        "reshape",
        "round",
        "sort",
        "squeeze",
    ),
    *("std", "sum", "swapaxes", "take", "transpose", "var", "view"),
}
_PLAIN = {"dtype", "itemsize", "nbytes", "ndim", "shape", "size", "strides", "flags"}


def _host(value):
    """Something that leaves the device."""
    global copies
    copies += 1
    return value


class ndarray:
    """An array that keeps to itself."""

    __slots__ = ("_array",)
    __array_priority__ = 100

    def __init__(self, array):
        self._array = array

    def __array__(self, *args, **kwargs):
        raise TypeError(_REFUSED)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):  # np.exp(x) works, as it does with CuPy
        return _call(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return _call(function, args, kwargs)

    def __getattr__(self, name):
        if name in _PLAIN:
            return getattr(self._array, name)
        if name in _METHODS:
            method = getattr(self._array, name)
            return lambda *args, **kwargs: _call(method, args, kwargs)
        raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")

    @property
    def T(self):
        return ndarray(self._array.T)

    @property
    def data(self):
        return _Memory(self._array.__array_interface__["data"][0])

    def get(self):
        return _host(self._array.copy())

    def item(self, *args):
        return _host(self._array.item(*args))

    def tolist(self):
        return _host(self._array.tolist())

    def __getitem__(self, key):
        key = _unwrap(key, IndexError)
        found = self._array[key]
        if not isinstance(found, _np.ndarray):  # one number: a 0-d view, not a copy
            found = self._array[(*key, ...) if isinstance(key, tuple) else (key, ...)]
        return ndarray(found)

    def __setitem__(self, key, value):
        key, value = _unwrap(key, IndexError), _unwrap(value)
        if isinstance(value, _np.ndarray):
            parts = key if isinstance(key, tuple) else (key,)
            if not any(isinstance(part, (_np.ndarray, list)) for part in parts):  # a view: see _require_apart
                _require_apart(self._array[(*parts, ...) if ... not in parts else parts], value)
        self._array[key] = value

    def __len__(self):
        return len(self._array)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return _host(bool(self._array))

    def __float__(self):
        return _host(float(self._one()))

    def __int__(self):
        return _host(int(self._one()))

    def __index__(self):
        return _host(self._array.__index__())

    def _one(self):
        if self._array.ndim:
            raise TypeError(f"an array of shape {self._array.shape} is no number")
        return self._array

    def __format__(self, spec):
        return _host(format(self._array.item() if self.ndim == 0 else str(self._array), spec))

    def __repr__(self):
        return repr(self._array)

    __hash__ = None


class _Memory:
    def __init__(self, ptr):
        self.ptr = ptr


def _wrap(result):
    if isinstance(result, tuple):
        return tuple(_wrap(part) for part in result)
    if isinstance(result, _np.ndarray):
        return ndarray(result)
    if isinstance(result, _np.generic):
        return ndarray(_np.asarray(result))
    return result


def _unwrap(value, error=TypeError):
    if isinstance(value, ndarray):
        return value._array
    if isinstance(value, _np.ndarray):
        raise error(f"Unsupported type {type(value)}")
    if isinstance(value, (tuple, list)):
        return type(value)(_unwrap(part, error) for part in value)
    return value


def _require_apart(out, *inputs):
    """Raise if memory that is written lies across memory that is read, other than number on number.

    NumPy copies such an input first. On a GPU it depends on which thread comes first.
    """
    for given in inputs:
        if not isinstance(given, _np.ndarray):
            continue
        same = out.ctypes.data == given.ctypes.data and (out.shape, out.strides) == (
            given.shape,
            given.strides,
        )
        if not same and _np.shares_memory(out, given):
            raise ValueError(
                "the output lies across an input, and on a GPU the result would be left to chance"
            )


def _call(function, args, kwargs):
    lacking = [name for name in ("where", "initial") if name in kwargs]
    if lacking and function is not _np.copyto and function is not _np.where:
        raise TypeError(f"{lacking[0]} is no argument of this function of CuPy")
    if kwargs.get("out") is not None:
        out, given = _unwrap(kwargs["out"]), _unwrap(tuple(args))
        _require_apart(out, *given)
        if function is _np.matmul and any(_np.shares_memory(out, a) for a in given):
            raise ValueError("the output of a matrix product is one of its inputs")
    return _wrap(function(*_unwrap(tuple(args)), **{name: _unwrap(value) for name, value in kwargs.items()}))


def _binary(name):
    def method(self, other):
        if isinstance(other, (list, tuple)) or getattr(type(other), "__array_ufunc__", True) is None:
            return NotImplemented
        return _wrap(getattr(self._array, name)(_unwrap(other)))

    return method


def _in_place(name):
    def method(self, other):
        other = _unwrap(other)
        _require_apart(self._array, other)
        changed = getattr(self._array, name)(other)
        assert changed is self._array
        return self

    return method


for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "rshift",
    "lshift",
):
    setattr(ndarray, f"__{_name}__", _binary(f"__{_name}__"))
    setattr(ndarray, f"__r{_name}__", _binary(f"__r{_name}__"))
    setattr(ndarray, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in ("lt", "le", "eq", "ne", "gt", "ge"):
    setattr(ndarray, f"__{_name}__", _binary(f"__{_name}__"))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(ndarray, f"__{_name}__", lambda self, _name=_name: _wrap(getattr(self._array, f"__{_name}__")()))


def asarray(a, dtype=None, **kwargs):
    """From Python numbers, lists or a NumPy array: the one way onto the device."""
    return ndarray(_np.asarray(a._array if isinstance(a, ndarray) else a, dtype=dtype))


def array(a, dtype=None, copy=True, **kwargs):
    return ndarray(_np.array(a._array if isinstance(a, ndarray) else a, dtype=dtype, copy=copy))


def asnumpy(a):
    return a.get()


class _Function:
    """A NumPy function or ufunc that takes and gives arrays of the device."""

    def __init__(self, function):
        self._function = function

    def __call__(self, *args, **kwargs):
        return _call(self._function, args, kwargs)

    def __getattr__(self, name):  # the methods of ufuncs
        if name not in _HAVE:
            raise AttributeError(name)
        if _HAVE[name] is not None and self._function.__name__ not in _HAVE[name]:
            raise NotImplementedError(f"`cupy_{self._function.__name__}.{name}` is not supported yet")
        return _Function(_reduceat if name == "reduceat" else getattr(self._function, name))


# Which ufuncs have which methods; None means all.
_HAVE = {"outer": None, "at": {"add", "subtract", "maximum", "minimum"}}
_HAVE |= {"reduce": {"add", "multiply"}, "accumulate": {"add", "multiply"}, "reduceat": {"add"}}


def _reduceat(array, indices, axis=0):
    """Differences of one running sum, with what that costs in digits."""
    sums = _np.concatenate([_np.zeros_like(array[:1]), array.cumsum(axis=0, dtype=array.dtype)])
    assert axis == 0
    return sums[_np.append(indices[1:], len(array))] - sums[indices]


def __getattr__(name):
    if name in _LACKING or name.startswith("_"):
        raise AttributeError(f"module 'cupy' has no attribute {name!r}")
    found = getattr(_np, name)
    if name in ("finfo", "iinfo", "issubdtype", "result_type", "dtype", "broadcast_shapes"):
        return found
    if isinstance(found, type) or not callable(found):  # float32, pi, newaxis
        return found
    return _Function(found)


class cuda:
    class runtime:
        @staticmethod
        def getDeviceCount():
            return 1

        @staticmethod
        def getDevice():
            return 0

        @staticmethod
        def getDeviceProperties(device):
            return {"name": b"a stand-in for a GPU"}

        @staticmethod
        def driverGetVersion():
            return 12040

        runtimeGetVersion = driverGetVersion

        @staticmethod
        def deviceSynchronize():
            pass


class lib:
    class stride_tricks:
        @staticmethod
        def as_strided(x, shape, strides):
            return ndarray(_np.lib.stride_tricks.as_strided(x._array, shape, strides))

        @staticmethod
        def sliding_window_view(x, window_shape, axis=None):
            _host(window_shape)  # copied to the device, and looked at from here
            return ndarray(_np.lib.stride_tricks.sliding_window_view(x._array, window_shape, axis))

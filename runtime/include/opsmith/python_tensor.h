/* The Tensor class as a C type, compiled into the cffi module of the runtime.
 *
 * It is the same class as the pure Python one in opsmith/_pure.py, field by field: a handle, a node,
 * a cached shape, where a view came from. Only what happens on every call is here; methods are
 * attached from Python. A tensor drops its handle when it dies.
 */
#ifndef OPSMITH_PYTHON_TENSOR_H
#define OPSMITH_PYTHON_TENSOR_H

#include <structmember.h>

typedef struct {
    PyObject_HEAD
    PyObject *handle; /* a float; NULL until there is one */
    PyObject *node;
    PyObject *shape;
    PyObject *view;
    PyObject *dict;
    PyObject *weakrefs;
} ops_python_tensor;

static PyTypeObject *tensor_type;
static PyObject *shape_maker; /* called with a tensor whose shape is not cached */

static int tensor_traverse(PyObject *o, visitproc visit, void *arg)
{
    ops_python_tensor *self = (ops_python_tensor *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(self->node);
    Py_VISIT(self->view);
    Py_VISIT(self->dict);
    return 0;
}

static int tensor_clear(PyObject *o)
{
    ops_python_tensor *self = (ops_python_tensor *)o;
    Py_CLEAR(self->node);
    Py_CLEAR(self->view);
    Py_CLEAR(self->dict);
    return 0;
}

static void tensor_dealloc(PyObject *o)
{
    ops_python_tensor *self = (ops_python_tensor *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    Py_TRASHCAN_BEGIN(o, tensor_dealloc)
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(o);
    }
    if (self->handle != NULL) {
        ops_tensor_drop(ops_from_handle(PyFloat_AS_DOUBLE(self->handle)));
        Py_CLEAR(self->handle);
    }
    Py_CLEAR(self->shape);
    tensor_clear(o);
    type->tp_free(o);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

/* Sizes of small tensors made before, by shape: a training step meets the same few again. */
enum { SHAPE_CACHE = 512 };
static struct {
    uint64_t key;
    PyObject *shape;
} shape_cache[SHAPE_CACHE];

/* Equal for equal shapes, 0 for shapes that are not cached. */
static uint64_t shape_key(const ops_tensor *t)
{
    uint64_t key = t->ndim + 1u;
    if (t->ndim > 3) {
        return 0;
    }
    for (int d = 0; d < t->ndim; ++d) {
        if ((uint64_t)t->shape[d] >= 65536) {
            return 0;
        }
        key = key << 16 | (uint64_t)t->shape[d];
    }
    return key;
}

static PyObject *get_shape(PyObject *o, void *unused)
{
    ops_python_tensor *self = (ops_python_tensor *)o;
    (void)unused;
    if (OPS_LIKELY(self->shape != NULL && self->shape != Py_None)) {
        return Py_NewRef(self->shape);
    }
    uint64_t key = 0, slot = 0;
    if (self->handle != NULL) {
        key = shape_key(ops_from_handle(PyFloat_AS_DOUBLE(self->handle)));
        slot = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 55; /* the top nine bits */
        if (key != 0 && shape_cache[slot].key == key) {
            Py_XSETREF(self->shape, Py_NewRef(shape_cache[slot].shape));
            return Py_NewRef(self->shape);
        }
    }
    PyObject *made = PyObject_CallOneArg(shape_maker, o);
    if (made != NULL) {
        Py_XSETREF(self->shape, Py_NewRef(made));
        if (key != 0) {
            shape_cache[slot].key = key;
            Py_XSETREF(shape_cache[slot].shape, Py_NewRef(made));
        }
    }
    return made;
}

static PyGetSetDef tensor_getset[] = {
    {"shape", get_shape, NULL, "The size of each dimension.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef tensor_members[] = {
    {"_h", T_OBJECT_EX, offsetof(ops_python_tensor, handle), 0, NULL},
    {"_node", T_OBJECT, offsetof(ops_python_tensor, node), 0, NULL},
    {"_shape", T_OBJECT, offsetof(ops_python_tensor, shape), 0, NULL},
    {"_view", T_OBJECT, offsetof(ops_python_tensor, view), 0, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(ops_python_tensor, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ops_python_tensor, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot tensor_slots[] = {
    {Py_tp_dealloc, tensor_dealloc},
    {Py_tp_traverse, tensor_traverse},
    {Py_tp_clear, tensor_clear},
    {Py_tp_members, tensor_members},
    {Py_tp_getset, tensor_getset},
    {Py_tp_doc, "A strided n-dimensional array that records what is done to it; see opsmith.tensor."},
    {0, NULL},
};

static PyType_Spec tensor_spec = {
    .name = "opsmith.Tensor",
    .basicsize = sizeof(ops_python_tensor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = tensor_slots,
};

/* make(handle, node): a tensor that owns the handle */
static PyObject *make_tensor(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    (void)module;
    (void)n;
    ops_python_tensor *self = (ops_python_tensor *)tensor_type->tp_alloc(tensor_type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->handle = Py_NewRef(args[0]);
    self->node = Py_NewRef(args[1]);
    return (PyObject *)self;
}

/* make_view(handle, node, view): the same for a view */
static PyObject *make_view(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    (void)module;
    (void)n;
    ops_python_tensor *self = (ops_python_tensor *)tensor_type->tp_alloc(tensor_type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->handle = Py_NewRef(args[0]);
    self->node = Py_NewRef(args[1]);
    self->view = Py_NewRef(args[2]);
    return (PyObject *)self;
}

static PyObject *set_shape_maker(PyObject *module, PyObject *function)
{
    (void)module;
    Py_XSETREF(shape_maker, Py_NewRef(function));
    Py_RETURN_NONE;
}

static PyMethodDef tensor_functions[] = {
    {"make", (PyCFunction)(void (*)(void))make_tensor, METH_FASTCALL, NULL},
    {"make_view", (PyCFunction)(void (*)(void))make_view, METH_FASTCALL, NULL},
    {"set_shape_maker", set_shape_maker, METH_O, NULL},
};

/* Put Tensor, make, make_view and set_shape_maker into the module of that name. */
static int install_tensor_type(const char *module_name)
{
    PyObject *module = PyImport_AddModule(module_name);
    tensor_type = (PyTypeObject *)PyType_FromSpec(&tensor_spec);
    if (module == NULL || tensor_type == NULL ||
        PyObject_SetAttrString(module, "Tensor", (PyObject *)tensor_type) < 0) {
        PyErr_Clear();
        return 0;
    }
    for (size_t k = 0; k < sizeof tensor_functions / sizeof *tensor_functions; ++k) {
        PyObject *f = PyCFunction_New(&tensor_functions[k], NULL);
        if (f == NULL || PyObject_SetAttrString(module, tensor_functions[k].ml_name, f) < 0) {
            PyErr_Clear();
            return 0;
        }
        Py_DECREF(f);
    }
    return 1;
}

#endif

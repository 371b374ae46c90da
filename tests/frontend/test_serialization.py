"""save and load: PyTorch's format both ways, shared memory, damage, and what is refused."""

import base64
import io
import os
import pickle
import struct
import zipfile
import zlib
from collections import Counter, OrderedDict

import numpy as np
import pytest

import opsmith
from opsmith import nn, optim
from opsmith.serialization import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    load,
    safe_globals,
    save,
)

# A file that PyTorch 2.13.0 wrote, compressed: see test_a_file_from_pytorch for what is in it
FROM_PYTORCH = (
    "c-o~_+i%-"
    "c7(YqcBsJ@GK)V8EFfJ*yX>Lx^u4_9p%$NsjT{cX)L~i0X*4#K>eA;Ofl`5tdc!Re+O+53)6MI4xPYCe>LI?>Y9("
    "Wi$p#2M+bDVlUE@?`86x(uqewXh%=lkq=CDMUVJdXB_J~V*zM!9Nk7!ws8>&g0cOO|@j5;wNOn}8BpCjqS46~ls1"
    "xolgOQO2fSbA&66iqSAC7tAsiAUvu<B%y`K+#AqQ#x`M3me#RpIYOynEU%kZrG$-"
    "|V>e10838&I2`xq@J7lK5YCzP52(o4Cc+ve+fEXi8L0pTFYq`D-"
    "T}l*#u%I9%qJ($g5hbKVcHqRPRcfFcLyro*8i^WV-"
    "L#;uN_48xYOETsGGzaP(xHU6VL%CO!$}wQD2B&Wc$`Ts!(a>Vb-"
    "kgl8Q5qDFto?YAZa*7xWgERsVl<$1m%9x<$emohzd`C!fsA~49}?W?D{60(Ygq-"
    "MEG=?et3>Oe_o?&121gCi!3)AM#CYQhJ+Gw9A{YzQ-doo>dH40Cb5jA^IpzgVy-gqvg>NB>1v$1O1iElFr-vSvpi"
    "LGYXveK<wf$BN0()ES;!H(5C)Ob5vDvn6<oR^hDjBs*u)x~<+v`}wN;O6noY^UIhSjOaE*?-"
    "9J3haR5;Hpt?ABnkoYKV+wy2$VKgFKa3g%R8KF!qz2?$g#PGTbml$2mt{I?kYnF%01dA}dL9vMLq&JnY654?)E`A"
    "=vf(k0z`xSh%Zop#G$qG$(J}1CijNCDA8F01vY?0guaE&mLJ^A)FXezv;MJa``VU`V8YR+?S1$fun*6(e@`zn0E^"
    "o+V)u0lzPtS9G{Sp3I(AKv+h%%jJA%ZeUElU_w9SM0``j!Vt`BTHhSun#%XRQ~G+zu%@QqepA`VN`f1-"
    ">m79ZkemKHKT@QDSH$L`5ZMcdjtNaJ3oA&fqpdW8CbrF4VyM6Svq^P$lYO?7+VJQuzl{&Q*<4p2YTp1GhA1lNXgR"
    "FF$}n@TeIXeM}FkkBF7hV)Y0H)_dg#Z4~E(}8si<MWhsFUufI#Rcd6dg*dISofp{CeX<jcQOT{B+U~Bd?)4ntQ{X"
    "ewUI@)N@@!DBgnm*3*FQFn;*T4MDY`_0{ki@I!WNGGD>Pt(pCO36a|K+}Yg#3%g$$y9`e{<$rjgKE4CjR{K<8K{j"
    "FFNU|d0nnID3=vj|Gc|;wf*{ypv=Pt#sYARhDkcuEuDVtl+21OCI4qUseEx#%uI^;T%jmtQh8A<6w{eprjX9&imA"
    "zLI#)>L3!+F}es$^gcM0Mn!CZ!@S<k2c4bZpGdGI?fi1s(|K@Ry-"
    "1hsl+1WEi&c$gzu=s*W_{veOPk@oXud^}zQ55oOjuZM$Q>qLRx8^roM7?1rch)oBv{tm=r>Fb^EctNbcfAH9!gV<"
    "~k>#uqqtHuJ@ToCK8TORvs5G(Fs|GTm|-FN_--?v+R_14Q_cYW9v`^;YkBOG|33$-"
    "cGc_kVh+bieDxQFZxTniERdarA*y+&E5eQ?6PcfWKxqb{bK&3EVi3r~m%Bm"
)


class Custom:
    """Not allowed without being named."""

    def __init__(self):
        self.value = 3


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("exit 3",)


def stored(obj):
    buffer = io.BytesIO()
    save(obj, buffer)
    return buffer.getvalue()


def again(obj, **options):
    return load(io.BytesIO(stored(obj)), **options)


def archive(records):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, data in records.items():
            out.writestr(f"archive/{name}", data)
    buffer.seek(0)
    return buffer


def pickled_tensor(offset=0, size=(3,), stride=(1,), count=3):
    """The pickle of a float tensor on storage 0, byte by byte."""

    def numbers(values):
        return b"(" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"t"

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(("
        + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
        + b"J" + struct.pack("<i", count) + b"tQJ" + struct.pack("<i", offset)
        + numbers(size) + numbers(stride)
        + b"\x89ccollections\nOrderedDict\n)RtR."
    )  # fmt: skip


VALUES = np.array([1.0, 2.0, 3.0], np.float32)


def test_a_file_from_pytorch():
    data = zlib.decompress(base64.b85decode(FROM_PYTORCH))
    found = load(io.BytesIO(data))
    state = found["model"]
    assert isinstance(state, OrderedDict) and state._metadata == {"": {"version": 1}}
    assert state["w"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert tuple(state["w"].stride()) == (1, 3)
    assert isinstance(state["b"], nn.Parameter) and state["b"].tolist() == [1.5, -2.0]
    state["tail"][0] = 9.0
    assert state["w"][1, 1].item() == 9.0  # they share memory
    assert found["bf"].dtype == opsmith.bfloat16 and found["bf"].tolist() == [1.0, -2.5]
    assert found["half"].dtype == opsmith.float16 and found["half"].item() == 0.5
    assert found["n"].item() == 7 and found["mask"].tolist() == [True, False]
    assert tuple(found["none"].shape) == (0, 2)
    assert found["dtype"] is opsmith.float64 and found["size"] == (2, 3) and found["epoch"] == 3
    assert isinstance(found["size"], opsmith.Size) and found["device"] == opsmith.device("cpu")


def test_a_file_made_by_hand():
    records = {"data.pkl": pickled_tensor(), "data/0": VALUES.tobytes(), "version": "3\n"}
    assert load(archive(records)).tolist() == [1.0, 2.0, 3.0]
    records |= {"byteorder": "big", "data/0": VALUES.astype(">f4").tobytes()}
    assert load(archive(records)).tolist() == [1.0, 2.0, 3.0]


def test_layout_of_the_file(tmp_path):
    path = tmp_path / "model.pt"
    save({"w": opsmith.ones(3)}, path)
    with zipfile.ZipFile(path) as out:
        assert out.namelist() == [
            "model/data.pkl",
            "model/byteorder",
            "model/data/0",
            "model/version",
        ]
        assert out.read("model/byteorder") == b"little" and out.read("model/version") == b"3\n"
        assert out.read("model/data/0") == np.ones(3, np.float32).tobytes()
        info = out.getinfo("model/data/0")
        assert info.compress_type == zipfile.ZIP_STORED
        names = out.read("model/data.pkl")
    for name in (b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n"):
        assert name in names
    assert b"opsmith" not in names
    raw = path.read_bytes()
    name, extra = struct.unpack_from("<HH", raw, info.header_offset + 26)
    assert (info.header_offset + 30 + name + extra) % 64 == 0
    assert path.read_bytes() == raw
    save({"w": opsmith.ones(3)}, path)
    assert path.read_bytes() == raw


@pytest.mark.parametrize(
    "dtype",
    [
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
    ],
)
def test_dtypes(dtype):
    t = opsmith.tensor([[0, 1], [1, 0]]).to(getattr(opsmith, dtype))
    found = again(t)
    assert found.dtype == t.dtype and found.tolist() == t.tolist()


def test_plain_data():
    obj = {
        "list": [1, 2.5, "x", None, True, (1, 2), {3}, 2**70],
        "bytes": b"\x00\xff",
        "complex": 1j,
        "counter": Counter([1, 1]),
        "dtype": opsmith.float32,
        "size": opsmith.Size([1, 2]),
        "device": opsmith.device("cpu"),
    }
    assert again(obj) == obj


def test_views_and_ties_survive():
    base = opsmith.arange(12.0)
    obj = {
        "small": base[2:4],
        "base": base,
        "turned": base.reshape(3, 4).t(),
        "wide": opsmith.ones(1).expand(3),
        "empty": opsmith.zeros(0, 3),
        "scalar": opsmith.tensor(3.0),
        "leaf": opsmith.ones(2).requires_grad_(),
    }
    data = stored(obj)
    with zipfile.ZipFile(io.BytesIO(data)) as out:
        assert sum(name.startswith("archive/data/") for name in out.namelist()) == 5
    found = load(io.BytesIO(data))
    for key, value in obj.items():
        assert found[key].tolist() == value.tolist(), key
        assert found[key].stride() == value.stride(), key
    found["base"][2] = 99.0
    assert found["small"][0].item() == 99.0 and found["turned"][2, 0].item() == 99.0
    assert found["leaf"].requires_grad and found["leaf"].is_leaf
    layer = nn.Linear(2, 2)
    layer.tied = layer.weight
    state = again(layer.state_dict())
    assert state["tied"].data_ptr() == state["weight"].data_ptr()
    same = opsmith.ones(1)
    pair = again([same, same])
    assert pair[0] is pair[1]


def test_parameters_and_gradients():
    p = nn.Parameter(opsmith.ones(2))
    found = again({"p": p, "q": nn.Parameter(opsmith.ones(1), requires_grad=False)})
    assert isinstance(found["p"], nn.Parameter) and found["p"].requires_grad
    assert not found["q"].requires_grad


def test_training_goes_on():
    def step(model, optimizer):
        optimizer.zero_grad()
        model(opsmith.ones(4, 3)).sum().backward()
        optimizer.step()

    opsmith.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.LayerNorm(2))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    step(model, optimizer)
    checkpoint = again({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    other = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.LayerNorm(2))
    resumed = optim.Adam(other.parameters())
    other.load_state_dict(checkpoint["model"])
    resumed.load_state_dict(checkpoint["optimizer"])
    step(model, optimizer)
    step(other, resumed)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert a.tolist() == b.tolist()


def test_whole_modules_need_trust():
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    data = stored(model)
    with pytest.raises(
        pickle.UnpicklingError, match="Weights only load failed: Unsupported global"
    ):
        load(io.BytesIO(data))
    found = load(io.BytesIO(data), weights_only=False)
    assert repr(found) == repr(model)
    assert found[0].weight.tolist() == model[0].weight.tolist()
    assert isinstance(found[0].weight, nn.Parameter)
    renamed = data.replace(b"copsmith.nn", b"ctorch.nn")  # as PyTorch would have named them
    records = zipfile.ZipFile(io.BytesIO(data))
    names = {name.partition("/")[2]: records.read(name) for name in records.namelist()}
    names["data.pkl"] = names["data.pkl"].replace(b"copsmith.nn.modules", b"ctorch.nn.modules")
    assert renamed != data
    assert isinstance(load(archive(names), weights_only=False), nn.Sequential)


def test_code_is_refused():
    data = stored({"x": Evil()})
    with pytest.raises(pickle.UnpicklingError, match=r"posix.system|nt.system"):
        load(io.BytesIO(data))


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02ctorch\nfloat32\nN}X\x08\x00\x00\x00itemsizeK\x08s\x86b.",  # alter a dtype
        b"\x80\x02c__builtin__\neval\n(X\x01\x00\x00\x001tR.",  # an unknown name
        b"\x80\x02K\x01)R.",  # call a number
        b"\x80\x02ccollections\nOrderedDict\nN}X\x01\x00\x00\x00aK\x01s\x86b.",  # alter a class
        b"\x80\x02(S'1'\nios\nsystem\n.",  # INST
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb.",  # alter it
        b"\x80\x02X\x01\x00\x00\x00aQ.",  # no storage
    ],
)
def test_unusual_programs_are_refused(program):
    records = {"data.pkl": program, "data/0": VALUES.tobytes()}
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        load(archive(records))
    assert opsmith.float32.itemsize == 4


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"size": (4,)}, "in a storage of 3 elements"),
        ({"offset": 1}, "in a storage of 3 elements"),
        ({"stride": (2,)}, "in a storage of 3 elements"),
        ({"offset": -1}, "offset -1"),
        ({"size": (-1,)}, r"size \(-1,\)"),
        ({"stride": (1, 1)}, "stride"),
        ({"count": 4}, "has 12 bytes in the record data/0, expected 16"),
    ],
)
def test_tensors_outside_their_storage_are_refused(changes, text):
    records = {"data.pkl": pickled_tensor(**changes), "data/0": VALUES.tobytes()}
    with pytest.raises(RuntimeError, match=text):
        load(archive(records))


def test_allowing_classes():
    data = stored(Custom())
    with pytest.raises(pickle.UnpicklingError, match="Custom was not an allowed global"):
        load(io.BytesIO(data))
    with safe_globals([Custom]):
        assert load(io.BytesIO(data)).value == 3
    assert get_safe_globals() == []
    add_safe_globals([Custom])
    assert get_safe_globals() == [Custom] and load(io.BytesIO(data)).value == 3
    clear_safe_globals()


def test_damaged_files(tmp_path):
    path = tmp_path / "x.pt"
    save({"w": opsmith.arange(100.0)}, path)
    data = path.read_bytes()
    for cut in (3, 100, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:cut])
        with pytest.raises(RuntimeError, match=r"x\.pt (is cut short|is no checkpoint)"):
            load(path)
    path.write_bytes(b"")
    with pytest.raises(EOFError, match="is empty"):
        load(path)
    spoilt = bytearray(data)
    spoilt[data.index(np.float32(50).tobytes())] ^= 1
    path.write_bytes(spoilt)
    with pytest.raises(RuntimeError, match=r"is damaged in the record data/0"):
        load(path)
    path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
    with pytest.raises(RuntimeError, match=r"format of PyTorch before 1\.6"):
        load(path)
    with pytest.raises(RuntimeError, match="has no record data.pkl"):
        load(archive({"other": b""}))
    with pytest.raises(RuntimeError, match="has no record data/0"):
        load(archive({"data.pkl": pickled_tensor()}))
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.pt")


def test_random_damage_is_never_worse_than_an_error():
    data = stored({"w": opsmith.arange(20.0), "n": [1, "x", opsmith.ones(2)]})
    rng = np.random.default_rng(0)
    for _ in range(300):
        spoilt = bytearray(data)
        for at in rng.integers(0, len(data), 2):
            spoilt[at] = rng.integers(0, 256)
        try:
            load(io.BytesIO(bytes(spoilt)))
        except (RuntimeError, EOFError, pickle.UnpicklingError):
            pass


def test_saving_is_all_or_nothing(tmp_path):
    path = tmp_path / "x.pt"
    save([1], path)
    with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
        save([opsmith.ones(1), lambda: 0], path)
    assert load(path) == [1] and os.listdir(tmp_path) == ["x.pt"]
    os.chmod(path, 0o640)
    link = tmp_path / "link.pt"
    link.symlink_to(path)
    save([2], link)
    assert link.is_symlink() and load(path) == [2]
    assert os.stat(path).st_mode & 0o777 == 0o640
    with open(os.devnull, "wb"):
        save([3], os.devnull)


def test_options(tmp_path):
    path = tmp_path / "x.pt"
    save({"w": opsmith.arange(3.0)}, path)
    assert load(path, map_location="cpu")["w"].tolist() == [0.0, 1.0, 2.0]
    assert load(path, map_location={"cpu": "cpu"})["w"].tolist() == [0.0, 1.0, 2.0]
    seen = []
    load(path, map_location=lambda storage, place: seen.append(place))
    assert seen == ["cpu"]
    mapped = load(path, mmap=True)["w"]
    mapped[0] = 5.0
    assert mapped.tolist() == [5.0, 1.0, 2.0] and load(path)["w"][0].item() == 0.0
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        load(path, pickle_module=pickle, weights_only=True)
    with pytest.raises(ValueError, match="must be a file path"):
        load(io.BytesIO(), mmap=True)
    with pytest.raises(NotImplementedError, match="pickle_protocol=4"):
        save(1, path, pickle_protocol=4)


def test_different_dtypes_on_one_storage():
    t = opsmith.zeros(2)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        stored([t, t.view(opsmith.int32)])


def test_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    from opsmith import safetensors

    path = tmp_path / "x.safetensors"
    state = {
        "w": opsmith.arange(6.0).reshape(2, 3).t(),
        "b": opsmith.tensor([1.5, -2.0]).to(opsmith.bfloat16),
        "n": opsmith.tensor(3),
        "m": opsmith.tensor([True, False]),
        "e": opsmith.zeros(0, 2),
    }
    safetensors.save_file(state, path, {"format": "pt"})
    found = safetensors.load_file(path)
    assert set(found) == set(state)
    for name, value in state.items():
        assert found[name].dtype == value.dtype and found[name].tolist() == value.tolist()
    size = int.from_bytes(path.read_bytes()[:8], "little")
    assert b'"BF16"' in path.read_bytes()[8 : 8 + size]
    with pytest.raises(ValueError, match="'x' is int, expected a Tensor"):
        safetensors.save_file({"x": 3}, path)

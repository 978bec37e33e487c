"""Readers of ELF, dex, binary XML and signatures: right on whole files, calm on damaged ones."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.app.archive import Entry, write_archive
from sdk_builder.app.binary_xml import read_binary_xml
from sdk_builder.app.dexfile import DexFile, Method
from sdk_builder.app.elf import read_elf
from sdk_builder.app.formats import Bytes, FormatError
from sdk_builder.app.signatures import read_signatures
from tests.unit.app.makers import Tag, binary_xml, dex, elf, signing_block, with_signing_block

DEX = dex(
    {"La/Main;": [("main", "V"), ("size", "I")], "La/Other;": [("x", "La/Main;")]},
    calls=[("Ljava/lang/Object;", "<init>", "V")],
)
MANIFEST = Tag(
    "manifest",
    {"package": "a.b", "versionCode": 7, "versionName": "1.0 ünï"},
    [Tag("uses-sdk", {"minSdkVersion": 28}), Tag("application", {"debuggable": True})],
)


@pytest.mark.parametrize(
    ("machine", "bits", "abi"),
    [(183, 64, "arm64-v8a"), (62, 64, "x86_64"), (40, 32, "armeabi-v7a"), (3, 32, "x86")],
)
def test_elf_tells_abi_and_smallest_alignment(machine, bits, abi):
    facts = read_elf(elf(machine, (65536, 4096, 16384), bits), "x.so")
    assert (facts.abi, facts.bits, facts.load_alignment) == (abi, bits, 4096)


def test_elf_without_segments_is_refused():
    with pytest.raises(FormatError, match="nothing to load"):
        read_elf(elf(alignments=()), "x.so")


def test_dex_tells_its_classes_and_what_it_calls():
    file = DexFile(DEX, "classes.dex")
    assert [one.name for one in file.class_defs] == ["La/Main;", "La/Other;"]
    assert file.class_defs[0].superclass == "Ljava/lang/Object;"
    assert file.class_defs[0].methods == (
        Method("La/Main;", "main", "()V"),
        Method("La/Main;", "size", "()I"),
    )
    assert Method("Ljava/lang/Object;", "<init>", "()V") in file.methods
    assert "La/Other;" in file.types


def test_whole_dex_has_its_checksum_and_signature():
    facts = DexFile(DEX, "classes.dex").facts
    assert (facts.version, facts.classes, facts.methods) == (39, 2, 4)
    assert facts.checksum_holds
    assert facts.signature_holds


@given(st.integers(32, len(DEX) - 1))
def test_changed_byte_of_a_dex_is_noticed(place):
    spoilt = bytearray(DEX)
    spoilt[place] ^= 1
    if 40 <= place < 44:  # the mark of the byte order: no dex file any more
        with pytest.raises(FormatError):
            DexFile(bytes(spoilt), "classes.dex")
    else:
        facts = DexFile(bytes(spoilt), "classes.dex").facts
        assert not facts.checksum_holds
        assert not facts.signature_holds


@pytest.mark.parametrize("utf8", [False, True])
def test_binary_xml_gives_elements_and_typed_attributes(utf8):
    root = read_binary_xml(binary_xml(MANIFEST, utf8=utf8))
    assert root.tag == "manifest"
    assert root.attributes == MANIFEST.attributes
    assert root.all("uses-sdk")[0].attributes == {"minSdkVersion": 28}
    assert root.all("application")[0].attributes["debuggable"] is True


@pytest.mark.parametrize("utf8", [False, True])
def test_long_texts_of_binary_xml_are_whole(utf8):
    text = "é" * 200
    root = read_binary_xml(binary_xml(Tag("a", {"package": text}), utf8=utf8))
    assert root.attributes["package"] == text


@pytest.mark.parametrize("tags", [0, 300])
def test_document_nested_too_deep_or_empty_is_refused(tags):
    root = Tag("a")
    for _ in range(tags):
        root = Tag("a", children=[root])
    data = binary_xml(root)
    if not tags:
        data = data[:8]
        data = data[:4] + len(data).to_bytes(4, "little")
    with pytest.raises(FormatError):
        read_binary_xml(data)


def archive(tmp_path, block: bytes = b"") -> bytes:
    write_archive(tmp_path / "it.apk", [Entry("a", b"1"), Entry("b", b"2", stored=True)])
    data = (tmp_path / "it.apk").read_bytes()
    return with_signing_block(data, block) if block else data


def test_signatures_are_named_with_their_signers(tmp_path):
    block = signing_block({0x7109871A: b"certificate", 0xF05368C0: b"certificate"})
    found = read_signatures(archive(tmp_path, block), has_v1=False)
    assert found.schemes == ("v2", "v3")
    assert found.signers == (hashlib.sha256(b"certificate").hexdigest(),)


def test_archive_without_a_block_is_not_signed(tmp_path):
    assert read_signatures(archive(tmp_path), has_v1=True).schemes == ("v1",)
    assert read_signatures(archive(tmp_path), has_v1=False).signers == ()


def test_pairs_of_other_ids_are_passed_over(tmp_path):
    block = signing_block({0x42726577: b"padding", 0x7109871A: b"c"})
    assert read_signatures(archive(tmp_path, block), has_v1=False).schemes == ("v2",)


READERS = {
    "elf": (elf(), lambda data: read_elf(data, "x.so")),
    "elf 32": (elf(40, bits=32), lambda data: read_elf(data, "x.so")),
    "dex": (DEX, lambda data: _all_of(DexFile(data, "x.dex"))),
    "xml": (binary_xml(MANIFEST), read_binary_xml),
    "xml utf8": (binary_xml(MANIFEST, utf8=True), read_binary_xml),
}


def _all_of(file: DexFile) -> object:
    return file.facts, file.class_defs, file.methods, file.fields


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_file_is_read_or_told_and_nothing_else(kind, data):
    whole, read = READERS[kind]
    spoilt = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if spoilt:
            spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(spoilt))
    except FormatError as error:
        assert "\n" not in str(error)
    except UnicodeDecodeError:
        pytest.fail("text that is no UTF-8 is not told")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_signing_block_is_read_or_told(tmp_path_factory, data):
    block = signing_block({0x7109871A: b"certificate"})
    spoilt = bytearray(archive(tmp_path_factory.mktemp("apk"), block))
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_signatures(bytes(spoilt), has_v1=False)
    except FormatError as error:
        assert "\n" not in str(error)


@given(st.integers(0, 2**32 - 1))
def test_number_of_variable_length_is_read(number):
    data, rest = b"", number
    while True:
        data += bytes([rest & 0x7F | (0x80 if rest > 0x7F else 0)])
        rest >>= 7
        if not rest:
            break
    assert Bytes(data, "it").uleb128(0) == (number, len(data))

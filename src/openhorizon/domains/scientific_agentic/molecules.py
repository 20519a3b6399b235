"""The domain's material: a registry of molecules, assembled from fragments (and, at full size, known drugs)."""

import random
from collections.abc import Iterable, Iterator
from itertools import chain
from zlib import crc32

from openhorizon.domains.domain import Size
from openhorizon.domains.names import names, split_of
from openhorizon.domains.scientific_agentic.chemistry import GROUPS, canonical, count, nearest
from openhorizon.records import Document, Edge, EdgeKind, Node, NodeKind, Split

DOMAIN = "scientific_agentic"
MOLECULES = {Split.TRAIN: 300, Split.HELDOUT: 110}
SIMILAR = 4  # neighbours by similarity that a molecule is linked to
# {a} and {b} are branches; their ring numbers (7) differ from the scaffolds' (1, 2), so that no ring closes by accident
SCAFFOLDS = (
    "c1ccc({a})cc1{b}", "c1cc({a})ccc1{b}", "c1cc({a})cnc1{b}", "C1CCC({a})CC1{b}", "C1CC({a})CN1CC{b}",
    "c1cc({a})c2ccccc2c1{b}", "c1c({a})oc({b})c1", "c1c({a})sc({b})c1", "C1CN(C{a})CCN1CC{b}", "C1COC({a})C1{b}",
    "c1ccc2c(c1)c({a})cn2CC{b}", "C({a})CC{b}", "CC({a})CC(C){b}", "c1cc({a})nc({b})n1", "O=C1CC({a})CC1{b}",
)  # fmt: skip
BRANCHES = (
    "C", "CC", "CCC", "C(C)C", "CO", "CCO", "OC", "OCC", "C(=O)O", "C(=O)OC", "C(=O)N", "NC(C)=O", "F", "Cl", "Br",
    "C#N", "C(F)(F)F", "S(=O)(=O)N", "C(C)=O", "CN", "CCN", "c7ccccc7", "Cc7ccccc7", "C7CCCC7", "c7ccncc7",
    "N7CCOCC7", "C(=O)Nc7ccccc7", "OCc7ccccc7", "CC(=O)O", "SC", "O", "N",
)  # fmt: skip
DRUGS = (
    "CC(=O)Oc1ccccc1C(=O)O", "CC(=O)Nc1ccc(O)cc1", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "CN1CCCC1c1cccnc1", "COc1ccc2cc(ccc2c1)C(C)C(=O)O", "CN1c2ccc(Cl)cc2C(=NCC1=O)c1ccccc1",
    "CCN(CC)CC(=O)Nc1c(C)cccc1C", "CCN(CC)CCOC(=O)c1ccc(N)cc1", "CCOC(=O)c1ccc(N)cc1", "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1",
    "CC(C)NCC(O)COc1cccc2ccccc12", "CC(C)NCC(O)COc1ccc(CC(N)=O)cc1", "COCCc1ccc(OCC(O)CNC(C)C)cc1", "CN(C)C(=N)NC(N)=N",
    "O=C1NC(=O)C(c2ccccc2)(c2ccccc2)N1", "Cc1cc(NS(=O)(=O)c2ccc(N)cc2)no1", "COc1cc(Cc2cnc(N)nc2N)cc(OC)c1OC",
    "NNC(=O)c1ccncc1", "CNCCC(Oc1ccc(cc1)C(F)(F)F)c1ccccc1", "CNC1CCC(c2ccc(Cl)c(Cl)c2)c2ccccc12",
    "CNC1(CCCCC1=O)c1ccccc1Cl", "CC(=O)CC(c1ccccc1)C1=C(O)c2ccccc2OC1=O", "NCCc1ccc(O)c(O)c1", "NCCc1c[nH]c2ccc(O)cc12",
    "COc1ccc2[nH]cc(CCNC(C)=O)c2c1", "CNCC(O)c1ccc(O)c(O)c1", "NCCc1c[nH]cn1", "NC(Cc1c[nH]c2ccccc12)C(=O)O",
    "COc1cc(C=O)ccc1O", "C=CCc1ccc(O)c(OC)c1", "CC1CCC(C(C)C)C(O)C1", "CC1(C)C2CCC1(C)C(=O)C2", "Cc1ccc(C(C)C)c(O)c1",
    "O=c1ccc2ccccc2o1", "Cn1c(=O)c2[nH]cnc2n(C)c1=O", "O=c1[nH]cnc2[nH]ncc12", "O=c1[nH]cc(F)c(=O)[nH]1",
    "NCC(CC(=O)O)c1ccc(Cl)cc1", "NCC1(CC(=O)O)CCCCC1", "CC(C)CC(CN)CC(=O)O", "CCC(C(N)=O)N1CCCC1=O",
    "NC(=O)N1c2ccccc2C=Cc2ccccc12", "Cc1cccc(Nc2ccccc2C(=O)O)c1C", "O=C(O)Cc1ccccc1Nc1c(Cl)cccc1Cl",
    "CC(C(=O)O)c1cccc(c1)C(=O)c1ccccc1", "CC(C(=O)O)c1ccc(c(F)c1)-c1ccccc1", "CN(C)CCCN1c2ccccc2Sc2ccc(Cl)cc12",
    "COc1ccc2c(c1)c(CC(=O)O)c(C)n2C(=O)c1ccc(Cl)cc1", "CN(C)CCCN1c2ccccc2CCc2ccccc12", "CN(C)CCOC(c1ccccc1)c1ccccc1",
    "CC(NC(C)(C)C)C(=O)c1cccc(Cl)c1", "COc1cccc(c1)C1(O)CCCCC1CN(C)C", "NC(=O)CS(=O)C(c1ccccc1)c1ccccc1",
    "CN(C)C(=O)Cc1c(nc2ccc(C)cn12)-c1ccc(C)cc1", "CNS(=O)(=O)Cc1ccc2[nH]cc(CCN(C)C)c2c1",
    "COc1ccc2[nH]c(nc2c1)S(=O)Cc1ncc(C)c(OC)c1C", "CC1=C(CSCCNC(=NC)NC#N)N=CN1", "CCCCNC(=O)NS(=O)(=O)c1ccc(C)cc1",
    "NS(=O)(=O)c1cc2c(cc1Cl)NCNS2(=O)=O", "NS(=O)(=O)c1cc(C(=O)O)c(NCc2ccco2)cc1Cl",
)  # fmt: skip


def molecule_id(title: str) -> str:
    """The node id of a molecule: by its name at mini size, by its canonical SMILES at full size."""
    return f"{DOMAIN}/molecule/{title}"


def group_id(group: str) -> str:
    """The node id of a functional group."""
    return f"{DOMAIN}/group/{group}"


def material(seed: int, size: Size) -> Iterable[Document | Node | Edge]:
    """Groups and molecules of both splits; a molecule is linked to the groups it has and to its nearest kin."""
    for group, smarts in GROUPS.items():
        yield Node(
            id=group_id(group), kind=NodeKind.CONSTRAINT, domain=DOMAIN, title=group,
            text=f"{group}: SMARTS {smarts}", data={"smarts": smarts},
        )  # fmt: skip
    for split in Split:
        smiles = list(_drawn(split, random.Random(crc32(f"{DOMAIN} {size} {split} {seed}".encode())), size))
        titles = dict(zip(smiles, names(split, seed))) if size == "mini" else {s: s for s in smiles}
        for text, title in titles.items():
            yield Node(
                id=molecule_id(title),
                kind=NodeKind.ENTITY,
                domain=DOMAIN,
                title=title,
                source=text,
                data={"smiles": text},
            )
        for text, title in titles.items():
            for group in GROUPS:
                if count(text, group):
                    yield Edge(
                        source=molecule_id(title), target=group_id(group), kind=EdgeKind.LINKS_TO, label="has"
                    )
            for kin in nearest(text, tuple(titles), SIMILAR):
                yield Edge(
                    source=molecule_id(title),
                    target=molecule_id(titles[kin]),
                    kind=EdgeKind.LINKS_TO,
                    label="similar",
                )


def _drawn(split: Split, rng: random.Random, size: Size) -> Iterator[str]:
    """Canonical SMILES of the split, each once: known drugs first at full size, then assembled ones."""
    seen: set[str] = set()
    endless = iter(lambda: rng.choice(SCAFFOLDS).format(a=rng.choice(BRANCHES), b=rng.choice(BRANCHES)), "")
    for raw in chain(DRUGS if size == "full" else (), endless):
        smiles = canonical(raw)
        if smiles and smiles not in seen and split_of(smiles) is split:
            seen.add(smiles)
            yield smiles
            if len(seen) == MOLECULES[split]:
                return

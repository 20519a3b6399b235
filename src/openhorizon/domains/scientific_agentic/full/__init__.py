"""Scientific agentic at full size: invented compounds, pockets, crystals and packages, and 33 tools over them."""

from openhorizon.domains.domain import Domain, waits_in
from openhorizon.domains.scientific_agentic.full.baselines import baselines
from openhorizon.domains.scientific_agentic.full.laboratory import open_laboratory
from openhorizon.domains.scientific_agentic.full.propose import LIMITS, propose
from openhorizon.domains.scientific_agentic.full.tools_code import TOOLS as CODE
from openhorizon.domains.scientific_agentic.full.tools_crystals import TOOLS as CRYSTALS
from openhorizon.domains.scientific_agentic.full.tools_molecules import TOOLS as MOLECULES
from openhorizon.domains.scientific_agentic.full.verify import expert, guesses, verify, verify_step
from openhorizon.domains.scientific_agentic.full.world import material

SYSTEM = """You are a scientist with a laboratory of tools over molecules, crystals and program packages. Compounds (such as \
KITAVO-312), series of compounds, binding pockets, crystals and packages are registered under invented names: read each one that \
a task names with look_up or another tool before you answer. Never estimate what a tool can calculate; for what no tool \
calculates, write a program (run_python).

Atoms of a molecule are numbered from 0 in the order of its canonical SMILES; numbers change with every edit, so list them again \
after one. Sites of a crystal are numbered from 0 as look_up lists them. Descriptors: weight (g/mol), surface (topological polar \
surface area), refraction (molar refractivity, Crippen), complexity (Bertz), rings, donors and acceptors (of hydrogen bonds), logp \
(Crippen), rotatable (bonds), atoms (heavy), sp3 (fraction of carbons), qed. Functional groups are those that functional_groups \
counts; the names of substituents are those that fragments lists.

End with one line that holds the fields which the task asks for and nothing else, for example: density=4.2153, spacegroup=225. \
Give numbers with at least four significant digits, without units."""

FULL = Domain(
    name="scientific_agentic",
    tools=(*MOLECULES, *CRYSTALS, *CODE),
    system=SYSTEM,
    brief="Use the tools, then answer.",
    limits=LIMITS,
    material=material,
    propose=propose,
    open=open_laboratory,
    expert=expert,
    verify=verify,
    guesses=guesses,
    min_calls=3,
    verify_step=verify_step,
    baselines=baselines,
    waits=waits_in("match_pattern", "run_python"),
)

__all__ = ["FULL"]

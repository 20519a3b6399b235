"""Scientific agentic: questions about molecules, answered through RDKit's tools and worked out again by the verifier."""

from openhorizon.domains.domain import Domain
from openhorizon.domains.scientific_agentic.expert import expert
from openhorizon.domains.scientific_agentic.molecules import material
from openhorizon.domains.scientific_agentic.propose import propose
from openhorizon.domains.scientific_agentic.tools import TOOLS, open_laboratory
from openhorizon.domains.scientific_agentic.verify import guesses, shortcut, verify, verify_step
from openhorizon.records import Limits

SYSTEM = """You answer questions about molecules with the tools; never estimate a value. Pass a molecule to a tool \
exactly as the task writes it. Descriptors: weight (g/mol), surface (topological polar surface area), refraction \
(molar refractivity), complexity (Bertz), rings, donors and acceptors (of hydrogen bonds), logp, rotatable (bonds), \
atoms (heavy), sp3 (fraction of carbons), qed. Similarity is Tanimoto over Morgan fingerprints, in percent. \
End with one line that states only what was asked for, for example: weight=180.16, rings=1"""

DOMAIN = Domain(
    name="scientific_agentic",
    tools=TOOLS,
    system=SYSTEM,
    brief="Use the tools, then answer.",
    limits=Limits(turns=6, response_tokens=96, context_tokens=640, tool_calls=8),
    material=material,
    propose=propose,
    open=open_laboratory,
    expert=expert,
    verify=verify,
    guesses=guesses,
    min_calls=1,
    verify_step=verify_step,
    shortcut=shortcut,
)

__all__ = ["DOMAIN"]

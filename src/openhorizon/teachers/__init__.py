"""One file per domain: which demonstrations and tasks its teacher practises on, and in which stages (recipe.md §5).

A teacher starts from the SFT model. A stage names its data; the names are the keys of the domain's DATA.
"""

from openhorizon.teachers import agentic, engineering, instructions, science, scientific_agentic, search
from openhorizon.teachers.teacher import Curriculum

CURRICULA: dict[str, Curriculum] = {
    "search": search.CURRICULUM,
    "engineering": engineering.CURRICULUM,
    "science": science.CURRICULUM,
    "instructions": instructions.CURRICULUM,
    "agentic": agentic.CURRICULUM,
    "scientific_agentic": scientific_agentic.CURRICULUM,
}

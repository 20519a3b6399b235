"""The six domains by name. A new domain is a folder here and one line below."""

from openhorizon.domains.agentic import DOMAIN as agentic
from openhorizon.domains.domain import Domain
from openhorizon.domains.engineering import DOMAIN as engineering
from openhorizon.domains.instructions import DOMAIN as instructions
from openhorizon.domains.science import DOMAIN as science
from openhorizon.domains.scientific_agentic import DOMAIN as scientific_agentic
from openhorizon.domains.search import DOMAIN as search

DOMAINS: dict[str, Domain] = {
    d.name: d for d in (search, engineering, science, instructions, agentic, scientific_agentic)
}

"""Long-horizon search: follow a chain of facts from page to page of a corpus, from a question that names the start."""

from openhorizon.domains.domain import Domain
from openhorizon.domains.search.encyclopedia import material
from openhorizon.domains.search.expert import expert
from openhorizon.domains.search.lookups import lookups
from openhorizon.domains.search.propose import NAME, propose
from openhorizon.domains.search.repair import repair
from openhorizon.domains.search.shortcut import shortcut
from openhorizon.domains.search.tools import TOOLS, open_desk
from openhorizon.domains.search.verify import guesses, verify, verify_step
from openhorizon.domains.search.without import without
from openhorizon.records import Limits

SYSTEM = """You answer questions by looking things up in a collection of pages.
Search finds pages by words; read_page shows a page and where its links lead; code runs Python where you need to count \
or compare. Follow the question step by step: every step has to be read on its page, nothing is to be guessed. Quote \
what a page says before you go on to the next.
When you know the answer, write no tool call, but one sentence of reason and then the name between tags: \
<answer>name</answer>. Only the last pair of tags counts."""

DOMAIN = Domain(
    name=NAME,
    tools=TOOLS,
    system=SYSTEM,
    brief="Search, read pages, then answer.",
    limits=Limits(turns=6, response_tokens=64, context_tokens=1024, tool_calls=8),
    material=material,
    propose=propose,
    open=open_desk,
    expert=expert,
    verify=verify,
    guesses=guesses,
    min_calls=2,
    verify_step=verify_step,
    shortcut=shortcut,
    lookups=lookups,
    without=without,
    repair=repair,
)

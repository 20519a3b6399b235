"""Engineering at full size: competitions for medals and coding problems with hidden tests."""

from openhorizon.domains.domain import Domain, waits_in
from openhorizon.domains.engineering.full.baselines import baselines
from openhorizon.domains.engineering.full.cleanup import tidied
from openhorizon.domains.engineering.full.expert import expert
from openhorizon.domains.engineering.full.propose import LIMITS, material, propose
from openhorizon.domains.engineering.full.verify import guesses, open_bench, shortcut, verify, verify_step
from openhorizon.domains.engineering.harness.tools import TOOLS, digest

SYSTEM = """You are an engineer. Your solutions are nodes of a tree: write_full_code adds a complete program as a new root,
patch_code a changed copy of a node as its child. execute_code runs a node in a sandbox without network and reports what it printed,
its validation metric (the last line `validation: <number>`) and whether its submission is valid; execute_bash runs a shell command
beside the files. list_nodes orders the nodes, best first; invalidate_node gives one up, such as one whose validation leaks. analyze has somebody
with a fresh mind look at the tree. When your context is nearly full, earlier steps are folded into a digest: what must not be lost belongs into
write_notes. Make the solution that validates best the answer with update_answer, which may be changed at any time, then say so and stop."""

FULL = Domain(
    name="engineering",
    tools=TOOLS,
    system=SYSTEM,
    brief="keep the best solution",
    limits=LIMITS,
    material=material,
    propose=propose,
    open=open_bench,
    expert=expert,
    verify=verify,
    guesses=guesses,
    min_calls=3,
    verify_step=verify_step,
    shortcut=shortcut,
    baselines=baselines,
    tidy=tidied,
    digest=digest,
    tells_budget=True,
    waits=waits_in("write_full_code", "patch_code", "execute_code", "execute_bash", "analyze"),
)

"""The small formula families: one word a quantity, one program a step, numbers of at most four digits."""

from openhorizon.domains.science.formulas import Family, Formula, Look, formula

FORCE = formula("force = mass * acceleration", "N", "kg", "m/s^2")
MOMENTUM = formula("momentum = mass * speed", "N*s", "kg", "m/s")
WORK = formula("work = force * distance", "J", "N", "m")
POWER = formula("power = energy / time", "W", "J", "s")
BLOCK = formula("mass = density * volume", "kg", "kg/m^3", "m^3")
MELTING = formula("energy = heat * mass", "J", "J/kg", "kg")
PORTION = formula("mass = molar * moles", "g", "g/mol", "mol")
BREAKING = formula("force = strength * area", "N", "N/m^2", "m^2")
SOLUTION = formula("concentration = mass / volume", "g/L", "g", "L")

PLAIN = (
    FORCE,
    MOMENTUM,
    WORK,
    POWER,
    formula("distance = speed * time", "m", "m/s", "s"),
    formula("speed = distance / time", "m/s", "m", "s"),
    formula("time = distance / speed", "s", "m", "m/s"),
    formula("pressure = force / area", "Pa", "N", "m^2"),
    formula("voltage = current * resistance", "V", "A", "ohm"),
    formula("current = voltage / resistance", "A", "V", "ohm"),
    formula("charge = current * time", "C", "A", "s"),
    formula("density = mass / volume", "kg/m^3", "kg", "m^3"),
    formula("energy = power * time", "J", "W", "s"),
    SOLUTION,
)
LOOKED_UP: tuple[tuple[Formula, str], ...] = (
    (BLOCK, "density"),
    (MELTING, "heat"),
    (PORTION, "molar"),
    (BREAKING, "strength"),
    (formula("moles = mass / molar", "mol", "g", "g/mol"), "molar"),
    (formula("volume = mass / density", "m^3", "kg", "kg/m^3"), "density"),
)
CHAINS: tuple[tuple[tuple[Formula, ...], tuple[str, ...]], ...] = (
    ((BLOCK, FORCE), ("density",)),
    ((BLOCK, MOMENTUM), ("density",)),
    ((BLOCK, MELTING), ("density", "heat")),
    ((MELTING, POWER), ("heat",)),
    ((BREAKING, WORK), ("strength",)),
    ((PORTION, SOLUTION), ("molar",)),
)
PROPERTIES = {"density": "kg/m^3", "heat": "J/kg", "molar": "g/mol", "strength": "N/m^2"}
# a law of the handbook maps two of these to a force: "force = mass * 3 + speed * 2"
LAW_INPUTS = {"mass": "kg", "speed": "m/s", "time": "s", "area": "m^2", "volume": "m^3", "distance": "m"}


def _material(*quantities: str) -> tuple[Look, ...]:
    return (Look(kind="material", quantities=quantities),)


FAMILIES: tuple[Family, ...] = (
    *(Family(name=f"{f.out}-from-{'-'.join(f.units)[len(f.out) + 1 :]}", level=1, steps=(f,)) for f in PLAIN),
    *(
        Family(name=f"{f.out}-by-{quantity}", level=2, steps=(f,), looks=_material(quantity))
        for f, quantity in LOOKED_UP
    ),
    *(
        Family(
            name=f"{'-'.join(s.out for s in steps)}-by-{'-'.join(q)}",
            level=3,
            steps=steps,
            looks=_material(*q),
        )
        for steps, q in CHAINS
    ),
)

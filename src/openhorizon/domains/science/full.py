"""The formula families for real models: decimals, powers, constants of nature, chains over two or three look-ups."""

from openhorizon.domains.science.formulas import Family, Look, formula

# what an entry of each kind states: quantity -> unit, lowest and highest value
ENTRIES: dict[str, dict[str, tuple[str, float, float]]] = {
    "material": {
        "density": ("kg/m^3", 400, 9000),
        "specific_heat": ("J/(kg*K)", 120, 4200),
        "latent_heat": ("J/kg", 20000, 400000),
        "resistivity": ("ohm*m", 0.00001, 0.0009),
    },
    "planet": {"gravity": ("m/s^2", 1.2, 26)},
    "compound": {"molar_mass": ("g/mol", 18, 420)},
    "isotope": {"half_life": ("s", 40, 9000)},
}
CONSTANTS = {
    "gas constant": ("gas_constant", 8.314, "J/(mol*K)"),
    "speed of light": ("light_speed", 299792458, "m/s"),
    "Planck constant": ("planck_constant", 6.62607015e-34, "J*s"),
    "Faraday constant": ("faraday_constant", 96485, "C/mol"),
}
# givens: lowest, highest, decimals
RANGES: dict[str, tuple[float, float, int]] = {
    "mass": (0.5, 90, 1), "speed": (2, 60, 1), "radius": (0.5, 30, 1), "height": (2, 120, 1), "time": (5, 4000, 0),
    "volume": (0.02, 3, 2), "length": (1, 200, 1), "area": (0.001, 0.05, 3), "voltage": (5, 400, 0),
    "current": (0.5, 40, 1), "resistance": (2, 900, 0), "temperature": (200, 900, 0), "amount": (0.2, 20, 1),
    "temperature_change": (3, 120, 0), "sample_mass": (4, 900, 1), "tank_volume": (0.01, 0.9, 2),
    "object_distance": (0.2, 5, 2), "image_distance": (0.2, 5, 2), "frequency": (4e14, 9e14, -12), "power": (50, 4000, 0),
    "initial_concentration": (0.2, 9, 1), "initial_volume": (0.05, 2, 2), "final_volume": (2.1, 20, 1),
    "initial_activity": (500, 90000, 0),
}  # fmt: skip

KINETIC = formula("kinetic_energy = 0.5 * mass * speed ** 2", "J", "kg", "m/s")
BLOCK = formula("mass = density * volume", "kg", "kg/m^3", "m^3")
WEIGHT = formula("weight = mass * gravity", "N", "kg", "m/s^2")
IMPACT = formula("speed = (2 * gravity * height) ** 0.5", "m/s", "m/s^2", "m")
WARMING = formula("heat = mass * specific_heat * temperature_change", "J", "kg", "J/(kg*K)", "K")
WIRE = formula("resistance = resistivity * length / area", "ohm", "ohm*m", "m", "m^2")
OHM = formula("current = voltage / resistance", "A", "V", "ohm")
JOULE = formula("energy = voltage * current * time", "J", "V", "A", "s")
AMOUNT = formula("amount = sample_mass / molar_mass", "mol", "g", "g/mol")
GAS = formula(
    "pressure = amount * gas_constant * temperature / tank_volume", "Pa", "mol", "J/(mol*K)", "K", "m^3"
)

MATERIAL, PLANET, COMPOUND, ISOTOPE = (
    {k: Look(kind=kind, quantities=(k,)) for k in ENTRIES[kind]} for kind in ENTRIES
)


def _constant(title: str) -> Look:
    return Look(kind=f"constant {title}", quantities=(CONSTANTS[title][0],))


FAMILIES: tuple[Family, ...] = (
    Family(name="kinetic-energy", level=1, steps=(KINETIC,), story="A cart has {mass} and {speed}. What is its kinetic energy in J?"),
    Family(
        name="centripetal", level=1, steps=(formula("force = mass * speed ** 2 / radius", "N", "kg", "m/s", "m"),),
        story="A stone with {mass} moves at {speed} on a circle with {radius}. Which centripetal force, in N, holds it?",
    ),
    Family(
        name="lens", level=1,
        steps=(formula("focal_length = 1 / (1 / object_distance + 1 / image_distance)", "m", "m", "m"),),
        story="A thin lens with {object_distance} shows a sharp image at {image_distance}. What is its focal length in m?",
    ),
    Family(
        name="dilution", level=1,
        steps=(
            formula(
                "final_concentration = initial_concentration * initial_volume / final_volume", "mol/L", "mol/L", "L", "L"
            ),
        ),
        story="A stock solution with {initial_concentration} and {initial_volume} is filled up to {final_volume}. "
        "What is the concentration afterwards, in mol/L?",
    ),
    Family(
        name="heater", level=1, steps=(formula("power = voltage ** 2 / resistance", "W", "V", "ohm"),),
        story="A heater runs at {voltage} and has {resistance}. What power does it take, in W?",
    ),
    Family(
        name="weight", level=2, steps=(WEIGHT,), looks=(PLANET["gravity"],),
        story="A probe with {mass} stands on the planet {planet}. What is its weight there, in N?",
    ),
    Family(
        name="warming", level=2, steps=(WARMING,), looks=(MATERIAL["specific_heat"],),
        story="A piece of {material} with {mass} is warmed, with {temperature_change}. How much heat does it take, in J?",
    ),
    Family(
        name="wire", level=2, steps=(WIRE,), looks=(MATERIAL["resistivity"],),
        story="A wire of {material} has {length} and {area}. What is its resistance in ohm?",
    ),
    Family(
        name="moles", level=2, steps=(AMOUNT,), looks=(COMPOUND["molar_mass"],),
        story="How many mol are in a portion of {compound} with {sample_mass}?",
    ),
    Family(
        name="decay", level=2,
        steps=(formula("activity = initial_activity * 0.5 ** (time / half_life)", "Bq", "Bq", "s", "s"),),
        looks=(ISOTOPE["half_life"],),
        story="A source of the isotope {isotope} starts with {initial_activity}. What is its activity, in Bq, after {time}?",
    ),
    Family(
        name="photon", level=2, steps=(formula("energy = planck_constant * frequency", "J", "J*s", "Hz"),),
        looks=(_constant("Planck constant"),), story="What is the energy, in J, of one photon with {frequency}?",
    ),
    Family(
        name="ideal-gas", level=2, steps=(GAS,), looks=(_constant("gas constant"),),
        story="An ideal gas with {amount} and {temperature} fills a tank with {tank_volume}. What is its pressure in Pa?",
    ),
    Family(
        name="electrolysis", level=2,
        steps=(formula("amount = current * time / faraday_constant", "mol", "A", "s", "C/mol"),),
        looks=(_constant("Faraday constant"),),
        story="Singly charged ions are discharged with {current} for {time}. How many mol are discharged?",
    ),
    Family(
        name="block-weight", level=3, steps=(BLOCK, WEIGHT), looks=(MATERIAL["density"], PLANET["gravity"]),
        story="A block of {material} with {volume} lies on the planet {planet}. What is its weight in N?",
    ),
    Family(
        name="fall-energy", level=3, steps=(BLOCK, IMPACT, KINETIC), looks=(MATERIAL["density"], PLANET["gravity"]),
        story="On the airless planet {planet} a block of {material} with {volume} falls from {height}. "
        "What is its kinetic energy in J when it hits the ground?",
    ),
    Family(
        name="wire-energy", level=3, steps=(WIRE, OHM, JOULE), looks=(MATERIAL["resistivity"],),
        story="A wire of {material} with {length} and {area} is connected to {voltage} for {time}. "
        "How much energy, in J, does it give off?",
    ),
    Family(
        name="tank-pressure", level=3, steps=(AMOUNT, GAS), looks=(COMPOUND["molar_mass"], _constant("gas constant")),
        story="A portion of the gas {compound} with {sample_mass} is let into an empty tank with {tank_volume} "
        "at {temperature}. Taken as ideal, what is its pressure in Pa?",
    ),
    Family(
        name="melting-time", level=3,
        steps=(
            BLOCK,
            formula("heat = mass * latent_heat", "J", "kg", "J/kg"),
            formula("melting_time = heat / power", "s", "J", "W"),
        ),
        looks=(Look(kind="material", quantities=("density", "latent_heat")),),
        story="A block of {material} with {volume} is at its melting point and is heated with {power}. "
        "How long, in s, until all of it has melted?",
    ),
)  # fmt: skip

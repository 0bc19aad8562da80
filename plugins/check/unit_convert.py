"""Reference of `unit-convert`: every unit once there and once back, from definitions put together in exact fractions.

The definitions start from the metre, the kilogram and the second, and build the others as products (a psi is a pound's weight on a square inch),
where the plugin has a table of factors. Results lie between
a million and ten million, but for temperatures.
"""

import random
from fractions import Fraction

from replay import Row, main

m = kg = s = rev = A = mol = bit = one = Fraction(1)
g, t = kg / 1000, 1000 * kg
minute, h, d = 60 * s, 3600 * s, 86400 * s
pi = Fraction("3.14159265358979323846264338327950288")
gn = Fraction("9.80665") * m / s**2
N = kg * m / s**2
Pa, J, W = N / m**2, N * m, N * m / s
C, V, L = A * s, W / A, (m / 10) ** 3
inch = Fraction("0.0254") * m
ft, yd, mi, nmi = 12 * inch, 36 * inch, 5280 * 12 * inch, 1852 * m
lb = Fraction("0.45359237") * kg
gal_us, gal_uk = 231 * inch**3, Fraction("4.54609") * L
lbf, kgf = lb * gn, kg * gn
water, mercury = 1000 * kg / m**3 * gn, Fraction("13595.1") * kg / m**3 * gn
cal_IT, B = Fraction("4.1868") * J, 8 * bit
Btu = cal_IT * 1000 * lb / kg * Fraction(5, 9)
rad, deg = rev / 2 / pi, rev / 360

QUANTITIES = [
    {"m": m, "mm": m / 1000, "km": 1000 * m, "in": inch, "ft": ft, "yd": yd, "mi": mi, "nmi": nmi},
    {"m2": m**2, "cm²": (m / 100) ** 2, "ha": (100 * m) ** 2, "in2": inch**2, "ft2": ft**2, "acre": 66 * ft * 660 * ft},
    {"m³": m**3, "dm3": L, "L": L, "hL": 100 * L, "in3": inch**3, "ft3": ft**3, "gal_us": gal_us, "gal_uk": gal_uk, "bbl": 42 * gal_us},
    {"kg": kg, "g": g, "t": t, "kt": 1000 * t, "lb": lb, "oz": lb / 16, "ton_us": 2000 * lb, "ton_uk": 2240 * lb},
    {"s": s, "ms": s / 1000, "min": minute, "h": h, "d": d},
    {"Hz": 1 / s, "MHz": 10**6 / s, "1/min": 1 / minute, "1/h": 1 / h},
    {"rev": rev, "rad": rad, "mrad": rad / 1000, "°": deg, "gon": rev / 400, "arcmin": deg / 60, "arcsec": deg / 3600},
    {"rev/s": rev / s, "rpm": rev / minute, "rad/s": rad / s, "deg/s": deg / s},
    {"m/s": m / s, "µm/s": m / 10**6 / s, "m/min": m / minute, "km/h": 1000 * m / h, "in/s": inch / s, "ft/s": ft / s,
     "ft/min": ft / minute, "mph": mi / h, "kn": nmi / h},
    {"m/s²": m / s**2, "gn": gn, "ft/s2": ft / s**2},
    {"N": N, "kN": 1000 * N, "kgf": kgf, "lbf": lbf},
    {"N·m": N * m, "kNm": 1000 * N * m, "kgf.m": kgf * m, "lbf.ft": lbf * ft},
    {"Pa": Pa, "hPa": 100 * Pa, "bar": 10**5 * Pa, "mbar": 100 * Pa, "atm": 101325 * Pa, "at": kgf / (m / 100) ** 2, "psi": lbf / inch**2,
     "Torr": Fraction(101325, 760) * Pa, "mmHg": mercury * m / 1000, "inHg": mercury * inch, "mmH2O": water * m / 1000,
     "mH2O": water * m, "inH2O": water * inch},
    {"J": J, "MJ": 10**6 * J, "kWh": 1000 * W * h, "cal_th": Fraction("4.184") * J, "kcal_IT": 1000 * cal_IT, "Btu_IT": Btu,
     "toe": 10**10 * cal_IT},
    {"W": W, "MW": 10**6 * W, "PS": 75 * kgf * m / s, "hp": 550 * ft * lbf / s, "Btu_IT/h": Btu / h},
    {"VA": V * A, "MVA": 10**6 * V * A}, {"var": V * A, "kvar": 1000 * V * A},
    {"VAh": V * A * h, "kVAh": 1000 * V * A * h}, {"varh": V * A * h, "Mvarh": 10**6 * V * A * h},
    {"m3/s": m**3 / s, "m3/min": m**3 / minute, "m³/h": m**3 / h, "m3/d": m**3 / d, "L/s": L / s, "mL/min": L / 1000 / minute,
     "L/h": L / h, "gpm_us": gal_us / minute, "cfm": ft**3 / minute},
    {"kg/s": kg / s, "g/min": g / minute, "kg/h": kg / h, "t/h": t / h, "t/d": t / d, "lb/h": lb / h},
    {"kg/m³": kg / m**3, "mg/L": g / 1000 / L, "g/cm3": g / (m / 100) ** 3, "lb/ft3": lb / ft**3},
    {"Pa·s": Pa * s, "mPa.s": Pa * s / 1000, "cP": g / (m / 100) / s / 100},
    {"m2/s": m**2 / s, "mm²/s": (m / 1000) ** 2 / s, "cSt": (m / 100) ** 2 / s / 100},
    {"A": A, "mA": A / 1000}, {"V": V, "kV": 1000 * V}, {"Ω": V / A, "kohm": 1000 * V / A}, {"S": A / V, "mS": A / V / 1000},
    {"S/m": A / V / m, "µS/cm": A / V / 10**6 / (m / 100)}, {"C": C, "Ah": A * h, "mAh": A * h / 1000},
    {"F": C / V, "nF": C / V / 10**9}, {"H": V * s / A, "mH": V * s / A / 1000},
    {"T": V * s / m**2, "mT": V * s / m**2 / 1000, "G": V * s / m**2 / 10**4}, {"lx": one, "klx": 1000 * one},
    {"W/m²": W / m**2, "kW/m2": 1000 * W / m**2, "Btu_IT/(h.ft2)": Btu / h / ft**2},
    {"J/kg": J / kg, "kJ/kg": 1000 * J / kg, "Wh/kg": W * h / kg, "Btu_IT/lb": Btu / lb},
    {"mol/m3": mol / m**3, "mmol/L": mol / 1000 / L},
    {"1": one, "%": one / 100, "permille": one / 1000, "ppm": one / 10**6, "ppb": one / 10**9},
    {"bit": bit, "Mbit": 10**6 * bit, "B": B, "GB": 10**9 * B, "KiB": 1024 * B, "MiB": 1024**2 * B, "GiB": 1024**3 * B, "TiB": 1024**4 * B},
    {"bit/s": bit, "kbit/s": 1000 * bit, "MB/s": 10**6 * B, "KiB/s": 1024 * B, "MiB/s": 1024**2 * B, "GiB/s": 1024**3 * B},
]

KELVIN = {
    "K": (lambda x: x, lambda x: x),
    "°C": (lambda x: x + Fraction("273.15"), lambda x: x - Fraction("273.15")),
    "degF": (lambda x: (x - 32) * 5 / 9 + Fraction("273.15"), lambda x: (x - Fraction("273.15")) * 9 / 5 + 32),
    "°R": (lambda x: x * 5 / 9, lambda x: x * 9 / 5),
}


def add(reference, old, new, pairs):
    rows = [(Row(time, given), Row(time, result)) for time, (given, result) in enumerate(pairs, 1)]
    reference.case(f"{old} in {new}", {"from": old, "to": new}, [given for given, _ in rows], [result for _, result in rows])


def generated(reference):
    source = random.Random(1)
    for units in QUANTITIES:
        base = next(iter(units))
        for other in list(units)[1:]:
            for old, new in ((base, other), (other, base)):
                ratio = units[old] / units[new]
                given = float(10**6 * (1 + 9 * Fraction(source.random())) / ratio)
                add(reference, old, new, [(given, float(Fraction(given) * ratio))])
    for old, (into, _) in KELVIN.items():
        for new, (_, out) in KELVIN.items():
            given = [round(source.random() * 600 - 50, 2) for _ in range(3)]
            add(reference, old, new, [(x, float(out(into(Fraction(x))))) for x in given])


def recorded(reference, rows):
    """The recorded temperatures are in degrees Fahrenheit; any other series may be taken as such."""
    pairs = [(row.value, float((Fraction(row.value) - 32) * 5 / 9)) for row in rows[:2000]]
    add(reference, "°F", "°C", pairs)


if __name__ == "__main__":
    main("unit-convert", "unit_convert.py", generated, recorded)

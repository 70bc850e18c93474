"""What signs say, in UPPERCASE: common short words, pairs of words, pronounceable nonsense, number plates."""

from __future__ import annotations

import numpy as np

LISTED = """
    OPEN SALE CAFE STOP EXIT TAXI HOTEL BAKERY BAR PUB TEA ICE GYM SPA ZOO INN BUS TRAM METRO TRAIN PARK BANK POST SHOP
    STORE FOOD FRESH FISH MEAT MILK BREAD CAKE PIE PIZZA PASTA SUSHI TACO SOUP SALAD GRILL DINER BISTRO DELI MARKET
    FRUIT APPLE PEAR PLUM LEMON LIME MANGO PEACH CHERRY BERRY OLIVE ONION HONEY SUGAR SALT SPICE RICE BEANS CORN EGGS
    CHEESE BUTTER COFFEE COCOA JUICE WATER WINE BEER SODA COLA BOOKS MUSIC DANCE FILM CINEMA RADIO PIANO GUITAR DRUM
    JAZZ ROCK OPERA PLAY GAME TOYS DOLL KITE BALL CHESS ART PAINT FRAME PHOTO PRINT PAPER PEN INK MAP NEWS STORY POEM
    SCHOOL CLASS MATH ATLAS NOVEL FABLE LIBRARY MUSEUM CLINIC DOCTOR DENTIST NURSE PHARMACY HELP POLICE FIRE GARAGE
    TYRES FUEL GAS OIL CAR BIKE BOAT FERRY PORT DOCK PIER BEACH SURF SWIM POOL LAKE RIVER HILL ROAD LANE AVENUE SQUARE
    BRIDGE GATE DOOR YARD FARM BARN GARDEN FLOWERS ROSE LILY TULIP DAISY FERN TREE WOOD OAK PINE MAPLE CEDAR STONE BRICK
    TILE GLASS STEEL IRON GOLD SILVER RUBY PEARL OPAL SHOES HATS COATS SOCKS DRESS SHIRT SUIT SILK WOOL LINEN TAILOR
    BARBER SALON HAIR NAILS SOAP BATH BED SOFA LAMP TABLE CHAIR CLOCK PHONE TOOLS HAMMER NAIL PETS DOG CAT BIRD HORSE
    LION TIGER BEAR WOLF FOX OWL EAGLE DUCK SWAN FROG SUN MOON STAR SKY RAIN SNOW WIND STORM SUMMER WINTER SPRING
    MAY JUNE JULY NORTH SOUTH EAST WEST LEFT RIGHT UP DOWN SLOW FAST YIELD WAIT GO ENTER PUSH PULL CLOSED FREE NEW HOT
    COLD BEST LOVE PEACE HOPE DREAM HAPPY SMILE HELLO WELCOME THANKS PLEASE YES NO OK MOM DAD BABY KIDS KING QUEEN BOSS
    TEAM CLUB HOME HOUSE ROOM RENT LOFT STUDIO OFFICE LAB DATA CODE ROBOT SPACE ROCKET ORBIT ECHO DELTA ALPHA OMEGA
    ZEN NOVA LUNA TERRA AQUA SOLAR VINTAGE MODERN CLASSIC JUMBO MINI MEGA SUPER ULTRA PRIME ROYAL GRAND
"""
WORDS: tuple[str, ...] = tuple(LISTED.split())

FIRST = "OLD NEW BIG RED HOT ICE MY NO GO TOP BLUE BUS WET BEST FREE FISH FARM TEA CITY OPEN HIGH WEST KEEP WAY SLOW"
SECOND = "BAR PUB SHOP ROAD LANE ENTRY LEFT CAFE INN STOP CREAM PAINT SALE FOOD MARKET HOUSE PARK ROOM HILL OUT DOWN"
PAIRS: tuple[str, ...] = tuple(f"{a} {b}" for a in FIRST.split() for b in SECOND.split() if len(a) + len(b) < 10)

CONSONANTS = "BCDFGHJKLMNPRSTVWXZ"
VOWELS = "AEIOU"
PLATE_LETTERS = "ABCDEFGHJKLMNPRSTUVWXY"
PLATE_FORMS = ("LLDD LLL", "DLL DDD", "LL DDD", "LLL DD", "LD LLL", "LLL DDD", "LL DD", "LD DD", "DL DDD")


def word(rng: np.random.Generator, longest: int = 8) -> str:
    """A common word, shorter ones more often."""
    fitting = [w for w in WORDS if len(w) <= longest]
    weight = np.array([len(w) ** -2.0 for w in fitting])
    return fitting[int(rng.choice(len(fitting), p=weight / weight.sum()))]


def pair(rng: np.random.Generator, longest: int = 8) -> str:
    """Two words, at most ten characters with the space, shorter ones more often; no word longer than `longest`."""
    fitting = [p for p in PAIRS if max(map(len, p.split())) <= longest]
    weight = np.array([len(p) ** -3.0 for p in fitting])
    return fitting[int(rng.choice(len(fitting), p=weight / weight.sum()))]


def nonsense(rng: np.random.Generator, longest: int = 6) -> str:
    """Three to six letters, consonants and vowels in turn: nothing to recall, so it has to be spelt."""
    length = int(rng.choice(np.arange(3, 7), p=[0.42, 0.33, 0.17, 0.08]))
    start = int(rng.integers(2))
    letters = (VOWELS if (start + i) % 2 else CONSONANTS for i in range(min(length, longest)))
    return "".join(kind[int(rng.integers(len(kind)))] for kind in letters)


def number_plate(rng: np.random.Generator) -> str:
    """Letters and digits in one of nine patterns, such as 'KX42 RBT' or '7AB 318'."""
    form = PLATE_FORMS[int(rng.integers(len(PLATE_FORMS)))]
    kinds = {"L": PLATE_LETTERS, "D": "0123456789"}
    drawn = "".join(kinds[c][int(rng.integers(len(kinds[c])))] if c in kinds else c for c in form)
    return "7" + drawn[1:] if drawn[0] == "0" else drawn  # a leading zero would pass for a letter


def phrase(rng: np.random.Generator, longest: int = 8) -> str:
    """A word (9 in 16), a pair (3) or nonsense (4): beside a fifth of plates, 45 %, 15 % and 20 % of all signs."""
    kind = rng.random()
    if kind < 9 / 16:
        return word(rng, longest)
    return pair(rng, longest) if kind < 12 / 16 else nonsense(rng, longest)
